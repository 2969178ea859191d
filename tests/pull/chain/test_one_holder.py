"""What one node alone has: a chain from the first byte on, since in a swarm all would ask that node for the same pieces."""

import asyncio
import re

import pytest

from p2player.errors import PeerUnreachable, TransferStalled
from p2player.oci.digest import Digest
from p2player.oci.reference import Repository
from p2player.peer.evidence import seal_evidence, seal_piece
from p2player.peer.identity import NodeId
from p2player.pull.chain.sources import OtherSize
from p2player.pull.fetch.holders import Claim, Holder
from p2player.pull.fetch.hunt import Begin, Drop, Hunt, Stream
from p2player.pull.fetch.pace import GIVE_UP
from p2player.pull.fetch.streams import FAST
from p2player.store import states
from p2player.swarm.metainfo import Metainfo
from p2player.upstream.settings import UpstreamSettings
from tests.evidence import evidence_of, pieces_of

APP = Repository.of("registry.test", "team/app")
DIGEST = Digest.of(b"a layer")
SIZE = 400_000_000
LAYER = Metainfo(DIGEST, SIZE, b"t" * 32)


def holder(number, *, complete=True, http=True):
    address = f"10.0.0.{number}"
    return Holder((address, 7401), complete, NodeId(bytes([number]) * 20), (address, 7400) if http else None)


def found(*holders, metainfo=LAYER):
    hunt = Hunt(DIGEST, frozenset(), 0.0)
    return hunt, hunt.found([Claim(metainfo, holders)], 0.0)


def test_it_is_streamed():
    assert found(holder(1))[1] == [Stream(alone=False, size=SIZE)]


def test_who_is_fetching_it_by_a_swarm_changes_nothing():
    assert found(holder(1), holder(2, complete=False))[1] == [Stream(alone=False, size=SIZE)]


@pytest.mark.parametrize(
    "holders",
    [
        pytest.param((holder(1), holder(2)), id="two have it"),
        pytest.param((holder(1, http=False),), id="a foreign client has it"),
        pytest.param((holder(1, complete=False),), id="nobody has all of it"),
    ],
)
def test_what_cannot_be_followed_or_has_more_than_one_uplink_goes_by_a_swarm(holders):
    assert found(*holders)[1] == [Begin(Claim(LAYER, holders))]


def test_what_is_small_is_asked_for():
    small = Metainfo(DIGEST, 1000, b"t" * 32)
    assert found(holder(1), metainfo=small)[1] == [Begin(Claim(small, (holder(1),)))]


def test_it_goes_by_a_swarm_once_it_cannot_be_streamed():
    hunt, _ = found(holder(1))
    assert hunt.failed(PeerUnreachable("gone"), 1.0) == [Begin(Claim(LAYER, (holder(1),)))]


@pytest.mark.parametrize(("known_size", "is_news"), [(None, True), (SIZE, False)])
def test_where_the_registry_says_another_size_it_is_asked_for_that_and_the_one_node_comes_last(known_size, is_news):
    hunt = Hunt(DIGEST, frozenset(), 0.0, has_origin=True, known_size=known_size)
    assert hunt.found([Claim(LAYER, (holder(1),))], 0.0) == [Stream(alone=False, size=SIZE)]
    other = OtherSize("it has another", SIZE + 1)
    if is_news:
        assert hunt.failed(other, 1.0) == [Stream(alone=False)]
    assert hunt.failed(other, 2.0) == [Begin(Claim(LAYER, (holder(1),)))], "it may say another one each time"


