"""What the cluster believes about who holds what: signed records, each with one canonical packed form.

A packed record is msgpack fields followed by a 64-byte Ed25519 signature over them. Whoever carries one, only its
signer can have made it; a record that does not repack to the same bytes is refused, so equal records are equal bytes.
"""

import hashlib
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, Self, TypeAlias

from p2player.dht.packing import pack, unpack
from p2player.errors import InvalidDigest
from p2player.oci.digest import Digest
from p2player.peer.identity import NODE_ID_BYTES, Identity, NodeId, verify_signature

KEY_BYTES: Final = NODE_ID_BYTES
MAX_RECORD: Final = 880
"""No packed record is longer, so that every record travels in one datagram."""
MAX_TIME: Final = 1 << 53
MAX_LIFETIME_MS: Final = 2 * 3600 * 1000
MAX_SKEW_MS: Final = 5 * 60 * 1000
"""How far ahead of the reader's clock a record's may be."""

_PROVIDER, _NAME = 1, 2
_CONTEXT: Final = b"p2player record v1\0"
_SIGNATURE_BYTES: Final = 64
_PUBLIC_KEY_BYTES: Final = 32
_ROOT_BYTES: Final = 32
_MAX_SIZE: Final = 1 << 62
_MAX_SCOPE, _MAX_NAME, _MAX_MEDIA_TYPE = 300, 200, 128
_VERIFIED_KEPT: Final = 4096


class RecordError(ValueError):
    """Bytes that are not a record, or one its signer did not sign."""


def key_of_digest(digest: Digest) -> bytes:
    """Return the 20-byte DHT key under which the providers of digest are kept."""
    return hashlib.sha256(f"blob {digest}".encode()).digest()[:KEY_BYTES]


def key_of_scope(scope: str) -> bytes:
    """Return the 20-byte DHT key under which the names of scope are kept."""
    return hashlib.sha256(f"names {scope}".encode()).digest()[:KEY_BYTES]


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where a node is reached: an IP literal, the port of DHT (UDP) and peer interface (TCP), and that of the swarm."""

    host: str
    cluster_port: int
    swarm_port: int

    def __post_init__(self) -> None:
        if self.host != str(ipaddress.ip_address(self.host)):
            raise RecordError(f"not a canonical IP literal: {self.host}")
        if not (0 < self.cluster_port < 1 << 16 and 0 < self.swarm_port < 1 << 16):
            raise RecordError("port out of range")


class _Signed:
    """What all records have in common: a signer, and a packed form."""

    __slots__ = ()
    public_key: bytes
    signature: bytes

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        """Return the record packed in raw, its signature verified; raises RecordError."""
        record = unpack_record(raw)
        if not isinstance(record, cls):
            raise RecordError(f"not a {cls.__name__}")
        return record

    def pack(self) -> bytes:
        """Return the canonical bytes of this record."""
        return self._body() + self.signature

    @property
    def node_id(self) -> NodeId:
        """The signer's id."""
        return NodeId.of(self.public_key)

    def _signature_of(self, identity: Identity) -> bytes:
        return identity.sign(_CONTEXT + self._body())

    def _body(self) -> bytes:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Provider(_Signed):
    """One node's signed statement that it holds a digest, or (not `complete`) is fetching it.

    `root` is the claimed BitTorrent v2 merkle root, empty while the signer does not know it: it is then fetching the
    digest from its registry, and `size` may be 0, unknown too. Times are milliseconds since the epoch. A withdrawn
    record takes the place of the one it ends until `expires`. `private`: the signer knows the digest only from
    repositories that require a login.
    """

    public_key: bytes
    digest: Digest
    size: int
    root: bytes
    address: NodeAddress
    complete: bool
    issued: int
    expires: int
    withdrawn: bool = False
    private: bool = False
    signature: bytes = field(default=b"", repr=False)

    @classmethod
    def make(
        cls,
        identity: Identity,
        *,
        digest: Digest,
        size: int,
        root: bytes,
        address: NodeAddress,
        complete: bool,
        issued: int,
        expires: int,
        withdrawn: bool = False,
        private: bool = False,
    ) -> Self:
        """Return the record of these facts, signed by identity."""
        unsigned = cls(identity.public_key, digest, size, root, address, complete, issued, expires, withdrawn, private)
        return replace(unsigned, signature=unsigned._signature_of(identity))

    @property
    def key(self) -> bytes:
        """The DHT key this record is kept under."""
        return key_of_digest(self.digest)

    def alive(self, now_ms: int) -> bool:
        """Tell whether the statement holds at now_ms."""
        return not self.withdrawn and now_ms < self.expires

    def _body(self) -> bytes:
        address = self.address
        fields = (
            _PROVIDER,
            self.public_key,
            self.digest.algorithm,
            bytes.fromhex(self.digest.hex),
            self.size,
            self.root,
            ipaddress.ip_address(address.host).packed,
            address.cluster_port,
            address.swarm_port,
            self.complete,
            self.issued,
            self.expires,
            self.withdrawn,
            self.private,
        )
        return pack(fields)

    @classmethod
    def _of_fields(cls, fields: Sequence[Any], signature: bytes) -> Self:
        public_key, algorithm, hashed, size, root, host, cluster_port, swarm_port, *rest = fields
        complete, issued, expires, withdrawn, private = rest
        _require(len(root) in {0, _ROOT_BYTES} and 0 <= size < _MAX_SIZE)
        _require(0 <= issued < expires < MAX_TIME and expires - issued <= MAX_LIFETIME_MS)
        digest = Digest.parse(f"{algorithm}:{hashed.hex()}")
        address = NodeAddress(str(ipaddress.ip_address(host)), cluster_port, swarm_port)
        return cls(public_key, digest, size, root, address, complete, issued, expires, withdrawn, private, signature)


