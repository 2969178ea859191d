import asyncio

import pytest

from p2player.errors import PeerUnreachable
from p2player.pull.fetch.holders import Holder
from p2player.pull.fetch.small import first_answer


@pytest.fixture
async def holders(cluster, make_blob):
    """Three nodes that hold a small blob."""
    nodes = [cluster.add() for _ in range(3)]
    for node in nodes:
        await node.add(make_blob(5000).data)
    return [node.holder() for node in nodes]


@pytest.fixture
def ask(cluster, holders, make_blob):
    """Ask the holders; returns the answering node's host, who lied, and how long it took."""

    async def run(asked=holders):
        liars = []
        before = asyncio.get_running_loop().time()
        data, holder = await first_answer(cluster.peers, asked, make_blob(5000).digest, liars.append)
        assert data == make_blob(5000).data
        return holder.http[0], [liar.http[0] for liar in liars], asyncio.get_running_loop().time() - before

    return run


async def test_one_that_answers_is_enough_and_no_other_is_asked(cluster, ask):
    assert await ask() == ("10.0.0.1", [], 0)
    assert cluster.peers.asked == ["10.0.0.1"]


async def test_a_dead_one_costs_no_time(cluster, ask):
    cluster.peers.dead.add("10.0.0.1")
    assert await ask() == ("10.0.0.2", [], 0)


async def test_a_slow_one_is_not_waited_for_but_not_given_up_either(cluster, ask):
    cluster.peers.slow = {"10.0.0.1": 0.2, "10.0.0.2": 100, "10.0.0.3": 100}
    host, _, seconds = await ask()
    assert (host, seconds) == ("10.0.0.1", pytest.approx(0.2))
    cluster.peers.slow["10.0.0.1"] = 100
    cluster.peers.slow["10.0.0.3"] = 0
    host, _, seconds = await ask()
    assert host == "10.0.0.3"
    assert seconds < 1


async def test_a_liar_is_reported_and_the_next_is_asked(cluster, ask):
    cluster.peers.lying["10.0.0.1"] = cluster.nodes[0].identity.node_id
    assert await ask() == ("10.0.0.2", ["10.0.0.1"], 0)


async def test_other_bytes_that_the_holder_has_not_signed_are_held_against_nobody(cluster, ask):
    cluster.peers.lying |= {"10.0.0.1": None, "10.0.0.2": cluster.nodes[2].identity.node_id}
    assert await ask() == ("10.0.0.3", [], 0)


async def test_when_only_other_bytes_come_that_is_said(cluster, ask):
    cluster.peers.lying = dict.fromkeys(cluster.peers.nodes)
    with pytest.raises(PeerUnreachable, match="other bytes"):
        await ask()


async def test_nobody_answering_is_an_error_after_a_few_seconds(cluster, ask):
    cluster.peers.slow = dict.fromkeys(cluster.peers.nodes, 100)
    with pytest.raises(PeerUnreachable, match="did not answer"):
        await ask()
    assert asyncio.get_running_loop().time() < 5


@pytest.mark.parametrize("foreign", [[], [Holder(("10.0.0.9", 7401), complete=True)]])
async def test_who_has_no_peer_interface_cannot_be_asked(ask, foreign):
    with pytest.raises(PeerUnreachable, match="can be asked"):
        await ask(foreign)


async def test_no_request_is_left_over(cluster, ask):
    cluster.peers.slow["10.0.0.1"] = 2
    before = asyncio.all_tasks()
    await ask()
    assert asyncio.all_tasks() == before
