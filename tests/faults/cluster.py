"""A cluster of real daemons, each a machine of its own: links, file systems, name service and clock that can go wrong."""

import asyncio
import hashlib
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from netsim.emulate.asking import status_of
from netsim.emulate.links import Hosts
from netsim.emulate.processes import Program
from p2player.control.client import ControlClient
from p2player.oci.digest import Digest
from p2player.store.store import Store
from tests.faults.origin import NAME, Origin
from tests.wrongbytes import require_same

ROOT = Path(__file__).parents[2]
RATE = 200.0  # Mbit/s
SIZE = 4 << 20
BOUND = 60.0
"""Seconds in which a pull ends one way or the other, whatever happens."""
_DISK = 600 << 20  # a sparse file, more than what a store keeps in reserve
_FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@dataclass(frozen=True)
class Blob:
    data: bytes
    digest: Digest

    @classmethod
    def random(cls, seed):
        data = random.Random(seed).randbytes(SIZE)
        return cls(data, Digest.of(data))

    @property
    def size(self):
        return len(self.data)


@dataclass(frozen=True)
class Outcome:
    """How a pull through an endpoint ended: with every byte, or with an error that a runtime cannot take for the whole."""

    whole: bool
    reason: str
    seconds: float


class Machine:
    """A host with a daemon, in a mount namespace with its own data directory and its own idea of names and time."""

    def __init__(self, name, host, root, *, own_disk=False, own_clock=False):
        self.name = name
        self.host = host
        self.directory = root / name
        self.directory.mkdir()
        (self.directory / "data").mkdir()
        self._hosts = self.directory / "hosts"
        self._clock = self.directory / "clock"
        self.set_clock(0)
        self.know_names("")
        self._holder = None
        self._own_disk = own_disk
        self._own_clock = own_clock
        self._program = None
        self.arguments = ()

    def begin(self):
        """Make its namespace. `end` undoes all that was done on this machine."""
        script = f"mount --bind {self._hosts} /etc/hosts"
        resolver = self.directory / "resolv.conf"
        resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")  # nobody answers there
        script += f" && mount --bind {resolver} /etc/resolv.conf"
        if self._own_disk:
            subprocess.run(["truncate", "-s", str(_DISK), self._image], check=True)
            subprocess.run(["mkfs.ext4", "-q", "-m", "0", self._image], check=True)
            script += f" && {self._mount}"
        self._holder = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"),
                *("sh", "-c", f"{script} && echo ready && exec sleep infinity"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout.readline() == b"ready\n", f"{self.name} has no namespace"

    def end(self):
        if self._program is not None:
            self._program.kill()
        if self._holder is not None:
            self._holder.kill()
            self._holder.communicate()

    @property
    def _image(self):
        return self.directory / "disk"

    @property
    def _mount(self):
        return f"mount -o loop,errors=remount-ro {self._image} {self.directory}/data"

    @property
    def data_dir(self):
        """Where this process finds the daemon's data."""
        return Path(f"/proc/{self._holder.pid}/root{self.directory}/data")

    def run(self, *argv):
        """Run a command where the daemon runs."""
        return subprocess.run(self._command(argv), check=True, capture_output=True, text=True)

    def _command(self, argv):
        return self.host.command(["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", *argv])

    def keep(self, blob):
        """Put a blob into the store before the daemon starts."""
        store = Store.open(self.data_dir)
        store.put(blob.digest, blob.data)
        store.close()

    async def start(self, *, stage=None, gate=None):
        """Start the daemon, and return once it answers."""
        module = "tests.faults.staged" if stage else "p2player"
        command = [sys.executable, "-m", module, "serve", "--data-dir", f"{self.directory}/data", *self.arguments]
        env = {"PYTHONPATH": str(ROOT)}
        if self._own_clock:
            env |= {
                "LD_PRELOAD": str(_FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(self._clock),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "NO_FAKE_STAT": "1",
            }
        if stage:
            env |= {"STAGE": stage, "GATE": str(gate)}
        self._program = Program(self._command(command), self.directory / "log", env=env)
        self._program.start()
        async with asyncio.timeout(30):
            while not await self.peers():
                assert self.is_running, self.log
                await asyncio.sleep(0.05)

    async def peers(self):
        """Return how many nodes the daemon knows, None if it does not answer, 1 if it has nobody to join."""
        status = await status_of(self.data_dir)
        if status is None:
            return None
        return status.peers if "--join" in self.arguments else 1

    @property
    def pid(self):
        return self._program.pid

    @property
    def is_running(self):
        return Path(f"/proc/{self.pid}/exe").exists()

    @property
    def log(self):
        return self._program.tail()

    def kill(self):
        self._program.kill()

    def signal(self, number):
        os.kill(self.pid, number)

    async def pull(self, blob):
        """Read a blob through the endpoint as a runtime does. Raises WrongBytes if it looked whole, and was something else."""
        loop = asyncio.get_running_loop()
        before = loop.time()
        whole, reason = False, ""
        try:
            async with asyncio.timeout(BOUND), self._session() as session:
                url = f"http://127.0.0.1:5050/v2/team/app/blobs/{blob.digest}?ns={NAME}"
                async with session.get(url) as response:
                    data = await response.read()
                    whole = response.status == 200
                    reason = "" if whole else f"{response.status} {data[:400].decode(errors='replace')}"
        except (aiohttp.ClientError, ConnectionError) as error:
            reason = repr(error)
        except TimeoutError:
            raise AssertionError(f"{self.name} has left a pull without an end for {BOUND:.0f} s\n{self.log}") from None
        if whole:
            require_same(data, blob.data)
        return Outcome(whole, reason, loop.time() - before)

    def _session(self):
        def on_host(address):
            family, kind, protocol, *_ = address
            with self.host.entered():
                return socket.socket(family, kind, protocol)

        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=on_host))

    async def holds(self, blob):
        """Tell whether the daemon lists a blob."""
        async with ControlClient(self.data_dir) as client:
            return any(one.digest == blob.digest for one in await client.blobs())

    async def verify(self):
        """Return what the daemon finds wrong with its store."""
        async with ControlClient(self.data_dir) as client:
            return [checked async for checked in client.verify() if not checked.ok]

    async def announcers(self, blob):
        """Return the addresses of the other nodes that are known here to have the whole of a blob."""
        async with ControlClient(self.data_dir) as client:
            why = await client.why(str(blob.digest))
        return {provider.address.rpartition(":")[0] for provider in why.providers if provider.complete}

    def blob_file(self, blob):
        return self.data_dir / "store/blobs/sha256" / blob.digest.hex

    def set_clock(self, seconds):
        """Let the daemon's clock be so many seconds ahead from now on."""
        self._clock.write_text(f"{seconds:+d}\n")

    def know_names(self, lines):
        self._hosts.write_text(f"127.0.0.1 localhost\n{lines}\n")

    def fill_disk(self):
        """Leave no room on its disk."""
        ballast = f"{self.directory}/data/ballast"
        most = shutil.disk_usage(self.data_dir).free - (
            1 << 20
        )  # the rest bit by bit: files need room besides their bytes
        self.run("sh", "-c", f"fallocate -l {most} {ballast} && ! dd if=/dev/zero of={ballast}.rest bs=4k")

    def free_disk(self):
        for ballast in self.data_dir.glob("ballast*"):
            ballast.unlink()

    def fail_disk(self):
        """Let its file system do as after an error of the disk: it can be read only, until it is mounted again."""
        self.run("mount", "-o", "remount,abort", f"{self.directory}/data")

    def replace_disk(self):
        self.run("umount", f"{self.directory}/data")
        self.run("sh", "-c", self._mount)

    @contextmanager
    def without_descriptors(self):
        """Let the daemon open no file more."""
        limits = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        open_now = len(list(Path(f"/proc/{self.pid}/fd").iterdir()))
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (open_now, limits[1]))
        try:
            yield
        finally:
            resource.prlimit(self.pid, resource.RLIMIT_NOFILE, limits)

    @contextmanager
    def frozen(self):
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)


