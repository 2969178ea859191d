"""A node of an emulated rollout: a host of its own, and a daemon on it while it lives."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from netsim.emulate.asking import status_of
from netsim.emulate.daemons import Daemon
from netsim.emulate.links import Host
from netsim.emulate.processes import ProgramError
from netsim.emulate.usage import cpu_seconds
from netsim.scenarios.rollout import Lie
from p2player.control.client import ControlClient
from p2player.control.messages import Status
from p2player.pull.events import BlobProgress

LIE: Final = "LIE"
"""The environment variable that tells a liar which lie."""
_LIAR: Final = "netsim.emulate.liar"
_POLL: Final = 0.1  # seconds
_PATIENCE: Final = 60.0  # seconds that a daemon may take until it answers and knows others


class Member:
    """A node by its number."""

    def __init__(
        self, number: int, host: Host, data_dir: Path, arguments: Sequence[str] = (), *, lie: Lie | None = None
    ) -> None:
        """Serve from data_dir with further arguments of `serve`; honestly, or not."""
        self.number = number
        self.host = host
        self.data_dir = data_dir
        self._arguments = arguments
        self._lie = lie
        self._daemon: Daemon | None = None
        self._used = 0.0
        self.gone = asyncio.Event()
        """Set once it is dead, or will answer nobody any more."""
        self.is_up = asyncio.Event()
        """Set once it answers and knows others."""
        self.received: Counter[str] = Counter()
        """Bytes of blobs that its pulls have brought here, by digest."""

    @property
    def address(self) -> str:
        """HOST:PORT that other nodes join."""
        return f"{self.host.address}:7400"

    def start(self, doors: Sequence[str]) -> None:
        """Start it without waiting for it; it joins the nodes at doors."""
        self._daemon = Daemon(
            self.data_dir,
            *self._arguments,
            join=doors,
            host=self.host,
            module=_LIAR if self._lie else "p2player",
            env={LIE: self._lie} if self._lie else None,
        )
        self._daemon.start()

    async def ready(self, peers: int) -> None:
        """Return when it answers and knows so many nodes. Raises ProgramError if it does not in a minute, or ends."""
        try:
            async with asyncio.timeout(_PATIENCE):
                while not await self._knows(peers):  # noqa: ASYNC110  (another process's doing)
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            raise ProgramError(f"node {self.number} does not find {peers} others\n{self._log}") from None
        self.is_up.set()

    async def _knows(self, peers: int) -> bool:
        if self._daemon is None or not self._daemon.is_running:
            raise ProgramError(f"node {self.number} has ended\n{self._log}")
        status = await self.status()
        return status is not None and status.peers >= peers

    @property
    def _log(self) -> str:
        return self._daemon.log if self._daemon else ""

    async def status(self) -> Status | None:
        """Return what it says of itself, None while it does not answer."""
        return await status_of(self.data_dir)

    async def pull(self, reference: str) -> None:
        """Pull an image into its store, all layers at once. Raises P2PlayerError."""
        async with ControlClient(self.data_dir) as client:
            async for event in client.pull(reference, None):
                if isinstance(event, BlobProgress) and event.state != "present":
                    digest = str(event.digest)
                    self.received[digest] = max(self.received[digest], event.done)

    def seed(self, layout: Path, reference: str) -> None:
        """Take an image in. Raises ProgramError."""
        if self._daemon is None:
            raise ProgramError(f"node {self.number} does not run")
        self._daemon.p2player("seed", f"oci:{layout}", "--as", reference)

    @property
    def cpu_seconds(self) -> float:
        """Seconds of a core that it has used since its start, or until its end."""
        if self._daemon is not None and self._daemon.is_running:
            self._used = cpu_seconds(self._daemon.pid)
        return self._used

    def freeze(self) -> None:
        """Let it stand still for good, its connections open."""
        self.gone.set()
        if self._daemon is not None:
            self._daemon.freeze()

    def kill(self) -> None:
        """End it as a power cut would, for good. Does nothing if it does not run."""
        self._used = self.cpu_seconds
        self.gone.set()
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon = None
