import asyncio

import pytest

from p2player.peer.evidence import seal_evidence, seal_piece
from p2player.pull.fetch.holders import Claim
from p2player.pull.integrity.dispute import Standing
from p2player.pull.integrity.settling import settle
from p2player.swarm.metainfo import Metainfo
from tests.evidence import evidence_of, pieces_of


class Liar:
    """Speaks for other data than the digest's, in its own name or another's."""

    def __init__(self, identity, digest, data):
        self._identity = identity
        self._digest = digest
        self._data = data

    async def evidence(self, digest):
        return seal_evidence(self._identity, evidence_of(self._data, self._digest))

    async def piece(self, digest, index):
        return seal_piece(self._identity, digest, index, pieces_of(self._data)[index])


@pytest.fixture
async def honest(cluster):
    return cluster.add()


@pytest.fixture
async def liar(cluster):
    return cluster.add()


@pytest.fixture
async def node(cluster):
    return cluster.add()


@pytest.fixture
async def blob(honest, make_blob):
    blob = make_blob(seed=1)
    await honest.add(blob.data)
    return blob


@pytest.fixture
def false(make_blob):
    return make_blob(seed=2).data


@pytest.fixture
def claims(blob, honest, liar, false):
    lie = Metainfo(blob.digest, len(false), evidence_of(false).root, blob.metainfo.realm)
    return [Claim(lie, (liar.holder(),)), blob.claim(honest)]


@pytest.fixture
def hear(node, blob, claims):
    """Settle the dispute, and return what it came to, what it seemed to come to before, and how many seconds it took."""

    async def run():
        before = []
        began = asyncio.get_running_loop().time()
        verdict = await settle(blob.digest, claims, node.parts.peers, before.append)
        return verdict, before, asyncio.get_running_loop().time() - began

    return run


async def test_a_liar_is_refuted_at_once(hear, blob, liar, claims, false):
    liar.witness = Liar(liar.identity, blob.digest, false)
    verdict, before, seconds = await hear()
    assert verdict.refuted.keys() == {liar.identity.node_id}
    assert [verdict.standings[claim.metainfo] for claim in claims] == [Standing.REFUTED, Standing.HEARD]
    assert (before, seconds) == ([], 0)


async def test_what_is_signed_by_somebody_else_is_held_against_nobody(hear, honest, blob, liar, false, claims):
    # A liar sits at the address that an honest node had, or announces the address of one.
    honest.witness = Liar(liar.identity, blob.digest, false)
    liar.witness = honest.witness
    verdict, _, _ = await hear()
    assert verdict.refuted.keys() <= {liar.identity.node_id}
    assert verdict.standings[claims[1].metainfo] == Standing.UNHEARD


async def test_garbage_is_no_answer(hear, liar, claims):
    class Garbler:
        async def evidence(self, digest):
            return b"garbage"

    liar.witness = Garbler()
    verdict, _, _ = await hear()
    assert verdict.refuted == {}
    assert [verdict.standings[claim.metainfo] for claim in claims] == [Standing.UNHEARD, Standing.HEARD]


async def test_who_is_silent_does_not_hold_up_the_fetch_once_another_was_heard(hear, cluster, liar, claims):
    cluster.peers.slow[liar.host] = 1000
    verdict, before, seconds = await hear()
    assert [outlook.standings[claims[1].metainfo] for outlook in before] == [Standing.HEARD]
    assert verdict.refuted == {}
    assert seconds < 3


async def test_when_all_are_slow_the_fetch_begins_and_the_dispute_goes_on(hear, cluster, blob, honest, liar, false):
    liar.witness = Liar(liar.identity, blob.digest, false)
    cluster.peers.slow |= {honest.host: 1.9, liar.host: 1.9}
    verdict, before, seconds = await hear()
    assert len(before) == 1
    assert verdict.refuted.keys() == {liar.identity.node_id}
    assert seconds == pytest.approx(3.8)


async def test_there_is_an_end_though_each_answers_just_in_time(hear, cluster, claims, liar, blob, false):
    more = [cluster.add() for _ in range(40)]
    for one in more:
        cluster.peers.slow[one.host] = 1000
    cluster.peers.slow[liar.host] = 1000
    claims[0] = Claim(claims[0].metainfo, (liar.holder(), *(one.holder() for one in more)))
    _, _, seconds = await hear()
    assert seconds <= 30


async def test_a_bug_is_not_taken_for_silence(hear, liar):
    class Broken:
        async def evidence(self, digest):
            raise ZeroDivisionError

    liar.witness = Broken()
    with pytest.raises(ZeroDivisionError):
        await hear()