class Cluster:
    """Three machines and a registry. `node` pulls; it stops at the gate of its stage."""

    def __init__(self, machines, origin, blob):
        self.machines = machines
        self.seed, self.node, self.third = machines
        self.origin = origin
        self.blob = blob
        self._knocked = asyncio.Event()
        self._opened = asyncio.Event()

    async def _on_knock(self, _, writer):
        self._knocked.set()
        await self._opened.wait()
        writer.close()

    async def at_stage(self):
        """Wait until the node's pull has come to its stage."""
        async with asyncio.timeout(BOUND):
            await self._knocked.wait()

    def open_gate(self):
        self._opened.set()


@asynccontextmanager
async def cluster_of(stage, blob, *, holders, own_disk=(), own_clock=()):
    """Run a seed, a node that stops at a stage, and a third; those named as holders have the blob already.

    Those named in own_clock have one that can be set, and is so many seconds ahead already.
    """
    if own_clock and _FAKETIME is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("not installed: libfaketime")
    async with AsyncExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="p2f-", ignore_cleanup_errors=True)))
        hosts = stack.enter_context(Hosts(4, rate_mbit=RATE)).hosts
        origin = await stack.enter_async_context(Origin(hosts[3], blob))
        secret = root / "secret"
        secret.write_text(hashlib.sha256(blob.data).hexdigest())
        secret.chmod(0o600)
        machines = []
        for name, host in zip(("seed", "node", "third"), hosts, strict=False):
            machine = Machine(name, host, root, own_disk=name in own_disk, own_clock=name in own_clock)
            stack.callback(machine.end)
            machine.begin()
            if name in own_clock:
                machine.set_clock(own_clock[name])
            machine.know_names(f"{origin.address} {NAME}")
            joins = [part for other in machines for part in ("--join", f"{other.host.address}:7400")]
            machine.arguments = (
                *("--cluster", f"{host.address}:7400", "--secret-file", str(secret)),
                *("--configured-only", "--upstream", f"{NAME}={origin.url}", *joins),
            )
            if name in holders:
                machine.keep(blob)
            machines.append(machine)
        cluster = Cluster(machines, origin, blob)
        server = await asyncio.start_unix_server(cluster._on_knock, root / "gate")
        stack.callback(server.close)
        stack.callback(cluster.open_gate)
        await asyncio.gather(
            cluster.seed.start(), cluster.node.start(stage=stage, gate=root / "gate"), cluster.third.start()
        )
        yield cluster
