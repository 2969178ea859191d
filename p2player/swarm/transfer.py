"""One blob on its way: libtorrent fetches and checks pieces, this hands them out in whatever order readers want them.

Three things about libtorrent shape this file. `piece_finished` means "verified", not "on disk": reading the file at that
moment gives wrong bytes. What was verified before a cache flush began is in the file when the flush ends (`written`);
what is wanted sooner is read back through libtorrent (`piece`), at several times the cost. Alerts may be lost when many
arrive at once, so what is there is reconciled with the piece bitmap at every `look`. And its calls that return something
wait for the network thread, so they are made from a worker thread.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

import libtorrent as lt

from p2player.errors import StorageError, TransferStalled
from p2player.store.hashing import hash_file
from p2player.store.merkle import MerkleTree, tree_of_leaves
from p2player.swarm.arrivals import Arrivals
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.port import Address, Progress, Spoilt, SwarmPeer
from p2player.swarm.settings import node_of
from p2player.tasks import Tasks

# Seconds between two flushes of what has come meanwhile, so that one serves many pieces.
_FLUSH_EVERY = 0.3
# How many pieces from a reader's place on are asked for before all others, and how many milliseconds apart.
_READ_AHEAD = 3
_DEADLINE_STEP = 20

# Looks (see `look`) in which others who want the same blob have time to turn up: up to a second.
_LOOKS_BEFORE_ORDER = 1

FLOOD: Final = 32
"""How many blocks that nobody asked for make their sender a flooder: as many as are asked of a peer at once.

