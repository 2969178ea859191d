"""Checks of the node itself: is it reached, whom does it reach, and has it what it needs."""

import asyncio
import datetime as dt
import shutil
import statistics
from collections.abc import Sequence
from typing import Final

from p2player.config import HostPort
from p2player.control.messages import Certificates, Greeting, Status
from p2player.dht.records import MAX_SKEW_MS
from p2player.doctor.finding import Finding
from p2player.peer.tls import WARN_SECONDS
from p2player.runtime.setup.target import reached
from p2player.store.store import DEFAULT_RESERVE

_TIMEOUT: Final = 5.0
_SCARCE: Final = 4 * DEFAULT_RESERVE
_NOTABLE_SKEW: Final = 30.0  # seconds
_MAX_SKEW: Final = MAX_SKEW_MS / 1000


async def ports_finding(status: Status) -> Finding:
    """Tell whether the ports for other nodes take connections, as seen from here."""
    addresses = [reached(HostPort.parse(address)) for address in (status.cluster, status.swarm)]
    closed = [str(address) for address in addresses if not await _connects(address)]
    if closed:
        fix = "restart the daemon, and see whether a firewall stands between"
        return Finding("ports", "fail", f"{' and '.join(closed)} cannot be connected to", fix)
    return Finding("ports", "ok", f"other nodes are listened for at {status.cluster} and {status.swarm}")


def cluster_finding(status: Status) -> Finding:
    """Tell whether the node has company, and whom it lets in."""
    if HostPort.parse(status.cluster).is_loopback:
        fix = (
            f"to share with other machines, give it an address that they reach in place of --cluster {status.cluster}"
            if status.secret
            else "to share with other machines, start every node with the same --secret-file"
        )
        return Finding("cluster", "warn", "the node keeps to this machine", fix)
    if not status.secret:
        return Finding("cluster", "warn", "everybody may join the cluster", "give every node the same --secret-file")
    if not status.peers:
        fix = "start it with --join HOST:PORT of another node; both need the same secret, and UDP and TCP between them"
        return Finding("cluster", "warn", "the node knows no other", fix)
    return Finding("cluster", "ok", f"{status.peers} other node(s) known, all with the secret")


def disk_finding(status: Status) -> Finding:
    """Tell whether there is room for images."""
    free = shutil.disk_usage(status.data_dir).free
    message = f"{free / 1e9:.1f} GB free for {status.data_dir}"
    if free >= _SCARCE:
        return Finding("disk", "ok", message)
    fix = "remove images with `p2player rm`, or put the data directory on a larger disk"
    return Finding("disk", "fail" if free < DEFAULT_RESERVE else "warn", message, fix)


def peers_finding(greetings: Sequence[Greeting]) -> Finding:
    """Tell whether other nodes answer the daemon, and whether their clocks agree with this one."""
    if not greetings:
        return Finding("peers", "skip", "there are none to ask")
    heard = [greeting.skew for greeting in greetings if greeting.skew is not None]
    silent = [greeting.problem for greeting in greetings if greeting.skew is None]
    if not heard:
        fix = "let TCP through between the nodes on their cluster port and the next one"
        return Finding("peers", "fail", "; ".join(silent), fix)
    skew = statistics.median(heard)
    if abs(skew) > _NOTABLE_SKEW:
        direction = "ahead of" if skew > 0 else "behind"
        message = f"this clock is {abs(skew):.0f} s {direction} those of other nodes"
        return Finding(
            "peers", "fail" if abs(skew) > _MAX_SKEW else "warn", message, "set the clocks right, by NTP for instance"
        )
    if silent:
        return Finding("peers", "warn", "; ".join(silent), "are they running?")
    return Finding("peers", "ok", f"{len(heard)} asked, and their clocks agree")


def certificate_finding(certificates: Certificates, now: float) -> Finding | None:
    """Tell whether the node's certificate is good for long enough, or None if it has none that ends."""
    if certificates.expires is None:
        return None
    left = certificates.expires - now
    when = f"{dt.datetime.fromtimestamp(certificates.expires, dt.UTC):%Y-%m-%d}"
    fix = "make one with `p2player ca issue`, and put it where the old one is; the daemon reads it by itself"
    if left <= 0:
        return Finding("certificate", "fail", f"it has ended at {when}, and other nodes refuse it", fix)
    if left < WARN_SECONDS:
        return Finding("certificate", "warn", f"it ends at {when}, in {left / 86400:.0f} days", fix)
    return Finding("certificate", "ok", f"good until {when}")


async def _connects(address: HostPort) -> bool:
    try:
        async with asyncio.timeout(_TIMEOUT):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
