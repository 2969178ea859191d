"""What of a node the fetch of a blob works with."""

from dataclasses import dataclass

from p2player.counters import Counters
from p2player.dht.discovery import Discovery
from p2player.peer.client import PeerClient
from p2player.peer.identity import NodeId
from p2player.pull.access.access import Access
from p2player.pull.access.owners import Owners
from p2player.pull.chain.relays import Relays
from p2player.pull.chain.trust import Trust
from p2player.pull.fetch.search import Search
from p2player.pull.held.holdings import Holdings
from p2player.pull.held.scrub import Scrub
from p2player.pull.integrity.suspects import Suspects
from p2player.pull.journal import Journal
from p2player.store.store import Store
from p2player.swarm.port import Swarms


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a node that bring blobs in."""

    store: Store
    discovery: Discovery
    search: Search
    swarms: Swarms
    peers: PeerClient
    relays: Relays
    trust: Trust
    suspects: Suspects
    access: Access
    owners: Owners
    holdings: Holdings
    scrub: Scrub
    counters: Counters
    journal: Journal
    node_id: NodeId
