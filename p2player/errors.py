"""Every failure a user can meet.

    P2PlayerError
    ├── BadInput               exit 2   what was given cannot be right
    │   ├── InvalidDigest               OCI DIGEST_INVALID
    │   ├── InvalidReference            OCI NAME_INVALID
    │   ├── InvalidManifest             OCI MANIFEST_INVALID
    │   ├── InvalidArchive
    │   ├── InvalidMetainfo
    │   └── InvalidConfig
    ├── NotFound               exit 3   nobody reachable has it
    │   ├── ReferenceNotFound           OCI MANIFEST_UNKNOWN
    │   ├── BlobNotFound                OCI BLOB_UNKNOWN
    │   └── RepositoryNotFound          OCI NAME_UNKNOWN
    ├── IntegrityError         exit 4   bytes that are not what their digest says
    │   └── DigestMismatch
    ├── Unavailable            exit 5   right question, nobody to answer it now; try again
    │   ├── DaemonUnreachable
    │   ├── PeerUnreachable
    │   ├── TransferStalled
    │   ├── AddressUnusable
    │   ├── UpstreamUnreachable
    │   └── RateLimited                 OCI TOOMANYREQUESTS
    ├── StorageError           exit 6   this machine's disk
    │   ├── DiskFull
    │   ├── StoreLocked
    │   └── StoreDamaged
    └── NotAllowed             exit 7   the registry does not let whoever asks have it
        ├── LoginRequired               OCI UNAUTHORIZED
        └── AccessDenied                OCI DENIED

Class names, exit codes and OCI codes are an interface: scripts and runtimes act on them. Exit 1 is a bug in p2player
and 130 an interrupt. A failure of ours that no user can mend is an ordinary Python exception, never one of these.
"""

from typing import ClassVar


class P2PlayerError(Exception):
    """A failure with a one-line message that says what happened, and a hint that says what to do next."""

    exit_code: ClassVar[int] = 1
    oci_code: ClassVar[str] = "UNKNOWN"
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def name(self) -> str:
        """The error's name as `--json` output and logs show it."""
        return type(self).__name__


class BadInput(P2PlayerError):
    """What was given cannot be right, whatever the cluster holds."""

    exit_code = 2
    oci_code = "UNSUPPORTED"
    http_status = 400


class InvalidDigest(BadInput):
    """Not a digest, or one of an algorithm that cannot be checked here."""

    oci_code = "DIGEST_INVALID"


class InvalidReference(BadInput):
    """Not an image reference."""

    oci_code = "NAME_INVALID"


class InvalidManifest(BadInput):
    """Not a manifest or index of a known media type."""

    oci_code = "MANIFEST_INVALID"


class InvalidArchive(BadInput):
    """An image archive or layout that is truncated, escapes its directory, or is of no known kind."""


class InvalidMetainfo(BadInput):
    """Not a BitTorrent v2 description of a single blob."""


class InvalidConfig(BadInput):
    """A setting that is unknown, malformed, or unsafe together with another."""


class NotFound(P2PlayerError):
    """Nobody reachable has it."""

    exit_code = 3
    oci_code = "NAME_UNKNOWN"
    http_status = 404


class ReferenceNotFound(NotFound):
    """No node publishes this reference."""

    oci_code = "MANIFEST_UNKNOWN"


class BlobNotFound(NotFound):
    """No node announces this digest."""

    oci_code = "BLOB_UNKNOWN"


class RepositoryNotFound(NotFound):
    """No node publishes any tag of this repository."""


class IntegrityError(P2PlayerError):
    """Bytes that are not what their digest says."""

    exit_code = 4
    oci_code = "DIGEST_INVALID"
    http_status = 502


class DigestMismatch(IntegrityError):
    """Content whose whole digest differs from the one it was named by. Nothing of it was kept."""


class Unavailable(P2PlayerError):
    """The question is right and nobody can answer it now."""

    exit_code = 5
    oci_code = "UNAVAILABLE"
    http_status = 503


class DaemonUnreachable(Unavailable):
    """No daemon listens on the control socket."""


class PeerUnreachable(Unavailable):
    """A node did not answer, or not with what was asked for."""


class TransferStalled(Unavailable):
    """Nodes announce the digest, but no bytes of it arrive."""


class AddressUnusable(Unavailable):
    """An address that cannot be bound or resolved."""


class UpstreamUnreachable(Unavailable):
    """A registry that cannot be asked now, or that this node may not ask at all."""


class RateLimited(Unavailable):
    """A registry that wants to be asked later."""

    oci_code = "TOOMANYREQUESTS"
    http_status = 429


class StorageError(P2PlayerError):
    """This machine's disk stands in the way."""

    exit_code = 6
    http_status = 507


class DiskFull(StorageError):
    """Not enough free space for what was asked. Nothing was half-written."""


class StoreLocked(StorageError):
    """Another process uses this data directory."""


class StoreDamaged(StorageError):
    """A file of the data directory cannot be read as what it is."""


class NotAllowed(P2PlayerError):
    """The registry does not let whoever asks have it."""

    exit_code = 7
    oci_code = "DENIED"
    http_status = 403


class LoginRequired(NotAllowed):
    """Credentials are missing or wrong. `challenge` is what a client needs to do better (WWW-Authenticate), if it is one."""

    oci_code = "UNAUTHORIZED"
    http_status = 401

    def __init__(self, message: str, *, challenge: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.challenge = challenge


class AccessDenied(NotAllowed):
    """Credentials that are good, but not for this."""
