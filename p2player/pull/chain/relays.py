"""What this node passes on to nodes that follow it: blobs that it is still fetching from front to back, and whole ones."""

from collections.abc import Iterator
from contextlib import contextmanager

from p2player.oci.digest import Digest
from p2player.peer.identity import Identity
from p2player.peer.relay import Relay
from p2player.peer.segments import new_run
from p2player.pull.chain.growing import Growing
from p2player.pull.chain.incoming import Front, Incoming
from p2player.pull.chain.whole import WholeRelay
from p2player.pull.held.holdings import Holdings
from p2player.store.store import Store


class Relays:
    """The blobs that can be followed here, by digest."""

    def __init__(self, store: Store, holdings: Holdings, identity: Identity) -> None:
        self._store = store
        self._holdings = holdings
        self._identity = identity
        self._incoming: dict[Digest, Incoming] = {}
        self._run = new_run()

    def incoming(self, digest: Digest, growing: Growing, front: Front) -> Incoming:
        """Return a fetch that others can follow once it is offered."""
        return Incoming(growing, digest, self._identity, front)

    @contextmanager
    def offering(self, digest: Digest, incoming: Incoming) -> Iterator[None]:
        """Let others follow a fetch while the context lasts."""
        self._incoming[digest] = incoming
        try:
            yield
        finally:
            del self._incoming[digest]

    def relay(self, digest: Digest) -> Relay | None:
        """Return what can be followed of digest here, or None."""
        if not self._holdings.shares(digest):
            return None
        if (incoming := self._incoming.get(digest)) is not None:
            return incoming
        if (blob := self._store.get(digest)) is None:
            return None
        return WholeRelay(self._store, blob, self._identity, self._run)
