"""Real p2player daemons on this machine's loopback, each in a process of its own."""

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from netsim.emulate.links import Host
from netsim.emulate.processes import Program, ProgramError, run

_PYTHON = (sys.executable, "-m")
_P2PLAYER = (*_PYTHON, "p2player")


@dataclass(frozen=True, slots=True)
class Status:
    """What `p2player status` says of a daemon. Bytes are counted since its start."""

    node_id: str
    registry: str
    cluster: str
    swarm: str
    """HOST:PORT that BitTorrent clients connect to."""
    peers: int
    blobs: int
    local: int
    """Bytes served from the store."""
    peer: int
    """Bytes fetched from peers."""
    upstream: int
    """Bytes fetched from registries."""

    @classmethod
    def parse(cls, output: str) -> Self:
        """Return what `status --json` printed. Raises ProgramError if it lacks anything."""
        try:
            answer: dict[str, Any] = json.loads(output)
            plain = {name: answer[name] for name in ("node_id", "registry", "cluster", "swarm", "peers", "blobs")}
            return cls(**plain, **{name: answer["bytes"][name] for name in ("local", "peer", "upstream")})
        except (ValueError, KeyError, TypeError) as error:
            raise ProgramError(f"not what status --json is to print: {error!r}\n{output}") from error


class Daemon:
    """One `p2player serve` on free ports, running while its context lasts. Its data outlives it."""

    registry: str
    """HOST:PORT of its registry endpoint."""
    cluster: str
    """HOST:PORT that other nodes join."""

    def __init__(
        self,
        data_dir: Path,
        *arguments: str,
        join: Sequence[str] = (),
        host: Host | None = None,
        env: Mapping[str, str] | None = None,
        module: str = "p2player",
    ) -> None:
        """Serve from data_dir, with further arguments of `serve`, after joining the nodes at the HOST:PORTs of join.

        On a host of its own it has the usual ports, and other hosts reach its cluster port. Another module than p2player
        makes it behave in another way.
        """
        self.data_dir = data_dir
        self._joins = bool(join)
        self._env = env
        joins = [part for address in join for part in ("--join", address)]
        ports = ["--registry", "127.0.0.1:0", "--cluster", "127.0.0.1:0"]
        if host is not None:
            ports = ["--registry", "127.0.0.1:5050", "--cluster", f"{host.address}:7400", "--insecure"]
        # No registry outside this machine is asked, unless an argument says where.
        own = [*ports, "--configured-only"]
        command = [*_PYTHON, module, "serve", "--data-dir", str(data_dir), *own, *joins, *arguments]
        self._program = Program(
            command if host is None else host.command(command),
            data_dir.with_name(f"{data_dir.name}.log"),
            env=env,
        )

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it without waiting for it."""
        self._program.start()

    def wait(self) -> None:
        """Return when it answers and, if it was told whom to join, knows a peer."""
        status = self._program.wait_until(self._ready)
        self.registry, self.cluster = status.registry, status.cluster

    def _ready(self) -> Status | None:
        # a look at the socket is cheap, and a client process is not
        if not (self.data_dir / "control.sock").exists():
            return None
        try:
            output = self.p2player("status", "--json")
        except ProgramError:
            return None
        status = Status.parse(output)
        return status if status.peers or not self._joins else None

    def stop(self) -> None:
        """End it in its own time."""
        self._program.stop()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._program.kill()

    def freeze(self) -> None:
        """Let it stand still, its connections open."""
        os.kill(self.pid, signal.SIGSTOP)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it stand still while the context lasts."""
        self.freeze()
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        return self._program.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._program.is_running

    @property
    def log(self) -> str:
        """The end of what it wrote to its log."""
        return self._program.tail()

    def p2player(self, verb: str, *arguments: str) -> str:
        """Return what `p2player VERB` printed, speaking to this daemon. Raises ProgramError if it fails."""
        return run([*_P2PLAYER, verb, "--data-dir", str(self.data_dir), *arguments], env=self._env)

    def status(self) -> Status:
        """Return what the daemon says of itself."""
        return Status.parse(self.p2player("status", "--json"))


class LocalCluster:
    """Daemons that form one cluster, running while its context lasts. The directory is the caller's to remove."""

    def __init__(self, root: Path, size: int, *arguments: str) -> None:
        """Give size daemons, each below root, the same further arguments of `serve`."""
        self._root = root
        self._size = size
        self._arguments = arguments
        self._running = ExitStack()
        self.nodes: list[Daemon] = []

    def __enter__(self) -> Self:
        with self._running:
            self._start(1)
            self._start(self._size - 1)
            self._running = self._running.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def add(self) -> Daemon:
        """Return one more daemon, which knows a peer."""
        (daemon,) = self._start(1)
        return daemon

    def _start(self, count: int) -> list[Daemon]:
        join = [self.nodes[0].cluster] if self.nodes else []
        first = len(self.nodes)
        started = [
            Daemon(self._root / f"node-{number}", *self._arguments, join=join) for number in range(first, first + count)
        ]
        for daemon in started:
            daemon.start()
            self._running.callback(daemon.stop)
        for daemon in started:
            daemon.wait()
        self.nodes += started
        return started