An honest one sends a block now and then that libtorrent had given up: in swarms of sixteen with silent, slow and lying nodes
no peer sent more than three."""

Stage = Literal["finished", "flushed", "saved", "moved"]


class LibtorrentTransfer:
    """A `Transfer` that is a torrent of a libtorrent session, which passes the torrent's alerts on to the `on_…` methods."""

    def __init__(self, metainfo: Metainfo, path: Path, handle: lt.torrent_handle, peers: Sequence[SwarmPeer]) -> None:
        self.metainfo = metainfo
        self.path = path
        self._handle = handle
        self._known: set[Address] = {peer.address for peer in peers}
        self._have: set[int] = set()
        self._frontier = 0  # no piece before this one is missing
        self._verified: Arrivals[int, None] = Arrivals()
        self._read: Arrivals[int, bytes] = Arrivals()
        self._stages: Arrivals[Stage, None] = Arrivals()
        self._on_disk: frozenset[int] = frozenset()
        self._flushing: asyncio.Task[None] | None = None
        self._tasks = Tasks(f"transfer {metainfo.digest.short}")
        self._leaves = b""
        self._is_finished = False
        self._is_sequential = all(peer.is_seed for peer in peers)
        self._looks = 0
        self._received = 0
        self.useless = 0
        """Bytes of pieces that came wrong, or a second time."""
        self._connections: dict[tuple[Address, bytes], int] = {}
        self._connected = 0
        self._failed_pieces: set[int] = set()
        self._accused: set[tuple[Address, bytes]] = set()
        self._unasked: Counter[Address] = Counter()

    @property
    def handle(self) -> lt.torrent_handle:
        """The torrent. Raises what `fail` was given: a transfer that has failed may have been removed from the session."""
        if (failure := self._verified.failure) is not None:
            raise failure
        return self._handle

    async def piece(self, index: int) -> bytes:
        """Return one verified piece as soon as can be: it is fetched before others. Raises what `fail` was given."""
        if index not in self._have:
            if not (self._is_sequential and index < self._in_order() + _READ_AHEAD):
                self._hurry(index)
            await self._verified.wait(index)
        if index not in self._read:
            self.handle.read_piece(index)
        return await self._read.wait(index)

    async def written(self, index: int) -> int:
        """Wait until a piece is verified and in the file; returns the first behind it that may not be."""
        if (failure := self._verified.failure) is not None:
            raise failure
        while index not in self._on_disk:
            if index not in self._have:
                await self._verified.wait(index)
            if self._flushing is None or self._flushing.done():
                self._flushing = self._tasks.spawn(self._flush(), "flush")
            # A flush goes on when its waiter leaves: its alert must not be taken for that of a later one, which would
            # make pieces count as written that are not.
            await asyncio.shield(self._flushing)
        return next(i for i in range(index, self.metainfo.piece_count + 1) if i not in self._on_disk)

    async def _flush(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH_EVERY):
                if not self._is_finished:
                    await self._stages.wait("finished")
        verified = frozenset(self._have)
        self.handle.flush_cache()
        await self._stages.wait("flushed")
        self._on_disk = verified

    def _hurry(self, index: int) -> None:
        # Only for what would not come next anyway: with any deadline set, libtorrent picks every block in a mode that
        # takes it twice the time (1 GiB over loopback: 3.8 s instead of 1.7 s).
        for ahead in range(index, min(index + _READ_AHEAD, self.metainfo.piece_count)):
            if ahead not in self._have:
                self.handle.set_piece_deadline(ahead, _DEADLINE_STEP * (ahead - index))

    def _in_order(self) -> int:
        while self._frontier in self._have:
            self._frontier += 1
        return self._frontier

    def connect(self, peers: Sequence[SwarmPeer]) -> None:
        """Add peers to fetch from; known ones are not added twice."""
        if self._verified.failure is not None:
            return
        for peer in peers:
            if peer.address not in self._known:
                self._known.add(peer.address)
                self.handle.connect_peer(peer.address)
        if not all(peer.is_seed for peer in peers):
            self._go_sequential(False)

    def missing(self) -> Sequence[int]:
        """Return the pieces that are not here yet, in order."""
        return [index for index in range(self.metainfo.piece_count) if index not in self._have]

    def give(self, index: int, data: bytes) -> None:
        """Take a piece from elsewhere; it is checked like any other, and dropped if it is not the right one."""
        if index not in self._have and self._verified.failure is None:
            self._handle.add_piece(index, data, 0)

    def progress(self) -> Progress:
        """Return how far it is."""
        by_peer: Counter[str] = Counter()
        for (address, peer_id), received in self._connections.items():
            if received:
                by_peer[node_of(peer_id) or f"{address[0]}:{address[1]}"] += received
        done = len(self._have) * self.metainfo.piece_length
        return Progress(min(done, self.metainfo.size), self._received, by_peer, self._connected)

    def spoilt(self) -> Spoilt:
        """Return what has come so far that was not of the root's tree."""
        names = (node_of(peer_id) for _, peer_id in self._accused)
        return Spoilt(
            frozenset(self._failed_pieces),
            frozenset(address for address, _ in self._accused),
            frozenset(name for name in names if name),
            # Who sits at another address has connected from there, and may be anybody.
            frozenset(address for address in self._known if self.is_flooder(address)),
        )

    def fail(self, error: Exception) -> None:
        """End it: whoever waits for a piece gets error."""
        for arrivals in (self._verified, self._read, self._stages):
            arrivals.fail(error)

    async def complete(self) -> MerkleTree:
        """Return the blob's hash tree once every byte is in the file; `progress` no longer changes then."""
        if not self._is_finished:
            await self._stages.wait("finished")
        for index in range(self.metainfo.piece_count):
            await self.written(index)
        await self.look()
        self.handle.save_resume_data(lt.save_resume_flags_t.save_info_dict)
        await self._stages.wait("saved")
        return await asyncio.to_thread(self._tree)

    def _tree(self) -> MerkleTree:
        # libtorrent has hashed every block, so there is no need to do it again. It can write the piece layer too, but
        # takes two seconds a GiB for that. What it says is checked; should it say something else, the file decides.
        tree = tree_of_leaves(self._leaves, self.metainfo.size)
        return tree if tree.root == self.metainfo.root else hash_file(self.path, self.metainfo.digest.algorithm)[1]

    async def move(self, path: Path) -> None:
        """Go on seeding from path, another link to the same file. No piece is to be had from here any more."""
        self.path = path
        self.handle.rename_file(0, str(path))
        await self._stages.wait("moved")

    async def look(self) -> None:
        """Bring what is known here up to date; called a few times a second until the transfer is complete."""
        try:
            status, peers = await asyncio.to_thread(self._ask)
        except RuntimeError:
            return  # the torrent was removed meanwhile
        if self._verified.failure is None:
            self._on_status(status)
            self._on_peers(peers)

    def _ask(self) -> tuple[lt.torrent_status, list[lt.peer_info]]:
        return self._handle.status(lt.torrent_handle.query_pieces), self._handle.get_peer_info()

    @property
    def is_finished(self) -> bool:
        """Whether every piece has been verified."""
        return self._is_finished

    def on_piece_finished(self, index: int) -> None:
        """Take note that a piece was verified."""
        if index not in self._have:
            self._have.add(index)
            self._verified.arrive(index, None)
            if len(self._have) == 1:
                self._go_sequential(False)

    def on_read_piece(self, alert: lt.read_piece_alert) -> None:
        """Hand a piece to those who asked for it."""
        if alert.error.value():
            self.fail(StorageError(f"cannot read {self.metainfo.digest} back: {alert.error.message()}"))
            return
        self._read.arrive(alert.piece, alert.buffer)

    def _on_status(self, status: lt.torrent_status) -> None:
        # Bytes that fail their hash, or were not asked for, are no progress, however many of them a hostile peer sends.
        self.useless = status.total_failed_bytes + status.total_redundant_bytes
        self._received = max(self._received, status.total_payload_download - self.useless)
        for index, have in enumerate(status.pieces):
            if have:
                self.on_piece_finished(index)
        if status.is_finished:
            self.on_finished()

    def _on_peers(self, peers: Sequence[lt.peer_info]) -> None:
        connected = [peer for peer in peers if not peer.flags & (peer.connecting | peer.handshake)]
        for peer in connected:
            connection = (peer.ip, peer.pid.to_bytes())
            self._connections[connection] = max(self._connections.get(connection, 0), peer.total_download)
            if peer.num_hashfails:
                self._accused.add(connection)
        self._connected = len(connected)
        self._looks += 1
        if connected and self._looks > _LOOKS_BEFORE_ORDER:
            self._go_sequential(all(peer.flags & peer.seed for peer in connected))

    def _go_sequential(self, wanted: bool) -> None:
        # The first piece comes first, for the reader who waits for it. Then, while others who want the same blob may yet
        # turn up, rarest first: what they have in common they cannot trade. If nobody but seeds is there, in order, so
        # that the whole digest is computed on the way instead of at the end.
        if wanted != self._is_sequential:
            self._is_sequential = wanted
            flag = lt.torrent_flags.sequential_download
            (self.handle.set_flags if wanted else self.handle.unset_flags)(flag)

    def on_hash_failed(self, index: int) -> None:
        """Take note that a piece came wrong."""
        self._failed_pieces.add(index)

    def on_peer_banned(self, address: Address, peer_id: bytes) -> None:
        """Take note that libtorrent takes no more from a peer, because of pieces that came wrong."""
        self._accused.add((address, peer_id))

    def on_unasked(self, address: Address) -> None:
        """Take note of a block from there that nobody asked for."""
        self._unasked[address] += 1

    def is_flooder(self, address: Address) -> bool:
        """Tell whether so many blocks came from there that nobody asked for, that it is cut off."""
        return self._unasked[address] >= FLOOD

    def knows_others_at(self, address: Address) -> bool:
        """Tell whether somebody else than the one at address has been named on the same host."""
        return any(host == address[0] and port != address[1] for host, port in self._known)

    def on_finished(self) -> None:
        """Take note that every piece was verified."""
        if not self._is_finished:
            self._is_finished = True
            for index in range(self.metainfo.piece_count):
                self.on_piece_finished(index)
            self._stages.arrive("finished", None)

    def on_flushed(self) -> None:
        """Take note that what was written is in the file."""
        self._stages.arrive("flushed", None)

    def on_resume_data(self, params: lt.add_torrent_params) -> None:
        """Keep the hashes of all blocks, which libtorrent has checked against the root."""
        resume_data: Any = lt.write_resume_data(params)
        self._leaves = resume_data[b"trees"][0][b"hashes"]
        self._stages.arrive("saved", None)

    def on_moved(self) -> None:
        """Take note that libtorrent reads the file under its new name from now on, and that nobody reads it here."""
        self._stages.arrive("moved", None)
        self.fail(TransferStalled(f"{self.metainfo.digest} is a file by now"))
