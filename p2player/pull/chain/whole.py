"""A blob of the store, for those who follow: what the disk gives back is checked, then signed."""

import asyncio
from collections.abc import AsyncGenerator
from typing import BinaryIO

from p2player.errors import BlobNotFound, StoreDamaged
from p2player.peer.identity import Identity
from p2player.peer.segments import Segment, end_of, segment_bytes
from p2player.peer.standing import Neighbour, Place
from p2player.store.merkle import HASH_BYTES, MerkleHasher, piece_length, root_of_piece
from p2player.store.rows import StoredBlob
from p2player.store.store import Store


class WholeRelay:
    """What `Incoming` is for a blob that is here already."""

    def __init__(self, store: Store, blob: StoredBlob, identity: Identity, run: bytes) -> None:
        self.size = self.offset = blob.size
        self.place = Place(0, identity.node_id)
        self._segment = segment_bytes(blob.size)
        self._blob = blob
        self._path = store.path(blob.digest)
        self._layer = store.piece_layer(blob.digest)
        self._identity = identity
        self._run = run

    def front(self, offset: int) -> str:
        """Return nothing: to know it, the file would have to be read up to there."""
        return ""

    def warned(self, by: Neighbour, wrong: int) -> None:
        """Do nothing: the whole digest has matched."""

    async def read(self, start: int) -> AsyncGenerator[tuple[Segment, bytes], None]:
        """Yield the segments from the one at start on. Raises BlobNotFound, or StoreDamaged if the disk has spoiled them."""
        try:
            file = await asyncio.to_thread(self._path.open, "rb")
        except FileNotFoundError as error:
            raise BlobNotFound(f"{self._blob.digest} has just been removed here") from error
        with file:
            reading = self._read_ahead(file, start)
            try:
                while start < self.size:
                    segments = await reading
                    start = end_of(segments[-1][0].offset, self.size)
                    reading = self._read_ahead(file, start)
                    for segment, data in segments:
                        yield segment, data
            finally:
                # Whether what nobody wants any more could be read is nobody's business.
                await asyncio.gather(reading, return_exceptions=True)

    def _read_ahead(self, file: BinaryIO, start: int) -> "asyncio.Future[list[tuple[Segment, bytes]]]":
        """Begin to check and sign what comes next, while what came before is being sent."""
        return asyncio.get_running_loop().run_in_executor(None, self._read, file, start)

    def _read(self, file: BinaryIO, start: int) -> list[tuple[Segment, bytes]]:
        """Return the segments from start on that lie in the same piece, or the one that has several."""
        if start >= self.size:
            return []
        length = piece_length(self.size)
        first = start // length * length
        stop = min(first + max(length, self._segment), self.size)
        file.seek(first)
        data = file.read(stop - first)
        for at in range(0, len(data), length):
            if not self._is_right((first + at) // length, data[at : at + length]):
                raise StoreDamaged(
                    f"{self._path} is not what was put there", hint="check the store with: p2player verify"
                )
        return [
            self._sign(at, data[at - first : end_of(at, self.size) - first]) for at in range(start, stop, self._segment)
        ]

    def _is_right(self, index: int, piece: bytes) -> bool:
        if not self._layer:  # a blob of one piece
            hasher = MerkleHasher()
            hasher.update(piece)
            return hasher.finish().root == self._blob.root
        wanted = self._layer[index * HASH_BYTES : (index + 1) * HASH_BYTES]
        return root_of_piece(piece, piece_length(self.size)) == wanted

    def _sign(self, at: int, data: bytes) -> tuple[Segment, bytes]:
        return Segment.sign(self._identity, self._run, self._blob.digest, self.size, at, data), data
