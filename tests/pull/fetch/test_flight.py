import asyncio
from dataclasses import replace

import pytest

from p2player.errors import TransferStalled
from p2player.pull.fetch.flight import _Doubted
from p2player.pull.fetch.pace import GIVE_UP, NO_START
from p2player.pull.fetch.search import LIKELY_ENOUGH
from p2player.swarm.memory import MemoryTransfer
from tests.pull.fetch.flying import fly


@pytest.mark.usefixtures("either_way")
async def test_a_blob_lands_in_the_store_is_seeded_on_and_announced_as_complete(cluster, make_blob):
    seed, node, third = cluster.add(), cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    assert await node.read(blob.digest) == blob.data
    await asyncio.sleep(1)
    assert node.store.get(blob.digest).size == len(blob.data)
    assert blob.metainfo.infohash in node.swarms.served
    (record,) = [found for found in await third.discovery.find(blob.digest) if found.node_id == node.identity.node_id]
    assert record.complete
    assert node.counters.bytes["peer"] == len(blob.data)
    assert node.staged() == []
    with cluster.holding_back(seed):
        assert await third.read(blob.digest) == blob.data


async def test_a_claim_nobody_serves_is_dropped_for_one_that_somebody_does(cluster, make_blob):
    ghosts, honest, node = [cluster.add(), cluster.add()], cluster.add(), cluster.add()
    blob = make_blob()
    for ghost in ghosts:
        await ghost.discovery.announce(blob.digest, len(blob.data), b"g" * 32, complete=True)
    await honest.add(blob.data)
    before = asyncio.get_running_loop().time()
    await fly(node, blob.digest, await node.parts.search.look(blob.digest, LIKELY_ENOUGH))
    assert asyncio.get_running_loop().time() - before < NO_START + 1
    assert node.staged() == []
    assert len(node.swarms.served) == 1
    assert node.store.bans() == {ghost.identity.node_id.raw for ghost in ghosts}, "the blob has another root"


@pytest.mark.usefixtures("either_way")
async def test_a_stalled_peer_is_replaced_by_one_that_turns_up_later(cluster, make_blob):
    stalled, late, node = cluster.add(), cluster.add(), cluster.add()
    blob = make_blob()
    await stalled.add(blob.data)
    with cluster.holding_back(stalled, 5):
        fetching = asyncio.gather(node.read(blob.digest))
        await asyncio.sleep(2)
        assert not fetching.done()
        await late.add(blob.data)
        before = asyncio.get_running_loop().time()
        assert await fetching == [blob.data]
        assert asyncio.get_running_loop().time() - before < 3, "seconds, not minutes"


@pytest.mark.usefixtures("either_way")
async def test_a_stall_that_nobody_mends_ends_in_an_error(cluster, make_blob):
    stalled, node = cluster.add(), cluster.add()
    blob = make_blob()
    await stalled.add(blob.data)
    with cluster.holding_back(stalled, 5):
        before = asyncio.get_running_loop().time()
        with pytest.raises(TransferStalled, match="1 node") as caught:
            await fly(node, blob.digest, [blob.claim(stalled)])
        assert GIVE_UP <= asyncio.get_running_loop().time() - before < GIVE_UP + 2
    assert "p2player why" in caught.value.hint
    assert node.staged() == []
    assert node.swarms.served == frozenset()
    assert [found.node_id for found in await stalled.discovery.find(blob.digest)] == []


