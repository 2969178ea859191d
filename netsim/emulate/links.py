"""Hosts of their own on this machine: network namespaces with shaped links to the switch of their zone. Needs root and iproute2.

    host 1  eth0 ── tbf ──┐                ┌── tbf ── eth0  host 2
                          port0 ─ zone0 ─ port1
                                    │
                                   tbf                         (bridges, in a namespace of their own)
                                    │
                                   core ── tbf ── zone1 ─ …

Links have rates, and no delay but that of their queues. TCP's congestion control is Reno on all of them, whatever this machine uses.
Hosts know each other's hardware addresses: those that they would ask for share one table of 1,024 (`gc_thresh3`, arp(7)) over all
namespaces, which 32 hosts overflow.

Each namespace is held by a process, which dies with this one, and so do the programs in it. The kernel then takes down
namespaces, links and queues, whatever state this process was in when it ended.
"""

import ctypes
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from typing import IO, Final, Self

from netsim.emulate.processes import ProgramError

_NETWORK: Final = IPv4Network("10.77.0.0/16")  # seen by nobody outside the namespaces
_READY: Final = "ready"
_TIED: Final = ("setpriv", "--pdeathsig", "KILL")
_BURST: Final = "64kb"  # one full GSO packet, or the kernel would split each
_SETTINGS: Final = "echo reno >/proc/sys/net/ipv4/tcp_congestion_control"
"""Every kernel lets a namespace use this one. A crowd takes a twentieth to a third longer with BBR (docs/performance.md)."""
_CLONE_NEWNET: Final = 0x40000000
_LATENCY: Final = "50ms"  # the longest queue, as in a switch with small buffers


@dataclass(frozen=True, slots=True)
class Link:
    """What a host has to the switch of its zone: Mbit/s each way, None if there is no limit."""

    rate_mbit: float | None = None
    zone: int = 0


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes that have crossed a host's link since it was made, headers included."""

    received: int
    sent: int


class _Namespace:
    """A network namespace, there until `close`."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            [*_TIED, "unshare", "--net", "sh", "-c", f"{_SETTINGS} && echo {_READY} && exec sleep infinity"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said = self._holder.stdout.readline().decode().strip() if self._holder.stdout else "no output"
        if said != _READY:
            self.close()
            raise ProgramError(f"no network namespace can be made: {said}")
        self.pid = self._holder.pid

    def command(self, argv: Sequence[str]) -> list[str]:
        return [*_TIED, "nsenter", f"--net=/proc/{self.pid}/ns/net", *argv]

    def configure(self, tool: str, lines: Sequence[str]) -> None:
        """Run lines of `ip` or `tc`."""
        done = subprocess.run(
            self.command([tool, "-batch", "-"]), input="\n".join(lines), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise ProgramError(f"{tool}: {done.stderr.strip()}")

    def close(self) -> None:
        self._holder.kill()
        self._holder.communicate()


class Host:
    """One machine of the emulated network."""

    def __init__(self, address: str, namespace: _Namespace, switch: _Namespace, port: str, zone: int) -> None:
        self.address = address
        """Its IP address, which the other hosts reach."""
        self.zone = zone
        self._namespace = namespace
        self._switch = switch
        self._port = port

    def command(self, argv: Sequence[str]) -> list[str]:
        """Return the command that runs argv on this host. It is killed when the thread that started it ends."""
        return self._namespace.command(argv)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let this thread, and all programs that it starts meanwhile, be on this host (setns(2))."""
        with Path("/proc/thread-self/ns/net").open("rb") as before:
            with Path(f"/proc/{self._namespace.pid}/ns/net").open("rb") as namespace:
                _enter(namespace)
            try:
                yield
            finally:
                _enter(before)

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """Cut it off from all other hosts while the context lasts."""
        self._switch.configure("ip", [f"link set {self._port} down"])
        try:
            yield
        finally:
            self._switch.configure("ip", [f"link set {self._port} up"])

    def know(self, hosts: Sequence["Host"]) -> None:
        """Have the hardware addresses of these for good: such entries take no place in the kernel's table."""
        others = [host.address for host in hosts if host is not self]
        self._namespace.configure(
            "ip", [f"neighbour add {it} lladdr {_hardware(it)} dev eth0 nud permanent" for it in others]
        )

    def shape(self, rate_mbit: float) -> None:
        """Give its link rate_mbit Mbit/s each way from now on."""
        self._switch.configure("tc", [_shaped(self._port, rate_mbit)])
        self._namespace.configure("tc", [_shaped("eth0", rate_mbit)])

    def move(self, bridge: str) -> None:
        """Plug it into another bridge."""
        self._switch.configure("ip", [f"link set {self._port} master {bridge}"])

    def traffic(self) -> Traffic:
        """Return what has crossed its link."""
        # proc_pid_net(5): received bytes are the first field behind the name, sent bytes the ninth
        for line in Path(f"/proc/{self._namespace.pid}/net/dev").read_text().splitlines():
            name, _, fields = line.partition(":")
            if name.strip() == "eth0":
                numbers = fields.split()
                return Traffic(int(numbers[0]), int(numbers[8]))
        raise ProgramError(f"{self.address} has no link")


