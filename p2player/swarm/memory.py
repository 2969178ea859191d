"""The in-memory twin of the libtorrent session, for tests and simulations of what stands above it.

Nothing happens here by itself: pieces pass from file to file in the callbacks of the event loop, one a turn, in an order
that depends on nothing but the order of the calls.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from p2player.errors import TransferStalled
from p2player.store.hashing import hash_file
from p2player.store.merkle import MerkleTree
from p2player.swarm.arrivals import Arrivals
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.port import Address, Progress, Spoilt, SwarmPeer, Transfer


class MemoryNet:
    """What the nodes of one process share in place of a network."""

    def __init__(self) -> None:
        self._nodes: dict[Address, MemorySwarms] = {}
        self._kept_back: dict[Address, int] = {}
        self._pieces: dict[bytes, list[bytes]] = {}

    def learn(self, metainfo: Metainfo, path: Path) -> None:
        """Remember the hashes of all pieces, as the members of a swarm tell them each other."""
        if metainfo.infohash not in self._pieces:
            pieces = (read_piece(path, metainfo, index) for index in range(metainfo.piece_count))
            self._pieces[metainfo.infohash] = [sha256(piece).digest() for piece in pieces]

    def is_piece(self, metainfo: Metainfo, index: int, data: bytes) -> bool:
        """Tell whether data is that piece, as far as anybody knows."""
        known = self._pieces.get(metainfo.infohash)
        return known is not None and known[index] == sha256(data).digest()

    def node(self, address: Address) -> "MemorySwarms":
        """Return the swarms of a new node, which others reach at address."""
        node = self._nodes[address] = MemorySwarms(self, address)
        return node

    @contextmanager
    def holding_back(self, address: Address, first: int = 0) -> Iterator[None]:
        """Let the node at address give no piece from number first on to anybody, while the context lasts."""
        self._kept_back[address] = first
        try:
            yield
        finally:
            del self._kept_back[address]
            self.stir()

    def stir(self) -> None:
        """Let everybody who still lacks something ask around again."""
        for node in self._nodes.values():
            node.stir()

    def is_in(self, address: Address, metainfo: Metainfo) -> bool:
        """Tell whether the node at address is in that swarm."""
        node = self._nodes.get(address)
        return node is not None and metainfo.infohash in node.served

    def serve(self, address: Address, metainfo: Metainfo, index: int) -> bytes | None:
        """Return a piece if the node at address gives it, and it is the piece of that root."""
        node = self._nodes.get(address)
        if node is None or index >= self._kept_back.get(address, metainfo.piece_count):
            return None
        return node.serve(metainfo, index)


class MemoryTransfer:
    """A `Transfer` by calls to other nodes of the same net."""

    def __init__(self, metainfo: Metainfo, path: Path, peers: Iterable[SwarmPeer], net: MemoryNet) -> None:
        self.metainfo = metainfo
        self.path = path
        self._net = net
        self._peers = list(dict.fromkeys(peer.address for peer in peers))
        self._missing = dict.fromkeys(range(metainfo.piece_count))
        self._urgent: list[int] = []
        self._by_peer: Counter[str] = Counter()
        self._verified: Arrivals[int, None] = Arrivals()
        self._whole: Arrivals[None, None] = Arrivals()
        self._next: asyncio.Handle | None = None
        self._is_ended = False
        path.touch()
        self.stir()

    async def piece(self, index: int) -> bytes:
        """Return one verified piece as soon as can be: it is fetched before others. Raises what `fail` was given."""
        self._urgent.append(index)
        await self.written(index)
        return read_piece(self.path, self.metainfo, index)

    async def written(self, index: int) -> int:
        """Wait until a piece is verified and in the file; returns the first behind it that is not."""
        if index in self._missing or self._is_ended:
            await self._verified.wait(index)
        return next(
            (i for i in range(index, self.metainfo.piece_count) if i in self._missing), self.metainfo.piece_count
        )

    def connect(self, peers: Sequence[SwarmPeer]) -> None:
        """Add peers to fetch from; known ones are not added twice."""
        self._peers = list(dict.fromkeys([*self._peers, *(peer.address for peer in peers)]))
        self.stir()

    def missing(self) -> Sequence[int]:
        """Return the pieces that are not here yet, in order."""
        return list(self._missing)

    def give(self, index: int, data: bytes) -> None:
        """Take a piece from elsewhere; it is checked like any other, and dropped if it is not the right one."""
        if index in self._missing and not self._is_ended and self._net.is_piece(self.metainfo, index, data):
            self._write(index, data)

    def progress(self) -> Progress:
        """Return how far it is."""
        done = self.metainfo.size - sum(map(self.metainfo.length_of, self._missing))
        connected = sum(self._net.is_in(peer, self.metainfo) for peer in self._peers)
        return Progress(done, self._by_peer.total(), dict(self._by_peer), connected)

    def spoilt(self) -> Spoilt:
        """Return that nothing came wrong: here nobody gives what is not of the root's tree."""
        return Spoilt()

    def fail(self, error: Exception) -> None:
        """End it: whoever waits for a piece gets error."""
        self._is_ended = True
        self._verified.fail(error)
        self._whole.fail(error)

    async def complete(self) -> MerkleTree:
        """Return the blob's hash tree once every byte is in the file."""
        if self._missing or self._is_ended:
            await self._whole.wait(None)
        return hash_file(self.path, self.metainfo.digest.algorithm)[1]

    async def move(self, path: Path) -> None:
        """Go on seeding from path, another link to the same file. No piece is to be had from here any more."""
        self.path = path
        self.fail(TransferStalled(f"{self.metainfo.digest} is a file by now"))

    def has(self, index: int) -> bool:
        """Tell whether a piece is here."""
        return index not in self._missing

    def stir(self) -> None:
        """Ask for the next piece in the loop's next turn."""
        if self._next is None and self._missing and not self._is_ended:
            self._next = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._next = None
        if self._is_ended:
            return
        for index in dict.fromkeys([*self._urgent, *self._missing]):
            for peer in self._peers:
                if index in self._missing and (data := self._net.serve(peer, self.metainfo, index)) is not None:
                    self._take(index, data, peer)
                    return

    def _take(self, index: int, data: bytes, peer: Address) -> None:
        self._by_peer[f"{peer[0]}:{peer[1]}"] += len(data)
        self._write(index, data)

    def _write(self, index: int, data: bytes) -> None:
        with self.path.open("r+b") as file:
            file.seek(index * self.metainfo.piece_length)
            file.write(data)
        del self._missing[index]
        self._verified.arrive(index, None)
        if not self._missing:
            self._whole.arrive(None, None)
        self._net.stir()