@pytest.mark.usefixtures("by_swarm")  # of a stream it is its course that tells whether anything comes
@pytest.mark.parametrize(("trickle", "is_given_up"), [(100, True), (64 * 1024, False)])
async def test_who_sends_a_few_bytes_now_and_then_counts_as_one_who_sends_none(
    cluster, make_blob, monkeypatch, trickle, is_given_up
):
    slow, node = cluster.add(), cluster.add()
    blob = make_blob()
    await slow.add(blob.data)
    progress, loop = MemoryTransfer.progress, asyncio.get_running_loop()
    began = loop.time()

    def trickling(self):
        return replace(progress(self), received=int((loop.time() - began) * trickle))

    monkeypatch.setattr(MemoryTransfer, "progress", trickling)
    with cluster.holding_back(slow):
        fetching = asyncio.gather(fly(node, blob.digest, [blob.claim(slow)]), return_exceptions=True)
        await asyncio.sleep(GIVE_UP if is_given_up else 2 * GIVE_UP)
        await asyncio.sleep(2)
        assert fetching.done() == is_given_up
    (outcome,) = await fetching
    assert isinstance(outcome, TransferStalled) == is_given_up


@pytest.mark.usefixtures("either_way")
async def test_a_holder_that_answers_and_is_not_at_its_first_byte_yet_is_waited_for(cluster, make_blob):
    busy, node = cluster.add(), cluster.add()
    blob = make_blob()
    await busy.add(blob.data)
    with cluster.holding_back(busy):
        fetching = asyncio.gather(fly(node, blob.digest, [blob.claim(busy)]))
        await asyncio.sleep(GIVE_UP - 1)
    assert [blob.size for blob in await fetching] == [len(blob.data)]


@pytest.mark.usefixtures("either_way")
async def test_a_holder_that_does_not_answer_is_not_waited_for_as_long(cluster, make_blob):
    gone, node = cluster.add(), cluster.add()
    blob = make_blob()
    before = asyncio.get_running_loop().time()
    with pytest.raises(TransferStalled):
        await fly(node, blob.digest, [blob.claim(gone)])
    assert NO_START <= asyncio.get_running_loop().time() - before < NO_START + 2


@pytest.mark.usefixtures("by_swarm")  # what is streamed is given up by its course, which has ended by then
async def test_to_keep_a_blob_may_take_longer_than_a_stall(cluster, make_blob, monkeypatch):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    complete = MemoryTransfer.complete

    async def complete_slowly(transfer):
        await asyncio.sleep(3 * GIVE_UP)
        return await complete(transfer)

    monkeypatch.setattr(MemoryTransfer, "complete", complete_slowly)
    assert (await fly(node, blob.digest, [blob.claim(seed)])).size == len(blob.data)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(("part", "step"), [("store", "adopt"), ("trust", "settle")])
async def test_a_failure_of_ours_ends_the_fetch_at_once_and_is_not_dressed_up(
    cluster, make_blob, monkeypatch, part, step
):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)

    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(getattr(node, part), step, broken)
    with pytest.raises(ZeroDivisionError):
        await fly(node, blob.digest, [blob.claim(seed)])
    assert asyncio.get_running_loop().time() < 1
    assert node.staged() == []


async def test_a_doubt_about_an_attempt_that_is_over_is_no_doubt_about_the_next(cluster, make_blob):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()
    await seed.add(blob.data)
    with node.flights.join(blob.lead(seed)) as flight:
        await flight.attempt()
        assert flight._react(_Doubted(object())) == []
        await flight.landed()
    assert not any("not what the registry has" in what for what in node.history(blob.digest))


@pytest.mark.usefixtures("either_way")
async def test_a_broken_discovery_ends_the_fetch_instead_of_leaving_it_waiting(cluster, make_blob, monkeypatch):
    seed, node = cluster.add(), cluster.add()
    blob = make_blob()

    async def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(node.discovery, "find", broken)
    with pytest.raises(ZeroDivisionError):
        await fly(node, blob.digest, [blob.claim(seed)])


async def test_the_journal_tells_the_story(cluster, make_blob):
    liar, honest, node = cluster.add(), cluster.add(), cluster.add()
    blob = make_blob()
    await liar.lie(blob.digest, make_blob(seed=2).data)
    await honest.add(blob.data)
    await fly(node, blob.digest, await node.parts.search.look(blob.digest, LIKELY_ENOUGH))
    story = "\n".join(node.history(blob.digest))
    for part in ("claims differ", "fetching", f"banned {liar.identity.node_id.short}", "landed"):
        assert part in story
