"""`p2player`, stopping once where a pull enters the stage that STAGE names: it knocks at the Unix socket GATE and waits there.

Run as `python -m tests.faults.staged …` in place of `python -m p2player …`.
"""

import asyncio
import os
import socket
import sys
import threading

from p2player.cli import main
from p2player.pull.chain.growing import Growing
from p2player.pull.fetch.search import Search
from p2player.pull.held.holdings import Holdings
from p2player.store.layout import Layout
from p2player.swarm.transfer import LibtorrentTransfer

STAGES = ("lookup", "first byte", "mid-blob", "commit", "announce")
_HELD_RATE = 1  # bytes a second, since libtorrent takes 0 for no limit
_UNLIMITED = 0


class Gate:
    """Where the process waits, the first time that it comes by in its stage."""

    def __init__(self, stage, path):
        self._stage = stage
        self._path = path
        self._lock = threading.Lock()
        self._passed = False

    def takes(self, *stages):
        """Tell whether to wait here; only the first who asks has to."""
        with self._lock:
            taken = self._stage in stages and not self._passed
            self._passed |= taken
            return taken

    def wait(self):
        """Wait until it is opened, or whoever would do that is gone."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._path)
            connection.recv(1)


def stop_on_the_way(gate):
    """Put the gate where a pull looks for others, and where its bytes come in."""
    look, append, on_piece_finished = Search.look, Growing.append, LibtorrentTransfer.on_piece_finished

    async def staged_look(self, *arguments):
        if gate.takes("lookup"):
            await asyncio.to_thread(gate.wait)
        return await look(self, *arguments)

    async def staged_append(self, data, **how):
        await append(self, data, **how)
        if gate.takes(*_stages_at(self.offset, self.size)):
            await asyncio.to_thread(gate.wait)

    def staged_piece(self, index):
        on_piece_finished(self, index)
        if gate.takes(*_stages_at(len(self._have), self.metainfo.piece_count)):
            self._handle.set_download_limit(_HELD_RATE)
            threading.Thread(target=_hold, args=(gate, self._handle), daemon=True).start()

    Search.look, Growing.append, LibtorrentTransfer.on_piece_finished = staged_look, staged_append, staged_piece


def stop_at_the_end(gate):
    """Put the gate where what came is kept, and where the others are told."""
    sync, announce = Layout.sync, Holdings.announce

    def staged_sync(self, digests):
        sync(self, digests)  # the file is among the blobs, and the catalog does not know of it yet
        if digests and gate.takes("commit"):
            gate.wait()

    async def staged_announce(self, blobs):
        if blobs and gate.takes("announce"):
            await asyncio.to_thread(gate.wait)
        await announce(self, blobs)

    Layout.sync, Holdings.announce = staged_sync, staged_announce


def _stages_at(done, whole):
    return ("first byte",) if done < whole / 2 else ("first byte", "mid-blob")


def _hold(gate, handle):
    gate.wait()
    handle.set_download_limit(_UNLIMITED)


if __name__ == "__main__":
    the_gate = Gate(os.environ["STAGE"], os.environ["GATE"])
    stop_on_the_way(the_gate)
    stop_at_the_end(the_gate)
    sys.exit(main())