class MemorySwarms:
    """All swarms of one node on a MemoryNet. `MemoryNet.node` makes it."""

    def __init__(self, net: MemoryNet, address: Address) -> None:
        self.address = address
        self._net = net
        self._seeds: dict[bytes, Path] = {}
        self._transfers: dict[bytes, MemoryTransfer] = {}

    def seed(self, metainfo: Metainfo, path: Path, piece_layer: bytes) -> None:
        """Serve a verified file to whoever asks, until `stop_seeding`."""
        # A damaged file is served in vain: whoever fetches checks each piece against the root.
        is_good = hash_file(path, metainfo.digest.algorithm)[1].root == metainfo.root
        if is_good and metainfo.infohash not in self._transfers:
            self._seeds[metainfo.infohash] = path
            self._net.learn(metainfo, path)
            self._net.stir()

    def stop_seeding(self, metainfo: Metainfo) -> None:
        """Serve it no longer; nothing happens if it was not served."""
        self._seeds.pop(metainfo.infohash, None)
        if (transfer := self._transfers.pop(metainfo.infohash, None)) is not None:
            transfer.fail(TransferStalled(f"the transfer of {metainfo.digest} was given up"))

    def fetch(self, metainfo: Metainfo, path: Path, peers: Sequence[SwarmPeer]) -> MemoryTransfer:
        """Return a transfer of the blob from peers into the file at path."""
        transfer = self._transfers[metainfo.infohash] = MemoryTransfer(metainfo, path, peers, self._net)
        return transfer

    def abandon(self, transfer: Transfer) -> None:
        """Leave the swarm of a transfer and forget it. The file stays for its owner to remove."""
        self.stop_seeding(transfer.metainfo)

    @property
    def served(self) -> frozenset[bytes]:
        """The infohashes of all swarms this node is in."""
        return frozenset(self._seeds | self._transfers)

    def stir(self) -> None:
        """Let the transfers ask around again."""
        for transfer in self._transfers.values():
            transfer.stir()

    def serve(self, metainfo: Metainfo, index: int) -> bytes | None:
        """Return a piece if it is here."""
        if (transfer := self._transfers.get(metainfo.infohash)) is not None:
            return read_piece(transfer.path, metainfo, index) if transfer.has(index) else None
        path = self._seeds.get(metainfo.infohash)
        return None if path is None else read_piece(path, metainfo, index)


def read_piece(path: Path, metainfo: Metainfo, index: int) -> bytes:
    """Return the bytes of one piece of the file at path."""
    with path.open("rb") as file:
        file.seek(index * metainfo.piece_length)
        return file.read(metainfo.length_of(index))
