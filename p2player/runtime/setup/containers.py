"""podman, CRI-O, buildah and skopeo: a drop-in of registries.conf with a mirror for each registry.

See containers-registries.conf(5) and containers-registries.conf.d(5).

Of two files that define the same prefix the later one counts, and the mirrors of the earlier one are lost. So what
somebody else has defined is left alone, and the user is told.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from p2player.errors import InvalidConfig
from p2player.oci.reference import Repository, looks_like_registry, registry_in_path
from p2player.runtime.setup.hosts import drop_in
from p2player.runtime.setup.marks import parse_toml
from p2player.runtime.setup.target import Target, Wanted
from p2player.runtime.setup.tree import Tree, read_text

DROP_IN: Final = "/etc/containers/registries.conf.d/50-p2player.conf"
PROBE: Final = "p2player.invalid"
"""A registry that cannot exist (RFC 6761), mirrored as well so that `doctor` has a name to pull by."""

_CERTIFICATES: Final = "/etc/containers/certs.d"
_DEFAULTS: Final = ("docker.io", "ghcr.io", "quay.io", "registry.k8s.io", "gcr.io", PROBE)
_FILES: Final = ("/usr/share/containers/registries.conf", "/etc/containers/registries.conf")


def configure(tree: Tree, target: Target) -> Wanted:
    """Return what makes podman and CRI-O pull through the node."""
    asked = {_plain(name) for name in target.registries}
    defined: dict[str, str] = {}
    searched: list[str] = []
    for path, settings in _others(tree):
        for registry in _tables(settings, "registry", path):
            defined[str(registry.get("prefix") or registry.get("location", ""))] = path
        searched += [name for name in settings.get("unqualified-search-registries", []) if isinstance(name, str)]
    notes, tables = [], []
    for name in dict.fromkeys((*_DEFAULTS, *filter(looks_like_registry, searched), *sorted(asked))):
        place = next((path for prefix, path in defined.items() if _covers(prefix, name)), None)
        if place is None:
            tables.append(f'[[registry]]\nlocation = "{name}"\n{_mirror(target, name)}')
        else:
            lines = _mirror(target, name).replace("\n", "; ").removesuffix("; ")
            notes.append(f"{place} defines {name} already; to mirror it, add there, as its first mirror: {lines}")
    text = read_text(tree, DROP_IN)
    wanted = drop_in(text, "\n".join(tables))
    if wanted != text:
        notes += _by_hand(target)
    return Wanted({DROP_IN: wanted}, tuple(notes))


def _by_hand(target: Target) -> list[str]:
    """Return what is still to be done for an endpoint that asks who is there: these runtimes keep it elsewhere."""
    access, place = target.access, f"{_CERTIFICATES}/{target.endpoint}"
    files = {"ca.crt": access.ca, "client.cert": access.client_cert, "client.key": access.client_key}
    links = [f"ln -s {path} {place}/{name}" for name, path in files.items() if path]
    notes = [" && ".join((f"mkdir -p {place}", *links))] if links else []
    if access.token_file:
        notes.append(f"podman login --username p2player --password-stdin {target.endpoint} < {access.token_file}")
    return [f"to be let in, run: {note}" for note in notes]


def _mirror(target: Target, name: str) -> str:
    return f'[[registry.mirror]]\nlocation = "{target.endpoint}/{registry_in_path(name)}"\ninsecure = {json.dumps(not target.is_tls)}\n'


def _plain(name: str) -> str:
    """Return the name of a registry to mirror, or raise InvalidConfig or InvalidReference."""
    if not looks_like_registry(name):
        raise InvalidConfig(f"not a registry name: {name[:200]!r}", hint="a registry looks like registry.example")
    return Repository.of(name, "name").registry


def _covers(prefix: str, name: str) -> bool:
    return prefix == name or (prefix.startswith("*.") and name.endswith(prefix[1:]))


def _others(tree: Tree) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what the other files say, in the order in which they are read."""
    drop_ins = [
        f"{file}.d/{name}" for file in _FILES for name in tree.names(f"{file}.d") or () if name.endswith(".conf")
    ]
    for path in (*_FILES, *drop_ins):
        text = read_text(tree, path) if path != DROP_IN else None
        if text is not None:
            yield path, parse_toml(text, path)


def _tables(settings: dict[str, Any], key: str, path: str) -> list[dict[str, Any]]:
    tables = settings.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InvalidConfig(
            f"{path}: {key} is not an array of tables", hint="mend that file first; nothing was written"
        )
    return tables
