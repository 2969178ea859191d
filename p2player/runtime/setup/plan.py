"""From the files as they are to the files as they should be, or as they were: no file is touched here.

A file that setup changes is kept beside itself once, as it was. To undo, what nobody has changed since is put back from
there; of what somebody has changed, only our own part is taken out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import unified_diff
from typing import Final

from p2player.runtime.setup import containerd, containers, docker
from p2player.runtime.setup.access import Access
from p2player.runtime.setup.jsontext import parse_object, without
from p2player.runtime.setup.marks import without_blocks
from p2player.runtime.setup.record import OWN_DIRECTORIES, Record, fingerprint, record_path
from p2player.runtime.setup.target import Target, Wanted
from p2player.runtime.setup.tree import Changed, Tree, read_text

_SUFFIX: Final = ".p2player-backup"


@dataclass(frozen=True, slots=True)
class Runtime:
    """A container runtime that can be pointed at a node. Those that share files share a record."""

    record: str
    configure: Callable[[Tree, Target], Wanted]
    restart: Mapping[str, str] = field(default_factory=dict)
    """By file, the command after which the runtime works by it. The other files it reads at each pull."""


RUNTIMES: Final[Mapping[str, Runtime]] = {
    "docker": Runtime("docker", docker.configure, {docker.DAEMON_JSON: "systemctl reload docker"}),
    "containerd": Runtime("containerd", containerd.configure, {containerd.CONFIG: "systemctl restart containerd"}),
    "podman": Runtime("containers", containers.configure),
    "crio": Runtime("containers", containers.configure, {containers.DROP_IN: "systemctl reload crio"}),
}


@dataclass(frozen=True, slots=True)
class Change:
    """A file as it is and as it will be; None where there is none."""

    path: str
    before: bytes | None
    after: bytes | None
    secret: str = ""
    """What of the new content only its owner may read, if there is any."""

    @property
    def diff(self) -> str:
        """The change as a unified diff, the secret left out."""
        old, new = (
            data.decode(errors="replace").splitlines(keepends=True) if data is not None else []
            for data in (self.before, self.after)
        )
        from_file = self.path if self.before is not None else "/dev/null"
        to_file = self.path if self.after is not None else "/dev/null"
        parts = unified_diff(old, new, from_file, to_file)
        text = "".join(part if part.endswith("\n") else f"{part}\n\\ No newline at end of file\n" for part in parts)
        return text.replace(self.secret, "***") if self.secret else text


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done: the record first, directories before files, and when all is undone the record last."""

    changes: tuple[Change, ...] = ()
    books: tuple[Change, ...] = ()
    """Backups and the record, which a user need not look at."""
    made: tuple[str, ...] = ()
    """Directories to make, parents first."""
    unmade: tuple[str, ...] = ()
    """Directories to remove if nothing is left in them, children first."""
    restart: tuple[str, ...] = ()
    """Commands after which the runtime works by the changes."""
    notes: tuple[str, ...] = ()


def plan_setup(name: str, tree: Tree, target: Target) -> Plan:
    """Return what points the runtime called so at the target; nothing to change is an empty plan.

    Raises InvalidConfig for files that are broken or cannot be changed safely.
    """
    runtime = RUNTIMES[name]
    record = Record.of(tree, runtime.record)
    if record is not None:
        target = replace(
            target,
            registries=tuple(dict.fromkeys((*record.registries, *target.registries))),
            access=Access.of({**record.access.members, **target.access.members}),
        )
    target.access.refuse_lack(target.asks)
    undone: dict[str, bytes | None] = {}
    if record is not None and record.url != target.url:
        undone = _undone(tree, record)
    base = Changed(tree, undone)
    wanted = runtime.configure(base, target)
    after = {**undone, **{path: text.encode() for path, text in wanted.files.items()}}
    token = target.access.token
    changes = tuple(
        Change(path, tree.read(path), data, token if token and data and token.encode() in data else "")
        for path, data in after.items()
        if tree.read(path) != data
    )
    if not changes:
        return Plan(notes=wanted.notes)

    backups: list[Change] = []
    files = dict(record.files) if record else {}
    for change in changes:
        if record is not None and change.path in record.files and change.path not in undone:
            # It is written over what setup wrote, whose original is kept already, if there was one.
            is_as_written = change.before is not None and fingerprint(change.before) == record.files[change.path]
        else:
            original, kept = base.read(change.path), tree.read(change.path + _SUFFIX)
            if original is not None and kept is None:
                kept = original
                backups.append(Change(change.path + _SUFFIX, None, original))
            is_as_written = kept == original
        if change.after is not None:
            files[change.path] = fingerprint(change.after) if is_as_written else ""
    made = _missing_directories(tree, (*(change.path for change in changes), record_path(runtime.record)))
    directories = tuple(dict.fromkeys((*(record.directories if record else ()), *made)))
    new = Record(target.endpoint, files, directories, target.registries, target.asks, target.access)
    path = record_path(runtime.record)
    books = (Change(path, tree.read(path), new.to_bytes()), *backups)
    return Plan(changes, books, made, (), _restart(runtime, changes), wanted.notes)


def plan_removal(name: str, tree: Tree) -> Plan:
    """Return what undoes the setup of the runtime called so; an empty plan if there was none. Raises InvalidConfig."""
    runtime = RUNTIMES[name]
    record = Record.of(tree, runtime.record)
    if record is None:
        return Plan()
    after = _undone(tree, record)
    changes = tuple(Change(path, tree.read(path), data) for path, data in after.items() if tree.read(path) != data)
    books = (*(path + _SUFFIX for path in record.files), record_path(runtime.record))
    return Plan(
        changes,
        tuple(Change(path, data, None) for path in books if (data := tree.read(path)) is not None),
        (),
        (*reversed(record.directories), *OWN_DIRECTORIES),
        _restart(runtime, changes),
    )


def _restart(runtime: Runtime, changes: Sequence[Change]) -> tuple[str, ...]:
    return tuple(runtime.restart[change.path] for change in changes if change.path in runtime.restart)


def _undone(tree: Tree, record: Record) -> dict[str, bytes | None]:
    """Return the record's files without what setup did to them."""
    return {path: _original(tree, path, written, record.url) for path, written in record.files.items()}


def _original(tree: Tree, path: str, written: str, url: str) -> bytes | None:
    data, backup = tree.read(path), tree.read(path + _SUFFIX)
    if data is None:
        return None
    if fingerprint(data) == written:
        return backup
    text = read_text(tree, path) or ""
    if path == docker.DAEMON_JSON:
        rest = without(text, docker.MIRRORS, url) if parse_object(text, path) else text
        blank = not parse_object(rest, path)
    else:
        rest = without_blocks(text)
        blank = not rest.strip()
    return None if blank and backup is None else rest.encode()


def _missing_directories(tree: Tree, paths: tuple[str, ...]) -> tuple[str, ...]:
    missing: set[str] = set()
    for path in paths:
        directory = path.rpartition("/")[0]
        while directory and tree.names(directory) is None:
            missing.add(directory)
            directory = directory.rpartition("/")[0]
    return tuple(sorted(missing))
