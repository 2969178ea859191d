"""The least time in which nodes that begin at once can all have an image: D*, of a fluid that can be cut as finely as one likes.

Kumar and Ross, "Peer-assisted file distribution: the minimum distribution time" (IEEE HOTWEB 2006): F bytes from sources that
send u_s to N nodes, which receive d_i and send u_i, take at least

    D* = max(F / u_s,  F / min d_i,  N F / (u_s + sum u_i))

since every byte has to leave the sources, the slowest node has to receive every byte, and all that is received has to be sent.
Zones add one more: what nobody in a zone has must come in over the zone's link.
"""

from collections.abc import Collection

from netsim.scenarios.network import BYTES_PER_MBIT, Network


def minimum_time(size: int, network: Network, *, sources: Collection[int], nodes: Collection[int]) -> float:
    """Return D* in seconds, for size bytes from these nodes, and from the registry if there are none, to the others."""
    up = sum(network.hosts[source].rate for source in sources) if sources else (network.registry or 0.0)
    if not up:
        raise ValueError("there is nobody to get it from")
    wanting = [network.hosts[node] for node in nodes if node not in sources]
    slowest = min((host.rate for host in wanting), default=float("inf"))
    together = (up + sum(host.rate for host in wanting)) / max(len(wanting), 1)
    rates = [up, slowest, together]
    if network.between_zones is not None:
        zones_of_sources = {network.hosts[source].zone for source in sources} or {0}
        if {host.zone for host in wanting} - zones_of_sources:
            rates.append(network.between_zones)
    return size / (min(rates) * BYTES_PER_MBIT)
