"""One blob on its way: libtorrent fetches and checks pieces, this hands them out in whatever order readers want them.

Three things about libtorrent shape this file. `piece_finished` means "verified", not "on disk": reading the file at that
moment gives wrong bytes. What was verified before a cache flush began is in the file when the flush ends (`written`);
what is wanted sooner is read back through libtorrent (`piece`), at several times the cost. Alerts may be lost when many
arrive at once, so what is there is reconciled with the piece bitmap at every `look`. And its calls that return something
wait for the network thread, so they are made from a worker thread.

A transfer may be several torrents, one after another: what libtorrent thinks of a peer it forgets with the torrent only. When
one stands still and somebody was put out of it, who may be honest (see `ledger`), it is halted, and the next one goes on with
what it has.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import libtorrent as lt

from p2player.errors import StorageError, TransferStalled
from p2player.store.hashing import hash_file
from p2player.store.merkle import MerkleTree, tree_of_leaves
from p2player.swarm import torrents
from p2player.swarm.arrivals import Arrivals
from p2player.swarm.blame import Blame
from p2player.swarm.ledger import Ledger
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.ondisk import OnDisk
from p2player.swarm.order import Order
from p2player.swarm.port import Address, Progress, Spoilt, SwarmPeer
from p2player.swarm.standstill import Standstill
from p2player.swarm.tally import Tally

# How often a halted torrent is asked what it has, until that is all that was told to be verified; and seconds in between.
_SAVES = 5
_SAVE_AGAIN = 0.1

Stage = Literal["finished", "saved", "moved", "paused"]


class LibtorrentTransfer:
    """A `Transfer` that is a torrent of a libtorrent session, which passes the torrent's alerts on to the `on_…` methods."""

    def __init__(self, metainfo: Metainfo, path: Path, handle: lt.torrent_handle, peers: Sequence[SwarmPeer]) -> None:
        self.metainfo = metainfo
        self.path = path
        self._handle = handle
        self._known: dict[Address, None] = dict.fromkeys(peer.address for peer in peers)
        self._have: set[int] = set()
        self._verified: Arrivals[int, None] = Arrivals()
        self._read: Arrivals[int, bytes] = Arrivals()
        self._stages: Arrivals[Stage, None] = Arrivals()
        self._kept: Arrivals[None, lt.add_torrent_params] = Arrivals()
        self._on_disk = OnDisk(handle, self._have, f"transfer {metainfo.digest.short}")
        self._leaves = b""
        self._is_finished = False
        in_order = all(peer.is_seed for peer in peers)
        self._order = Order(handle, metainfo.piece_count, self._have, in_order=in_order)
        self.tally = Tally()
        self.blame = Blame()
        self._ledger = Ledger()
        self._standstill = Standstill()
        self._is_halted = False

    @property
    def handle(self) -> lt.torrent_handle:
        """The torrent. Raises what `fail` was given: a transfer that has failed may have been removed from the session."""
        self._check()
        return self._handle

    def _check(self) -> None:
        if (failure := self._verified.failure) is not None:
            raise failure

    async def piece(self, index: int) -> bytes:
        """Return one verified piece as soon as can be: it is fetched before others. Raises what `fail` was given."""
        self._check()
        if index not in self._have:
            self._order.hurry(index)
            await self._verified.wait(index)
        if index not in self._read:
            self.handle.read_piece(index)
        return await self._read.wait(index)

    async def written(self, index: int) -> int:
        """Wait until a piece is verified and in the file; returns the first behind it that may not be."""
        self._check()
        while index not in self._on_disk:
            if index not in self._have:
                await self._verified.wait(index)
            await self._on_disk.flush(self._finished)
        return self._on_disk.first_missing(index)

    async def _finished(self) -> None:
        if not self._is_finished:
            await self._stages.wait("finished")

    def connect(self, peers: Sequence[SwarmPeer]) -> None:
        """Add peers to fetch from; known ones are not added twice."""
        if self._verified.failure is not None:
            return
        for peer in peers:
            if peer.address not in self._known:
                self._known[peer.address] = None
                self.handle.connect_peer(peer.address)
        if not all(peer.is_seed for peer in peers):
            self._order.begun()

    def missing(self) -> Sequence[int]:
        """Return the pieces that are not here yet, in order."""
        return [index for index in range(self.metainfo.piece_count) if index not in self._have]

    def give(self, index: int, data: bytes) -> None:
        """Take a piece from elsewhere; it is checked like any other, and dropped if it is not the right one."""
        if index not in self._have and self._verified.failure is None and not self._is_halted:
            self._handle.add_piece(index, data, 0)

    def progress(self) -> Progress:
        """Return how far it is."""
        done = len(self._have) * self.metainfo.piece_length
        tally = self.tally
        return Progress(min(done, self.metainfo.size), tally.received, tally.by_peer(), tally.connected)

    def spoilt(self) -> Spoilt:
        """Return what has come so far that was not of the root's tree."""
        return self.blame.spoilt(self._known)

    def fail(self, error: Exception) -> None:
        """End it: whoever waits for a piece gets error."""
        for arrivals in (self._verified, self._read, self._stages, self._kept):
            arrivals.fail(error)
        self._on_disk.fail(error)

    async def complete(self) -> MerkleTree:
        """Return the blob's hash tree once every byte is in the file; `progress` no longer changes then."""
        await self._finished()
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
        handle = self._handle
        try:
            status, peers = await asyncio.to_thread(_ask, handle)
        except RuntimeError:
            return  # the torrent was removed meanwhile
        if self._verified.failure is None and handle is self._handle:
            self._on_status(status)
            self._on_peers(peers)

    def stands_still(self, now: float) -> bool:
        """Tell whether nothing comes any more at time now, and that may be because an honest peer was put out.

        Called after each `look`, with seconds of any clock that does not go back.
        """
        if self._is_halted or self._is_finished or self._verified.failure is not None:
            return False
        stands_still = self._standstill.look(len(self._have), self.tally.received, now)
        return stands_still and self._ledger.may_help(self._welcome())

    def _welcome(self) -> list[Address]:
        return [address for address in self._known if not self.blame.is_flooder(address)]

    async def halt(self) -> lt.add_torrent_params | None:
        """Stop the torrent, and return what it has for another to `go_on` with; None if it was not to be stopped.

        Raises what `fail` was given.
        """
        self._is_halted = True
        # libtorrent says that it has paused when all connections have ended and all that came over them is in the file. Nothing
        # must be written after that: the next torrent has the same file.
        self.handle.pause()
        await self._stages.wait("paused")
        for _ in range(_SAVES):
            self.handle.save_resume_data(lt.save_resume_flags_t.save_info_dict)
            kept = await self._kept.wait(None)
            if self._is_finished:
                break
            if self._have <= torrents.pieces(kept):
                return kept
            await asyncio.sleep(_SAVE_AGAIN)
        self._is_halted = False
        self._standstill.begin_anew()
        self.handle.resume()
        return None

    def go_on(self, handle: lt.torrent_handle) -> None:
        """Go on with another torrent, which is paused and has what `halt` returned, as if it had been this one all the time."""
        self._handle = handle
        self._is_halted = False
        for address in self._ledger.begin_anew(self._welcome(), self.tally.by_address()):
            handle.connect_peer(address)
        self.tally.begin_anew()
        self._standstill.begin_anew()
        self._order.go_on(handle)
        handle.resume()
        # What the last one was asked for it may not have answered, and nobody would hear it any more.
        self._on_disk.go_on(handle)
        for index in self._read.expected():
            handle.read_piece(index)

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
                self._order.begun()

    def on_read_piece(self, alert: lt.read_piece_alert) -> None:
        """Hand a piece to those who asked for it."""
        if alert.error.value():
            self.fail(StorageError(f"cannot read {self.metainfo.digest} back: {alert.error.message()}"))
            return
        self._read.arrive(alert.piece, alert.buffer)

    def _on_status(self, status: lt.torrent_status) -> None:
        self.tally.on_status(status)
        for index, have in enumerate(status.pieces):
            if have:
                self.on_piece_finished(index)
        if status.is_finished:
            self.on_finished()

    def _on_peers(self, peers: Sequence[lt.peer_info]) -> None:
        connected = [peer for peer in peers if not peer.flags & (peer.connecting | peer.handshake)]
        self.tally.on_peers(connected)
        for peer in connected:
            if peer.num_hashfails:
                self.blame.accuse(peer.ip, peer.pid.to_bytes())
        self._order.on_peers(connected)

    def on_peer_banned(self, address: Address, peer_id: bytes) -> None:
        """Take note that libtorrent takes no more from a peer, because of pieces that came wrong."""
        self.blame.accuse(address, peer_id)
        self._ledger.put_out(address)

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
        self._on_disk.on_flushed()

    def on_paused(self) -> None:
        """Take note that nothing comes in or is written any more."""
        self._stages.arrive("paused", None)

    def on_resume_data(self, params: lt.add_torrent_params) -> None:
        """Keep what there is for the next torrent, or of the last one the hashes of all blocks, checked against the root."""
        if None in self._kept:  # it was asked for that first
            self._kept.arrive(None, torrents.kept(params))
            return
        resume_data: Any = lt.write_resume_data(params)
        self._leaves = resume_data[b"trees"][0][b"hashes"]
        self._stages.arrive("saved", None)

    def on_moved(self) -> None:
        """Take note that libtorrent reads the file under its new name from now on, and that nobody reads it here."""
        self._stages.arrive("moved", None)
        self.fail(TransferStalled(f"{self.metainfo.digest} is a file by now"))


def _ask(handle: lt.torrent_handle) -> tuple[lt.torrent_status, list[lt.peer_info]]:
    return handle.status(lt.torrent_handle.query_pieces), handle.get_peer_info()
