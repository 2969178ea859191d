"""Nodes that announce another hash tree than a blob has, and serve it; whole nodes in one process."""

import asyncio
import time
from dataclasses import dataclass
from statistics import median

import pytest

from p2player.node import Node
from p2player.peer.evidence import Evidence, seal_evidence, seal_piece
from p2player.store.merkle import piece_length
from p2player.store.states import states_of_file
from p2player.swarm.metainfo import Metainfo
from tests.faults.contents import Content
from tests.faults.nodes import acquainted
from tests.wrongbytes import require_same

SIZE = 8 << 20
UPLINK = 8 << 20
"""Bytes a second that a holder sends, so that to fetch a blob takes two seconds whatever else the machine does."""
LOADED = 0.5
"""Seconds that a machine with other work may add."""
SEED = 20


class FalseWitness:
    """Speaks for false content as an honest node does for its own; of `known` content it tells the end as it is."""

    def __init__(self, node, digest, false, known=None):
        self._identity = node.identity
        self._digest = digest
        self._false = false
        self._known = known
        self._path = node.config.data_dir / "lie"
        self.shown = 0

    async def evidence(self, digest):
        false, length = self._false, piece_length(len(self._false.data))
        states, _ = await asyncio.to_thread(states_of_file, self._path, length)
        if self._known is not None:
            # The last pieces are the true ones, and so are the states before them.
            path = self._path.with_name("known")
            path.write_bytes(self._known.data)
            true, _ = await asyncio.to_thread(states_of_file, path, length)
            cut = next(at for at in range(0, len(true), 32) if false.piece_layer[at:] == self._known.piece_layer[at:])
            states = states[:cut] + true[cut:]
        told = Evidence(self._digest, len(false.data), false.root, states, false.piece_layer)
        return seal_evidence(self._identity, told)

    async def piece(self, digest, index):
        self.shown += 1
        length = piece_length(len(self._false.data))
        return seal_piece(self._identity, digest, index, self._false.data[index * length : (index + 1) * length])


class Mute:
    async def evidence(self, digest):
        return None

    async def piece(self, digest, index):
        return None


@dataclass
class Cast:
    """Who plays: one honest seed, those who lie, and those who fetch."""

    seed: Node
    liars: list[Node]
    fetchers: list[Node]

    async def hold(self, content):
        with self.seed.store.begin_import() as importing:
            writer = importing.add(content.digest, len(content.data))
            writer.write(content.data)
            blob = writer.finish()
            importing.commit([])
        await self.seed.holdings.add([blob])
        limit(self.seed)

    async def lie(self, digest, false, known=None, *, mute=False):
        """Let all liars announce, seed and speak for content under a digest that is not its own."""
        for liar in self.liars:
            (liar.config.data_dir / "lie").write_bytes(false.data)
            witness = Mute() if mute else FalseWitness(liar, digest, false, known)
            liar.witness.evidence, liar.witness.piece = witness.evidence, witness.piece
            metainfo = Metainfo(digest, len(false.data), false.root, liar.holdings._realms()[0])
            liar.swarms.seed(metainfo, liar.config.data_dir / "lie", false.piece_layer)
            limit(liar)
            await liar.dht.announce(digest, len(false.data), false.root, complete=True)

    async def fetch(self, content, announcing):
        """Let all fetchers fetch at once, each after it knows of so many holders; return the seconds it took."""
        async with asyncio.timeout(60):
            for node in self.fetchers:
                while len(await node.dht.find(content.digest)) < announcing:  # noqa: ASYNC110  (other nodes' doing)
                    await asyncio.sleep(0.05)
            began = time.monotonic()
            await asyncio.gather(*(fetch(node, content) for node in self.fetchers))
            return time.monotonic() - began

    def bans(self):
        return [node.store.bans() for node in self.fetchers]

    def forgive(self):
        for node in self.fetchers:
            for ban in node.store.bans():
                node.store.unban(ban)

    def sent_by_liars(self):
        """Return how many bytes the liars have sent in swarms."""
        return sum(
            torrent.status().total_payload_upload
            for liar in self.liars
            for torrent in liar.swarms._session.get_torrents()
        )

    @property
    def liar_ids(self):
        return {liar.identity.node_id.raw for liar in self.liars}


def limit(node):
    for handle in node.swarms._handles.values():
        handle.set_upload_limit(UPLINK)


async def fetch(node, content):
    blob = await node.images.blob(content.digest)
    with blob.join() as flight:
        await flight.landed()
    require_same(node.store.path(content.digest).read_bytes(), content.data)


@pytest.fixture
async def cast(tmp_path):
    async with acquainted(tmp_path, 7) as nodes:
        yield Cast(nodes[0], nodes[1:4], nodes[4:])


@pytest.mark.parametrize("rounds", [1, pytest.param(3, marks=pytest.mark.faults)])
async def test_three_liars_against_one_honest_seed_cost_less_than_half_of_the_honest_time(cast, rounds):
    honest, lied_to = [], []
    for round_ in range(rounds):
        content = Content.random(SEED + 2 * round_, SIZE)
        await cast.hold(content)
        honest.append(await cast.fetch(content, 1))
        content = Content.random(SEED + 2 * round_ + 1, SIZE)
        await cast.hold(content)
        await cast.lie(content.digest, content.changed(SIZE // 2))
        lied_to.append(await cast.fetch(content, 4))
        assert cast.bans() == [cast.liar_ids] * len(cast.fetchers)
        cast.forgive()
    print(f"seed {SEED}: honest {honest}, lied to {lied_to}")  # noqa: T201
    assert cast.sent_by_liars() <= 4 * piece_length(SIZE)
    assert median(lied_to) <= 1.5 * median(honest) + LOADED


LIES = {
    "other bytes": lambda _: (Content.random(1, SIZE), None),
    "the end as it is": lambda content: (content.changed(0), content),
    "more bytes": lambda _: (Content.random(1, SIZE + 12345), None),
    "fewer bytes": lambda _: (Content.random(1, SIZE - 12345), None),
}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind == "the end as it is" else pytest.mark.faults) for kind in LIES]
)
async def test_liars_of_any_kind_are_banned_and_send_next_to_nothing(cast, kind):
    content = Content.random(SEED + 100, SIZE)
    await cast.hold(content)
    await cast.lie(content.digest, *LIES[kind](content))
    await cast.fetch(content, 4)
    assert cast.bans() == [cast.liar_ids] * len(cast.fetchers)
    assert cast.sent_by_liars() <= 4 * piece_length(SIZE)


async def test_liars_who_say_nothing_are_passed_over_and_banned_once_the_blob_is_here(cast):
    content = Content.random(SEED + 200, SIZE)
    await cast.hold(content)
    await cast.lie(content.digest, content.changed(5), mute=True)
    await cast.fetch(content, 4)
    assert cast.bans() == [cast.liar_ids] * len(cast.fetchers)
    assert cast.sent_by_liars() <= 4 * piece_length(SIZE)


async def test_where_nobody_lies_nobody_is_banned_though_an_honest_node_has_a_bad_disk(cast):
    content = Content.random(SEED + 300, SIZE)
    await cast.hold(content)
    for other in cast.liars:  # who are honest here
        await fetch(other, content)
    path = cast.liars[0].store.path(content.digest)
    path.chmod(0o644)
    path.write_bytes(content.changed(0).data)
    cast.fetchers[0].witness.evidence = Mute().evidence
    await cast.fetch(content, 4)
    assert cast.bans() == [frozenset()] * len(cast.fetchers)
