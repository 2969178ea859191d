"""containerd: a directory of hosts.toml files, which its CRI plugin is told of by `config_path` (docs/cri/registry.md).

`ctr` and `nerdctl` read such a directory themselves. Beside `config_path`, containerd refuses the older `mirrors`.
"""

import glob
import json
from fnmatch import fnmatch
from typing import Any, Final

from p2player.errors import InvalidConfig
from p2player.runtime.setup.hosts import DEFAULT, FILE, mirror_all
from p2player.runtime.setup.marks import appended, block, lines, parse_toml, table_of, without_blocks
from p2player.runtime.setup.target import Target, Wanted
from p2player.runtime.setup.tree import Tree, read_text

CONFIG: Final = "/etc/containerd/config.toml"
_DIRECTORY: Final = "/etc/containerd/certs.d"
_PATH_KEY: Final = "config_path"
# From 2.2 on both of these are read where nothing is set.
_FIRST_WITH_DEFAULT: Final = (2, 2)
_DEFAULT_PATH: Final = f"{_DIRECTORY}:/etc/docker/certs.d"
# Where the registry settings are, by the version of the file.
_TABLES: Final = {
    1: ("plugins", "cri", "registry"),
    2: ("plugins", "io.containerd.grpc.v1.cri", "registry"),
    3: ("plugins", "io.containerd.cri.v1.images", "registry"),
}
_NEWEST: Final = max(_TABLES)


def configure(tree: Tree, target: Target) -> Wanted:
    """Return what makes containerd pull through the node."""
    text = read_text(tree, CONFIG) or ""
    settings = parse_toml(text, CONFIG)
    version = _version(settings, target, new=not text.strip())
    table = _TABLES[version]
    path = str(_registry(tree, settings, table).get(_PATH_KEY) or "")
    if not path and target.version and target.version >= _FIRST_WITH_DEFAULT:
        path = _DEFAULT_PATH
    files: dict[str, str] = {}
    if not path:
        path = _DIRECTORY
        files[CONFIG] = _with_path(text or f"version = {version}\n", table)
    first, *others = path.split(":")
    _refuse_hidden(tree, first, others)
    files |= mirror_all(tree, first, target)
    notes = []
    disabled = settings.get("disabled_plugins", [])
    if "cri" in disabled or table[1] in disabled:
        notes.append(f"{CONFIG} switches CRI off: only `ctr --hosts-dir {first}` and nerdctl pull by these files")
    return Wanted(files, tuple(notes))


def hosts_directory(tree: Tree) -> str:
    """Return the directory of hosts.toml files that containerd reads first."""
    settings = parse_toml(read_text(tree, CONFIG) or "", CONFIG)
    registry = _registry(tree, settings, _TABLES[_version(settings, Target(""), new=False)])
    return str(registry.get(_PATH_KEY) or _DIRECTORY).partition(":")[0]


def _version(settings: dict[str, Any], target: Target, *, new: bool) -> int:
    if new:
        return _NEWEST if target.version and target.version >= (2, 0) else 2
    version = settings.get("version", 1)
    return min(version, _NEWEST) if isinstance(version, int) and version > 0 else 1


def _registry(tree: Tree, settings: dict[str, Any], table: tuple[str, ...]) -> dict[str, Any]:
    """Return the registry settings of the file and of those it imports. Raises InvalidConfig for the older kind."""
    found: dict[str, Any] = {}
    for path, each in ((CONFIG, settings), *_imported(tree, settings)):
        place: Any = each
        for key in table:
            place = place.get(key, {}) if isinstance(place, dict) else {}
        if not isinstance(place, dict):
            raise InvalidConfig(
                f"{path}: {'.'.join(table)} is not a table", hint="mend that file first; nothing was written"
            )
        configs = place.get("configs") or {}
        if place.get("mirrors") or any("tls" in config for config in configs.values() if isinstance(config, dict)):
            raise InvalidConfig(
                f"{path} sets mirrors or TLS in {'.'.join(table)}, and containerd takes no {_PATH_KEY} beside that",
                hint=f"write them as {_DIRECTORY}/REGISTRY/hosts.toml instead, then run this again",
            )
        found |= {key: value for key, value in place.items() if value}
    return found


def _imported(tree: Tree, settings: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for pattern in settings.get("imports", []):
        directory, _, name = str(pattern).rpartition("/")
        directory = directory or CONFIG.rpartition("/")[0]
        # as Go's filepath.Glob, but in the last part of the path alone, which is where people write patterns
        matching = (
            [each for each in tree.names(directory) or () if fnmatch(each, name)] if glob.has_magic(name) else [name]
        )
        for each in matching:
            text = read_text(tree, f"{directory}/{each}")
            if text is not None:
                found.append((f"{directory}/{each}", parse_toml(text, f"{directory}/{each}")))
    return found


def _with_path(text: str, table: tuple[str, ...]) -> str:
    """Return the file with config_path set. Raises InvalidConfig if that cannot be done safely."""
    line = f"{_PATH_KEY} = {json.dumps(_DIRECTORY)}\n"
    header = "[" + ".".join(key if key.isidentifier() else json.dumps(key) for key in table) + "]\n"
    wanted = parse_toml(text, CONFIG)
    place = wanted
    for key in table:
        place = place.setdefault(key, {})
    place[_PATH_KEY] = _DIRECTORY
    for candidate in (*_set_in_table(text, table, line), appended(text, block(header + line))):
        try:
            if parse_toml(candidate, CONFIG) == wanted:
                return candidate
        except InvalidConfig:
            continue
    raise InvalidConfig(
        f"{CONFIG} spells {'.'.join(table)} in a way that cannot be added to safely",
        hint=f"set {line.strip()} there, then run this again",
    )


def _set_in_table(text: str, table: tuple[str, ...], line: str) -> list[str]:
    """Return the ways to set it where the table is there: in place of the line that has it empty, or as its first."""
    parts = lines(text)
    found = []
    for number, part in enumerate(parts):
        if table_of(part) != table:
            continue
        for later, old in enumerate(parts[number + 1 :], number + 1):
            if table_of(old) is not None:
                break
            if old.partition("=")[0].strip().strip("\"'") == _PATH_KEY:
                found.append("".join((*parts[:later], block(line, old), *parts[later + 1 :])))
        found.append("".join((*parts[:number], appended(part, ""), block(line), *parts[number + 1 :])))
    return found


def _refuse_hidden(tree: Tree, first: str, others: list[str]) -> None:
    """Raise InvalidConfig if a registry has files in a further directory only: the first's `_default` would hide them."""
    for directory in others:
        for name in tree.names(directory) or ():
            found = tree.names(f"{directory}/{name}")
            if not found or name == DEFAULT or tree.names(f"{first}/{name}") is not None:
                continue
            # what setup wrote for Docker is there for Docker's sake
            if found != [FILE] or without_blocks(read_text(tree, f"{directory}/{name}/{FILE}") or "").strip():
                raise InvalidConfig(
                    f"containerd would read {directory}/{name} no longer, once {first}/{DEFAULT} is there",
                    hint=f"copy it to {first}/{name}, then run this again",
                )
