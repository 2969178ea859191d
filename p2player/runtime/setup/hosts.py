"""`hosts.toml`, by which containerd and dockerd's containerd store are told of mirrors (containerd, docs/hosts.md).

Each registry may have a directory with such a file, or with TLS certificates alone; `_default` is for all others.
A file has its mirrors in their order, and without a `server` of its own the registry itself comes behind them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from p2player.errors import InvalidConfig
from p2player.registry.tokens import TOKEN_HEADER
from p2player.runtime.setup.marks import appended, block, insertions, parse_toml, without_blocks
from p2player.runtime.setup.target import Target
from p2player.runtime.setup.tree import Tree, read_text

DEFAULT: Final = "_default"
FILE: Final = "hosts.toml"
# Before 2.1 containerd does not know `dial_timeout`, and passes over it.
_OURS: Final[Mapping[str, Any]] = {"capabilities": ["pull", "resolve"], "dial_timeout": "200ms"}
_THEIRS: Final[Mapping[str, Any]] = {"capabilities": ["pull", "resolve"]}


def mirror_all(tree: Tree, directory: str, target: Target) -> dict[str, str]:
    """Return the files of directory as they should be, so that every registry is asked for here first."""
    host, _, port = target.endpoint.rpartition(":")
    itself = {target.endpoint, f"{host}_{port}_"}
    files = {}
    for name in sorted({DEFAULT, *(tree.names(directory) or ())} - itself):
        place = f"{directory}/{name}"
        names = tree.names(place)
        if names is not None or name == DEFAULT:
            path = f"{place}/{FILE}"
            text = read_text(tree, path) or ""
            files[path] = mirrored(text, path, target) if text.strip() else new_file(target, _certificates(names or ()))
    return files


def mirrored(text: str, path: str, target: Target) -> str:
    """Return a file with our mirror before all others. Raises InvalidConfig if that cannot be done safely."""
    now = parse_toml(text, path).get("host", {})
    ours = _ours(target)
    rest = without_blocks(text)
    if list(now)[:1] == [target.url] and (now[target.url] == ours or rest == text):
        return text
    before = parse_toml(rest, path)
    others = before.get("host", {})
    part = block(_mirror(target.url, ours))
    for candidate in insertions(rest, part):
        try:
            after = parse_toml(candidate, path)
        except InvalidConfig:
            continue
        if after == {**before, "host": {target.url: ours, **others}} and next(iter(after["host"])) == target.url:
            return candidate
    raise InvalidConfig(
        f"{path} spells its mirrors in a way that cannot be added to safely",
        hint=f'add this before its other mirrors: [host."{target.url}"] with capabilities = ["pull", "resolve"]',
    )


def new_file(target: Target, settings: str = "", mirrors: Sequence[str] = ()) -> str:
    """Return a file with our mirror, mirrors behind it, and settings (whole lines) for the registry itself."""
    body = settings + _mirror(target.url, _ours(target)) + "".join(_mirror(url, _THEIRS) for url in mirrors)
    return block(body)


def drop_in(text: str | None, body: str) -> str:
    """Return a file that has body as our part, and around it what others put there."""
    part = block(body)
    if text is None or part in text:
        return text or part
    return appended(without_blocks(text), part)


def _ours(target: Target) -> dict[str, Any]:
    """Return the settings of our mirror."""
    access = target.access
    settings = dict(_OURS)
    if access.ca:
        settings["ca"] = access.ca
    if access.client_cert:
        settings["client"] = [[access.client_cert, access.client_key]] if access.client_key else access.client_cert
    if token := access.token:
        settings["header"] = {TOKEN_HEADER: token}
    return settings


def _mirror(url: str, settings: Mapping[str, Any]) -> str:
    return f"[host.{json.dumps(url, ensure_ascii=False)}]\n" + "".join(
        f"  {key} = {_toml(value)}\n" for key, value in settings.items()
    )


def _toml(value: str | list[Any] | dict[str, str]) -> str:
    """Return a value in one line of TOML, which spells strings and lists of them as JSON does."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {json.dumps(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def _certificates(names: Sequence[str]) -> str:
    """Return settings for the certificates in a registry's directory: a hosts.toml has to name them.

    `.crt` are authorities, `.cert` a client's certificates, `.key` beside them their keys (Docker's layout).
    """
    authorities = [name for name in names if name.endswith(".crt")]
    pairs: list[str | list[str]] = []
    for name in names:
        if name.endswith(".cert"):
            key = f"{name.removesuffix('.cert')}.key"
            pairs.append([name, key] if key in names else name)
    lines = [f"ca = {json.dumps(authorities)}\n"] if authorities else []
    lines += [f"client = {json.dumps(pairs)}\n"] if pairs else []
    return "".join(lines)