@dataclass(frozen=True, slots=True)
class NameRecord(_Signed):
    """A signed statement that a name means a digest: a tag of a repository, or a referrer of a subject.

    The newest one of a scope and name counts (see `rank`); it does not expire, its storage in the DHT does. `upstream`:
    the signer has seen that the scope's registry gave the name this meaning at `issued`; else somebody seeded it.
    """

    public_key: bytes
    scope: str
    name: str
    digest: Digest
    media_type: str
    size: int
    issued: int
    withdrawn: bool = False
    upstream: bool = False
    signature: bytes = field(default=b"", repr=False)

    @classmethod
    def make(
        cls,
        identity: Identity,
        *,
        scope: str,
        name: str,
        digest: Digest,
        media_type: str,
        size: int,
        issued: int,
        withdrawn: bool = False,
        upstream: bool = False,
    ) -> Self:
        """Return the record of these facts, signed by identity."""
        unsigned = cls(identity.public_key, scope, name, digest, media_type, size, issued, withdrawn, upstream)
        return replace(unsigned, signature=unsigned._signature_of(identity))

    @property
    def key(self) -> bytes:
        """The DHT key this record is kept under."""
        return key_of_scope(self.scope)

    def dated(self, identity: Identity, issued: int) -> Self:
        """Return the same statement made at another time, signed by identity, whose it must be."""
        unsigned = replace(self, issued=issued)
        return replace(unsigned, signature=unsigned._signature_of(identity))  # noqa: SLF001  (its own type)

    @property
    def rank(self) -> tuple[int, bytes]:
        """What orders the records of one name: the greatest counts, on every node the same."""
        return self.issued, self.signature

    def _body(self) -> bytes:
        digest = self.digest
        fields = (
            _NAME,
            self.public_key,
            self.scope,
            self.name,
            digest.algorithm,
            bytes.fromhex(digest.hex),
            self.media_type,
            self.size,
            self.issued,
            self.withdrawn,
            self.upstream,
        )
        return pack(fields)

    @classmethod
    def _of_fields(cls, fields: Sequence[Any], signature: bytes) -> Self:
        public_key, scope, name, algorithm, hashed, media_type, size, issued, withdrawn, upstream = fields
        limits = ((scope, _MAX_SCOPE), (name, _MAX_NAME), (media_type, _MAX_MEDIA_TYPE))
        for text, limit in limits:
            _require(len(text) <= limit and text.isascii() and text.isprintable())
        _require(bool(scope and name) and 0 <= size < _MAX_SIZE and 0 <= issued < MAX_TIME)
        digest = Digest.parse(f"{algorithm}:{hashed.hex()}")
        return cls(public_key, scope, name, digest, media_type, size, issued, withdrawn, upstream, signature)


Unpack: TypeAlias = Callable[[bytes], Provider | NameRecord]
"""Returns the record packed in bytes, its shape and signature verified; raises RecordError."""

_NUMBER, _BYTES, _TEXT, _FLAG = int, bytes, str, bool
_SHAPES: Final[dict[int, tuple[type, ...]]] = {
    _PROVIDER: (
        *(_BYTES, _TEXT, _BYTES, _NUMBER, _BYTES),
        *(_BYTES, _NUMBER, _NUMBER, _FLAG, _NUMBER, _NUMBER, _FLAG, _FLAG),
    ),
    _NAME: (_BYTES, _TEXT, _TEXT, _TEXT, _BYTES, _TEXT, _NUMBER, _NUMBER, _FLAG, _FLAG),
}


# Records are immutable and checking one is a pure function of its bytes: one that many nodes present is verified once.
@lru_cache(maxsize=_VERIFIED_KEPT)
def unpack_record(raw: bytes) -> Provider | NameRecord:
    """Return the record packed in raw, its shape and signature verified; raises RecordError."""
    return read_record(raw, verify_signature)


def read_record(raw: bytes, verify: Callable[[bytes, bytes, bytes], bool]) -> Provider | NameRecord:
    """Return the record packed in raw, its signature checked by verify (public key, message, signature); see `Unpack`."""
    if not _SIGNATURE_BYTES < len(raw) <= MAX_RECORD:
        raise RecordError("wrong length")
    body, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
    try:
        record = _parse(unpack(body), signature)
        canonical = record.pack() == raw
    except (InvalidDigest, ValueError) as error:
        raise RecordError(f"malformed record: {error}") from error
    if not canonical:
        raise RecordError("not in canonical form")
    if not verify(record.public_key, _CONTEXT + body, signature):
        raise RecordError("wrong signature")
    return record


def _parse(fields: Any, signature: bytes) -> Provider | NameRecord:
    _require(isinstance(fields, list) and bool(fields) and type(fields[0]) is int)
    kind, *values = fields
    shape = _SHAPES.get(kind)
    _require(shape is not None and tuple(map(type, values)) == shape)
    _require(len(values[0]) == _PUBLIC_KEY_BYTES)
    record_type: type[Provider | NameRecord] = Provider if kind == _PROVIDER else NameRecord
    return record_type._of_fields(values, signature)  # noqa: SLF001  (the dispatcher of this module's own types)


def _require(condition: bool) -> None:
    if not condition:
        raise RecordError("malformed record")
