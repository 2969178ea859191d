"""A CA in a directory: `ca.pem`, which every node gets, and `ca.key`, which none does."""

import datetime as dt
import os
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from p2player.errors import BadInput, StorageError
from p2player.peer.ca import Authority
from p2player.peer.tlsfiles import TlsFiles

CERTIFICATE: Final = "ca.pem"
KEY: Final = "ca.key"
_NAME_CHARACTERS: Final = 64  # RFC 5280, ub-common-name


def init(directory: Path, now: dt.datetime) -> Authority:
    """Make a CA in directory. Raises BadInput if there is one, StorageError."""
    authority = Authority.new(now)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make {directory}: {error.strerror}") from error
    _refuse_existing(directory / KEY, directory / CERTIFICATE)
    _write_new(directory / KEY, authority.key_pem, 0o600)
    _write_new(directory / CERTIFICATE, authority.pem, 0o644)
    return authority


def issue(directory: Path, name: str, days: int, out: Path, now: dt.datetime) -> tuple[TlsFiles, dt.datetime]:
    """Issue a certificate for name, into `NAME.pem` and `NAME.key` in out, with a copy of the CA's.

    Returns what to give to a node, and when it ends. Raises BadInput if it cannot be, or is there already, StorageError.
    """
    if not 0 < len(name) <= _NAME_CHARACTERS or not name.isprintable() or "/" in name or name.startswith("."):
        raise BadInput(
            f"not a name for a certificate: {name[:80]!r}",
            hint=f"at most {_NAME_CHARACTERS} characters, such as the host's name",
        )
    if f"{name}.key" == KEY:
        raise BadInput(f"{name} is the name of the CA itself", hint="give the name of a node")
    authority = _read(directory)
    end = min(now + dt.timedelta(days=days), authority.certificate.not_valid_after_utc)
    if end <= now:
        raise BadInput(f"the CA in {directory} has expired", hint="make a new one with: p2player ca init DIR")
    credential = authority.issue_until(name, now, end)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make {out}: {error.strerror}") from error
    files = TlsFiles(out / CERTIFICATE, out / f"{name}.pem", out / f"{name}.key")
    _refuse_existing(files.key, files.certificate)
    _write_new(files.key, credential.key, 0o600)
    _write_new(files.certificate, credential.certificate, 0o644)
    if not files.ca.exists():
        _write_new(files.ca, credential.root, 0o644)
    return files, end


def _read(directory: Path) -> Authority:
    try:
        certificate, key = (directory / CERTIFICATE).read_bytes(), (directory / KEY).read_bytes()
    except OSError as error:
        raise BadInput(
            f"there is no CA in {directory}: {error.strerror}", hint=f"make one with: p2player ca init {directory}"
        ) from error
    try:
        found, loaded = x509.load_pem_x509_certificate(certificate), load_pem_private_key(key, password=None)
    except (ValueError, TypeError) as error:
        raise BadInput(f"the CA in {directory} cannot be read: {error}") from error
    if not isinstance(loaded, Ed25519PrivateKey) or loaded.public_key() != found.public_key():
        raise BadInput(
            f"{directory / KEY} is not the key of {directory / CERTIFICATE}, as `p2player ca init` makes one",
            hint="a CA of your own issues certificates with its own tools; nodes take them all the same",
        )
    return Authority(found, loaded)


def _refuse_existing(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise BadInput(
                f"{path} is there already, and is not overwritten", hint="move it away, or name another place"
            )


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that must not be there yet, and whose content survives a crash once this returns."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