def test_a_fast_stream_that_nobody_else_has_a_part_in_becomes_a_swarm():
    hunt, _ = found(holder(1))
    assert hunt.streamed(FAST // 4, 0.25, is_alone=True) == [Drop(), Begin(Claim(LAYER, (holder(1),)))]
    assert hunt.streamed(FAST, 0.5, is_alone=True) == [], "only once"


@pytest.mark.parametrize(
    ("done", "now", "is_alone"),
    [
        pytest.param(FAST // 4, 0.25, False, id="others follow"),
        pytest.param(FAST // 4, 0.5, True, id="the link is what limits it"),
        pytest.param(SIZE // 8 + 1, 0.3, True, id="too much of it has come"),
    ],
)
def test_it_stays_a_stream(done, now, is_alone):
    hunt, _ = found(holder(1))
    assert hunt.streamed(done, now, is_alone=is_alone) == []


async def test_a_crowd_takes_one_copy_from_it_in_about_the_time_of_one(cluster, make_blob):
    blob = make_blob(8_000_000)
    seed, *nodes = [cluster.add() for _ in range(17)]
    await seed.add(blob.data)
    for node in cluster.nodes:
        cluster.peers.rates[node.host] = 1_000_000
    began = asyncio.get_running_loop().time()
    assert await asyncio.gather(*(node.read(blob.digest) for node in nodes)) == [blob.data] * 16
    # Two copies from the one that has it would take sixteen seconds.
    assert asyncio.get_running_loop().time() - began < 8.0 * 1.1


class Liar:
    """Signs, when it is asked, that a digest is that of other data."""

    def __init__(self, identity, data):
        self._identity = identity
        self._data = data

    async def evidence(self, digest):
        return seal_evidence(self._identity, evidence_of(self._data, digest))

    async def piece(self, digest, index):
        return seal_piece(self._identity, digest, index, pieces_of(self._data)[index])


@pytest.mark.parametrize("found_out", ["by what it signs", "by what it sends"])
async def test_after_a_lie_about_its_size_it_is_streamed_with_the_size_that_its_holder_says(
    cluster, make_blob, monkeypatch, found_out
):
    monkeypatch.setattr(states, "usable", lambda: found_out == "by what it signs")
    liars, honest, node = [cluster.add(), cluster.add()], cluster.add(), cluster.add()
    blob, lie = make_blob(seed=1), make_blob(1_100_000, seed=2)
    for liar in liars:
        await liar.lie(blob.digest, lie.data)
        liar.witness = Liar(liar.identity, lie.data)
    await honest.add(blob.data)
    opened = await node.images.blob(blob.digest)
    assert opened.size == len(lie.data), "as the likelier claim has it"
    with opened.join() as flight:
        assert (await flight.landed()).size == flight.size == len(blob.data)
    story = node.history(blob.digest)
    assert f"following {honest.identity.node_id.short} from byte 0 on" in story
    assert not any(what.startswith(f"fetching {len(blob.data)} bytes") for what in story), "by a swarm"
    assert node.store.bans() == {liar.identity.node_id.raw for liar in liars}


async def test_what_only_the_registry_has_after_all_is_streamed_with_the_size_that_the_registry_says(
    cluster, make_blob
):
    cluster.settings = [UpstreamSettings(APP.registry, ("https://registry.test",))]
    ghosts, node = [cluster.add(), cluster.add()], cluster.add()
    blob = make_blob()
    cluster.registry.put(APP, blob.data)
    for ghost in ghosts:
        await ghost.discovery.announce(blob.digest, 1_100_000, b"g" * 32, complete=True)
    opened = await node.images.blob(blob.digest, APP)
    with opened.join() as flight:
        assert (await flight.landed()).size == flight.size == len(blob.data)
    assert cluster.registry.opened[blob.digest] == 1


RATE = 1_000_000
"""Bytes a second that each node sends to one that follows it."""
LARGE = 8 * RATE


@pytest.fixture
def blob(make_blob):
    return make_blob(LARGE)


@pytest.fixture
async def seed(cluster, blob):
    """The one node that has the blob."""
    node = add(cluster)
    await node.add(blob.data)
    return node


@pytest.fixture
def registry(cluster, blob):
    """A registry that has it too."""
    cluster.settings = [UpstreamSettings(APP.registry, ("https://registry.test",))]
    cluster.registry.rate = RATE
    cluster.registry.put(APP, blob.data)
    return cluster.registry


def add(cluster):
    cluster.peers.latency = 0.001
    node = cluster.add()
    cluster.peers.rates[node.host] = RATE
    return node


def die(cluster, node, blob):
    """Let nobody reach a node any more."""
    cluster.peers.dead.add(node.host)
    node.swarms.stop_seeding(blob.metainfo)


def read(node, blob):
    """Read the blob in the background, from its registry if there is one. The result is the seconds it took."""

    async def read():
        began = asyncio.get_running_loop().time()
        opened = await node.images.blob(blob.digest, APP)
        assert b"".join([chunk async for chunk in opened.read(0, opened.size)]) == blob.data
        return asyncio.get_running_loop().time() - began

    return asyncio.gather(read())


def followed(node, blob):
    """Return whom a node has followed, one after another, and from which byte on."""
    told = (re.fullmatch(r"following (\w+) from byte (\d+) on", what) for what in node.history(blob.digest))
    return [(each[1], int(each[2])) for each in told if each]


async def chain_behind(cluster, blob, count):
    """Return nodes that have begun one after the other, and their reading."""
    nodes = [add(cluster) for _ in range(count)]
    reading = []
    for node in nodes:
        reading.append(read(node, blob))
        await asyncio.sleep(1)
    return nodes, reading


async def test_who_comes_with_nothing_is_sent_to_who_came_last(cluster, seed, blob):
    nodes, reading = await chain_behind(cluster, blob, 4)
    names = [node.identity.node_id.short for node in (seed, *nodes)]
    assert [followed(node, blob)[-1] for node in nodes] == [(name, 0) for name in names[:-1]]
    asked = [name for name, _ in followed(nodes[-1], blob)]
    assert asked == [names[0], names[-2]], "and asks nobody on the way"
    assert max(await asyncio.gather(*reading))[0] < LARGE / RATE + 1


@pytest.mark.parametrize("is_gone", [True, False])
async def test_who_has_lost_its_source_insists_on_the_one_that_has_it_and_is_followed_on(cluster, seed, blob, is_gone):
    nodes, reading = await chain_behind(cluster, blob, 3)
    first, second, third = nodes
    if is_gone:
        cluster.peers.dead.add(first.host)  # it still takes the blob, so the seed has its follower
    await asyncio.sleep(1)
    followers = seed.followers.standing(blob.digest, seed.relays.relay(blob.digest)).followers
    assert followers == (2 if is_gone else 1)
    assert max(await asyncio.gather(*reading))[0] < LARGE / RATE + 1
    name, start = followed(second, blob)[-1]
    assert (name == seed.identity.node_id.short and start > 0) == is_gone
    assert followed(third, blob)[-1] == (second.identity.node_id.short, 0)


async def lose(cluster, seed, blob):
    """Let the seed die while one node has half of the blob and another, that follows it, a quarter."""
    ahead, behind = nodes = [add(cluster), add(cluster)]
    cluster.peers.rates[ahead.host] = RATE / 2
    reading = [read(node, blob) for node in nodes]
    await asyncio.sleep(LARGE / RATE / 2)
    assert followed(behind, blob)[-1] == (ahead.identity.node_id.short, 0)
    assert behind.flights.get(blob.digest).done < 0.6 * ahead.flights.get(blob.digest).done
    die(cluster, seed, blob)
    return nodes, reading


async def test_when_it_is_lost_who_is_ahead_goes_to_the_registry_and_serves_who_is_behind(
    cluster, seed, registry, blob
):
    (ahead, behind), reading = await lose(cluster, seed, blob)
    cluster.peers.rates[ahead.host] = RATE
    assert max(await asyncio.gather(*reading))[0] < LARGE / RATE * 1.5
    assert registry.sent[blob.digest] == pytest.approx(LARGE / 2, rel=0.05), "the half that was not here"
    assert followed(behind, blob)[-1] == (ahead.identity.node_id.short, 0), "and it is not left"
    assert behind.counters.bytes["upstream"] < LARGE / 100, "but for what it compares"


async def test_when_it_is_lost_and_there_is_no_registry_who_is_behind_gets_what_is_there_and_both_fail(
    cluster, seed, blob
):
    (ahead, behind), reading = await lose(cluster, seed, blob)
    await asyncio.sleep(LARGE / RATE / 2)
    assert behind.flights.get(blob.digest).done == ahead.flights.get(blob.digest).done > LARGE * 0.4
    began = asyncio.get_running_loop().time()
    assert {type(error) for error in await asyncio.gather(*reading, return_exceptions=True)} == {TransferStalled}
    assert asyncio.get_running_loop().time() - began < GIVE_UP + 10, "as long as each of them seems to have some of it"
    for node in (ahead, behind):
        assert node.staged() == []
        assert node.store.bans() == frozenset()


@pytest.mark.parametrize("has_registry", [True, False])
async def test_when_it_is_banned_meanwhile_nothing_more_is_taken_from_it(cluster, seed, blob, request, has_registry):
    if has_registry:
        request.getfixturevalue("registry")
    node = add(cluster)
    reading = read(node, blob)
    await asyncio.sleep(LARGE / RATE / 2)
    node.store.ban(seed.identity.node_id.raw, "lied elsewhere")
    before = node.flights.get(blob.digest).done
    (outcome,) = await asyncio.gather(reading, return_exceptions=True)
    if has_registry:
        assert outcome[0] < LARGE / RATE + 1
        assert cluster.registry.sent[blob.digest] == pytest.approx(LARGE - before, abs=200_000)
    else:
        assert isinstance(outcome, TransferStalled)
        story = node.history(blob.digest)
        assert not any(what.startswith("fetching") for what in story), "nor by a swarm"
    assert len(followed(node, blob)) == 1