def _shaped(device: str, rate_mbit: float) -> str:
    return f"qdisc replace dev {device} root tbf rate {rate_mbit}mbit burst {_BURST} latency {_LATENCY}"


def _hardware(address: str) -> str:
    """Return the hardware address of the host with this IP address, one for local use (RFC 7042, section 2.1)."""
    return ":".join(f"{byte:02x}" for byte in (2, 0, *ip_address(address).packed))


def _enter(namespace: IO[bytes]) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(namespace.fileno(), _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Hosts:
    """Hosts on a switch, or one switch a zone, there while the context lasts."""

    def __init__(self, count: int, *, rate_mbit: float | None = None) -> None:
        """Give each host a link of rate_mbit Mbit/s each way, or one without a limit."""
        self._links: Sequence[Link] = (Link(rate_mbit),) * count
        self._between_zones: float | None = None
        self._running = ExitStack()
        self._islands = 0
        self.hosts: list[Host] = []

    @classmethod
    def of(cls, links: Sequence[Link], *, between_zones: float | None = None) -> Self:
        """Return hosts with these links, in zones that each have so many Mbit/s each way to the others."""
        hosts = cls(0)
        hosts._links = links
        hosts._between_zones = between_zones
        return hosts

    def __enter__(self) -> Self:
        with self._running:
            self._switch = self._namespace()
            self._switch.configure("ip", ["link add core type bridge", "link set core up"])
            for zone in sorted({link.zone for link in self._links}):
                self._add_zone(zone)
            for address, link in zip(_NETWORK.hosts(), self._links, strict=False):
                self.hosts.append(self._connect(link, str(address)))
            for host in self.hosts:
                host.know(self.hosts)
            self._running = self._running.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    @contextmanager
    def parted(self, hosts: Sequence[Host]) -> Iterator[None]:
        """Keep these hosts and all others from reaching each other while the context lasts. Each zone is parted for itself."""
        self._islands += 1
        islands = {host.zone: f"isle{self._islands}-{host.zone}" for host in hosts}
        for island in islands.values():
            self._switch.configure("ip", [f"link add {island} type bridge", f"link set {island} up"])
        try:
            for host in hosts:
                host.move(islands[host.zone])
            yield
        finally:
            for host in hosts:
                host.move(f"zone{host.zone}")
            for island in islands.values():
                self._switch.configure("ip", [f"link delete {island}"])

    def _namespace(self) -> _Namespace:
        namespace = _Namespace()
        self._running.callback(namespace.close)
        return namespace

    def _add_zone(self, zone: int) -> None:
        """Make the switch of a zone, and its link to the others'."""
        self._switch.configure(
            "ip",
            [
                f"link add zone{zone} type bridge",
                f"link add up{zone} type veth peer name down{zone}",
                f"link set up{zone} master zone{zone}",
                f"link set down{zone} master core",
                *(f"link set {device}{zone} up" for device in ("zone", "up", "down")),
            ],
        )
        if self._between_zones is not None:
            ends = (f"up{zone}", f"down{zone}")
            self._switch.configure("tc", [_shaped(end, self._between_zones) for end in ends])

    def _connect(self, link: Link, address: str) -> Host:
        namespace, port = self._namespace(), f"port{len(self.hosts)}"
        self._switch.configure(
            "ip",
            [
                f"link add {port} type veth peer name eth0 address {_hardware(address)} netns {namespace.pid}",
                f"link set {port} master zone{link.zone}",
                f"link set {port} up",
            ],
        )
        namespace.configure(
            "ip", ["link set lo up", f"address add {address}/{_NETWORK.prefixlen} dev eth0", "link set eth0 up"]
        )
        host = Host(address, namespace, self._switch, port, link.zone)
        if link.rate_mbit is not None:
            host.shape(link.rate_mbit)
        return host
