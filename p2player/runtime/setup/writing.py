"""Carrying out a plan on a disk, each file at once or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from p2player.errors import StorageError
from p2player.runtime.setup.plan import Change, Plan
from p2player.runtime.setup.tree import AS_ROOT, DiskTree
from p2player.store.durable import sync_directory

_MODE: Final = 0o644
_NOT_PERMITTED: Final = {errno.EACCES, errno.EPERM}


def carry_out(plan: Plan, tree: DiskTree) -> None:
    """Do what the plan says. Raises StorageError; what was done until then can be undone as the whole can."""
    for directory in plan.made:
        with _told(directory):
            tree.place(directory).mkdir(mode=0o755, exist_ok=True)
    # To undo needs the record and the backups, so they are there from the first change to the last.
    kept = [change for change in plan.books if change.after is not None]
    dropped = [change for change in plan.books if change.after is None]
    for change in (*kept, *plan.changes, *dropped):
        with _told(change.path):
            _write(change, tree)
    for directory in plan.unmade:
        with _told(directory), suppress(FileNotFoundError):
            _remove_if_empty(tree.place(directory))


def _write(change: Change, tree: DiskTree) -> None:
    path = tree.place(change.path).resolve()
    if change.after is None:
        path.unlink(missing_ok=True)
        sync_directory(path.parent)
        return
    backup = tree.place(f"{change.path}.p2player-backup")
    if backup.exists() and backup.read_bytes() == change.after:
        like = backup  # as it was, in this too
    else:
        # A backup may hold what its file held, so it is as private.
        like = path if path.exists() else tree.place(change.path.removesuffix(".p2player-backup"))
    allowed = 0o7700 if change.secret else 0o7777
    beside = path.with_name(f"{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if like.exists():
            status = like.stat()
            os.fchown(file.fileno(), status.st_uid, status.st_gid)
            os.fchmod(file.fileno(), status.st_mode & allowed)
        else:
            os.fchmod(file.fileno(), _MODE & allowed)
        file.write(change.after)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_directory(path.parent)


def _remove_if_empty(path: Path) -> None:
    try:
        path.rmdir()
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = AS_ROOT if error.errno in _NOT_PERMITTED and os.geteuid() != 0 else ""
        raise StorageError(f"cannot write {path}: {error.strerror}", hint=hint) from error
