"""One node of a soak: a daemon that is stopped, killed, frozen and started again on the same data."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from netsim.emulate.daemons import Daemon
from netsim.emulate.processes import ProgramError
from netsim.image import blob_path
from p2player.control.client import ControlClient

T = TypeVar("T")


class BusyError(Exception):
    """Somebody does just now what would get in the way."""


class Member:
    """A node by its number."""

    def __init__(self, number: int, data_dir: Path, arguments: Sequence[str]) -> None:
        self.number = number
        self.data_dir = data_dir
        self.store = data_dir / "store"
        self._arguments = arguments
        self._changing = threading.Lock()
        self._daemon: Daemon | None = None
        self.damages = 0
        """How often its disk began to have a wrong byte, and how often it was found; odd while it has one."""

    @property
    def daemon(self) -> Daemon | None:
        """The daemon that runs now, frozen or not, if one does."""
        return self._daemon

    def start(self, join: Sequence[str]) -> None:
        """Start it and wait until it answers."""
        daemon = Daemon(self.data_dir, *self._arguments, join=join)
        try:
            daemon.__enter__()
        except ProgramError as error:
            raise ProgramError(f"node {self.number} does not start: {error}") from error
        self._daemon = daemon

    def stop(self) -> None:
        """End it for good."""
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep others from stopping or changing it. Raises BusyError if somebody does so now."""
        if not self._changing.acquire(blocking=False):
            raise BusyError
        try:
            yield
        finally:
            self._changing.release()

    def restart(self, doors: Callable[[], Sequence[str]], pause: float, *, kill: bool) -> None:
        """End it, in its own time or as a power cut would, and start it again after a pause in seconds."""
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            daemon.kill() if kill else daemon.stop()
        time.sleep(pause)
        self.start(doors())

    def freeze(self, pause: float) -> None:
        """Let it stand still for a while, its connections open."""
        if self._daemon is not None:
            with self._daemon.frozen():
                time.sleep(pause)

    @contextmanager
    def damaged(self, digest: str) -> Iterator[None]:
        """Change a byte in the middle of a stored blob, as a failing disk would. Raises FileNotFoundError.

        The context is to let the node find it; until then it cannot be expected to serve the right bytes.
        """
        self.damages += 1
        try:
            with blob_path(self.store, digest).open("r+b") as file:
                middle = file.seek(0, os.SEEK_END) // 2
                file.seek(middle)
                byte = file.read(1)
                file.seek(middle)
                file.write(bytes([byte[0] ^ 0xFF]))
            yield
        finally:
            self.damages += 1

    def p2player(self, verb: str, *arguments: str) -> None:
        """Run a command that speaks to it. Raises BusyError if it does not run, ProgramError if the command fails."""
        if self._daemon is None:
            raise BusyError
        self._daemon.p2player(verb, *arguments)

    def blobs(self) -> list[str]:
        """Return the digest of every blob it holds. Raises what `ask` raises."""

        async def blobs(client: ControlClient) -> list[str]:
            return [str(blob.digest) for blob in await client.blobs()]

        return self.ask(blobs)

    def verify(self) -> list[str]:
        """Let it hash everything it holds again, and return what it took out as damaged. Raises what `ask` raises."""

        async def verify(client: ControlClient) -> list[str]:
            return [str(checked.digest) async for checked in client.verify() if not checked.ok]

        return self.ask(verify)

    def ask(self, question: Callable[[ControlClient], Coroutine[Any, Any, T]], *, timeout: float = 120) -> T:
        """Return what a conversation with the daemon gives. Raises P2PlayerError, or TimeoutError after so many seconds."""

        async def conversation() -> T:
            async with asyncio.timeout(timeout), ControlClient(self.data_dir) as client:
                return await question(client)

        return asyncio.run(conversation())
