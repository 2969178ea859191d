"""One class a lie: what a member of the cluster does that is broken, or taken over.

`tell` makes a node lie about a content that an honest node has; `told` counts how often it did so when it was asked.
"""

from p2player.dht.wire import Address, Neighbour, Reply
from p2player.peer.evidence import seal_piece
from p2player.store.merkle import piece_length
from p2player.swarm.metainfo import Metainfo
from tests.faults import doors


class Lie:
    def __init__(self):
        self._told = 0
        self._doors = []

    @property
    def told(self):
        return self._told + sum(door.told for door in self._doors)

    async def tell(self, node, content):
        raise NotImplementedError

    async def end(self):
        for door in self._doors:
            await door.close()

    async def _announce(self, node, content, *, root=None):
        """Let node say that it has all of a content."""
        await node.dht.announce(content.digest, len(content.data), root or content.root, complete=True)

    async def _open(self, node, door, which):
        """Let node name another port of its own in the records it signs."""
        self._doors.append(door)
        setattr(node.dht, which, await door.open(node.dht._address().host))


class WrongRoot(Lie):
    """It announces the hash tree of other bytes, and gives those."""

    async def tell(self, node, content):
        false = content.changed(len(content.data) // 2)
        path = node.config.data_dir / f"lie-{content.digest.short}"
        path.write_bytes(false.data)
        node.swarms.seed(
            Metainfo(content.digest, len(false.data), false.root, node.holdings._realms()[0]), path, false.piece_layer
        )
        await self._announce(node, content, root=false.root)


class CorruptPieces(Lie):
    """It gives wrong pieces of the right tree, and signs them when asked."""

    async def tell(self, node, content):
        spoilt = bytearray(content.data)
        length = piece_length(len(spoilt))
        for at in range(0, len(spoilt), length):
            spoilt[at] ^= 1
        path = node.config.data_dir / f"spoilt-{content.digest.short}"
        path.write_bytes(spoilt)
        # It must not notice, nor stop.
        node.swarms._session.apply_settings({"disable_hash_checks": True})
        metainfo = Metainfo(content.digest, len(spoilt), content.root, node.holdings._realms()[0])
        node.swarms.seed(metainfo, path, content.piece_layer)
        node.witness.piece = self._shower(node, bytes(spoilt), length)
        await self._announce(node, content)

    def _shower(self, node, spoilt, length):
        async def piece(digest, index):
            self._told += 1
            return seal_piece(node.identity, digest, index, spoilt[index * length : (index + 1) * length])

        return piece


class CorruptPiecesDenied(CorruptPieces):
    """It gives wrong pieces of the right tree, and keeps silent when asked, as a node with a bad disk does."""

    def _shower(self, node, spoilt, length):
        async def piece(digest, index):
            self._told += 1

        return piece


class AtSwarm(Lie):
    """It says it has all pieces, and answers in a way of its own when asked for one."""

    def __init__(self, on_block, door=doors.SwarmDoor):
        super().__init__()
        self._on_block = on_block
        self._door = door

    async def tell(self, node, content):
        await self._open(node, self._door(content, self._on_block), "_swarm_port")
        await self._announce(node, content)


class AtInterface(AtSwarm):
    """It says it has a small blob, and answers in a way of its own when asked for it."""

    def __init__(self, body):
        super().__init__(None)
        self._body = body

    async def tell(self, node, content):
        await self._open(node, doors.HttpDoor(self._body(content.data)), "_cluster_port")
        await self._announce(node, content)


class OtherManifest(Lie):
    """It gives, and signs, another manifest than the one it announces."""

    async def tell(self, node, content):
        other = content.data[:-1] + b" "

        def small(digest):
            self._told += 1
            return other

        node.holdings.small = small
        await self._announce(node, content)


class Absent(Lie):
    """It announces what it does not have."""

    async def tell(self, node, content):
        await self._announce(node, content)


class SelfishDht(Lie):
    """Whatever it is asked, it has nothing, and names itself only: as everybody who could be near to what is looked for."""

    async def tell(self, node, content):
        def answer(request, asker, seen, now_ms):
            self._told += 1
            own = node.dht._address()
            address = Address(own.host, own.cluster_port)
            near = [request.key[:-1] + bytes([number]) for number in range(7)] if hasattr(request, "key") else []
            return Reply(seen, tuple(Neighbour(one, address) for one in (node.identity.node_id.raw, *near)))

        node.dht._responder.answer = answer
