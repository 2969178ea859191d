"""Making the secret file of a cluster, and entering the next secret in it."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from p2player.errors import BadInput
from p2player.oci.blobwriter import disk_errors
from p2player.peer.secret import ClusterSecret
from p2player.peer.secretfile import OVERLAP, DatedSecret, parse_secrets, read_raw, time_text, without_those_over
from p2player.store.durable import sync_directory

_RANDOM_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was entered: the Unix seconds in which the new secret begins, and from which on the one before is refused."""

    begins: int
    previous_until: int


def create(path: Path) -> None:
    """Write a new secret to path (mode 0600). Raises BadInput if something is there already, StorageError."""
    with _beside(path) as new:
        _write(new, f"{DatedSecret(_fresh())}\n".encode("ascii"))
        with disk_errors():
            try:
                path.hardlink_to(new)  # unlike a rename, it takes nobody's place
            except FileExistsError:
                raise BadInput(
                    f"{path} is there already, and nothing is written over a secret",
                    hint=f"`p2player secret rotate {path}` enters a new secret in it; for another cluster name another file",
                ) from None
            sync_directory(path.parent)


def rotate(path: Path, seconds: int, now: float) -> Rotation:
    """Enter a new secret in path that begins so many seconds after Unix time now, and take out those that are over.

    The file keeps its owner and gets mode 0600. Raises InvalidConfig, StorageError, and BadInput while a secret in it has
    yet to begin.
    """
    path = path.resolve()
    raw, _ = read_raw(path)
    known = parse_secrets(raw, str(path))
    last = known[-1].begins
    if last > now:
        raise BadInput(
            f"the next secret in {path} begins only at {time_text(last)}",
            hint="copy this file to every node, and rotate again after that time",
        )
    begins = max(int(now) + seconds, last + 1)
    kept = without_those_over(raw, known, now).removesuffix(b"\n")
    with _beside(path) as new:
        _write(new, kept + f"\n{DatedSecret(_fresh(), begins)}\n".encode("ascii"), owner=path.stat())
        with disk_errors():
            new.replace(path)
            sync_directory(path.parent)
    return Rotation(begins, begins + OVERLAP)


def _fresh() -> ClusterSecret:
    return ClusterSecret(secrets.token_urlsafe(_RANDOM_BYTES).encode("ascii"))


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Lend a name in the directory of path, for a file that is gone afterwards unless it was renamed."""
    new = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}")
    try:
        yield new
    finally:
        new.unlink(missing_ok=True)


def _write(path: Path, content: bytes, *, owner: os.stat_result | None = None) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BadInput(
            f"cannot write in {path.parent}: {error.strerror}", hint="choose a directory that is there and yours"
        ) from error
    with disk_errors(), os.fdopen(descriptor, "wb") as file:
        if owner is not None and (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
