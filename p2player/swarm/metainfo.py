"""What turns a digest into a torrent: the blob's size and the root of its BitTorrent v2 hash tree (BEP 52).

A digest is a flat hash and a root is a tree hash, so neither follows from the other without the bytes: "digest D has
root R" is a claim, checked by hashing the finished blob. Everything else of the info dictionary is a fixed function of
digest, size and root, so no .torrent file has to travel between nodes.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Self

import libtorrent as lt

from p2player.errors import InvalidDigest, InvalidMetainfo
from p2player.oci.digest import Digest
from p2player.store.merkle import HASH_BYTES, piece_length
from p2player.swarm.realm import OPEN, Realm

_MAX_SIZE = 1 << 43  # bytes; libtorrent takes no torrent of more pieces


@dataclass(frozen=True, slots=True)
class Metainfo:
    """One blob as a BitTorrent v2 torrent.

    The realm enters the infohash, so that each cluster has swarms of its own.
    """

    digest: Digest
    size: int
    root: bytes
    realm: Realm = OPEN

    @property
    def piece_length(self) -> int:
        """Bytes a piece; the last one may be shorter."""
        return piece_length(self.size)

    @property
    def piece_count(self) -> int:
        """How many pieces the blob has."""
        return -(-self.size // self.piece_length)

    def length_of(self, index: int) -> int:
        """Return how many bytes a piece has."""
        return min(self.piece_length, self.size - index * self.piece_length)

    def info(self) -> bytes:
        """Return the bencoded info dictionary."""
        name = str(self.digest).encode()
        info: dict[bytes, Any] = {
            b"file tree": {name: {b"": {b"length": self.size, b"pieces root": self.root}}},
            b"meta version": 2,
            b"name": name,
            b"piece length": self.piece_length,
        }
        if self.realm.salt:
            # "source" is the customary key by which one file is kept apart in several swarms.
            info[b"source"] = self.realm.salt.hex().encode()
        if self.realm.root_certificate:
            info[b"ssl-cert"] = self.realm.root_certificate
        return _bencode(info)

    @property
    def infohash(self) -> bytes:
        """The 32-byte SHA-256 of the info dictionary, by which peers name the swarm."""
        return hashlib.sha256(self.info()).digest()

    def torrent_file(self, piece_layer: bytes) -> bytes:
        """Return a standard .torrent file; any BitTorrent v2 client takes it.

        With an empty piece_layer, for a blob of several pieces, it is good for joining only: the layer then comes from
        peers.
        """
        layers = _bencode({self.root: piece_layer} if piece_layer else {})
        # The info dictionary is embedded as it is: its bytes are what the infohash names.
        return b"d4:info" + self.info() + b"12:piece layers" + layers + b"e"

    @classmethod
    def from_torrent(cls, data: bytes) -> Self:
        """Return the metainfo in a .torrent file that `torrent_file` wrote, or raise InvalidMetainfo."""
        try:
            decoded: Any = lt.bdecode(data)
        except RuntimeError as error:
            raise _invalid("it is not bencoded") from error
        match decoded:
            case {b"info": {b"name": bytes(name), b"file tree": dict(tree)} as info} if list(tree) == [name]:
                found = cls._from_info(info, name, tree[name])
            case _:
                raise _invalid("it does not describe one single BitTorrent v2 file")
        if hashlib.sha256(_bencode(decoded[b"info"])).digest() != found.infohash:
            raise _invalid("it was not made by p2player (its piece length or other keys differ)")
        return found

    @classmethod
    def _from_info(cls, info: dict[bytes, Any], name: bytes, file: object) -> Self:
        match file:
            case {b"": {b"length": int(size), b"pieces root": bytes(root)}} if 0 < size <= _MAX_SIZE:
                if len(root) != HASH_BYTES or not any(root):  # BitTorrent takes zeros for "no root"
                    raise _invalid("its root is no SHA-256 hash")
            case _:
                raise _invalid("its file has no length or no root")
        try:
            digest = Digest.parse(name.decode("ascii", "replace"))
            salt = bytes.fromhex(info.get(b"source", b"").decode("ascii", "replace"))
            root_certificate: bytes = info.get(b"ssl-cert", b"").removeprefix(b"")
        except (InvalidDigest, ValueError, AttributeError) as error:
            raise _invalid("it does not name a blob by its digest") from error
        return cls(digest, size, root, Realm(salt, root_certificate))


def _bencode(value: Any) -> bytes:
    return lt.bencode(value)


def _invalid(why: str) -> InvalidMetainfo:
    return InvalidMetainfo(f"not a torrent of a blob: {why}", hint="make one with: p2player torrent DIGEST")
