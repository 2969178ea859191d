"""Each test is a conversation: what holders answer, and what they are asked next."""

import random
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.pull.fetch.holders import Claim, Holder
from p2player.pull.integrity.dispute import AskEvidence, AskPiece, Dispute, Standing
from p2player.store.merkle import MIN_PIECE
from p2player.swarm.metainfo import Metainfo
from tests.evidence import evidence_of, patched, pieces_of

SIZE = 4 * MIN_PIECE + 1000
COUNT = 5
DATA = random.Random(1).randbytes(SIZE)
DIGEST = Digest.of(DATA)
TRUTH = evidence_of(DATA)
OTHER = random.Random(2).randbytes(SIZE)
LONGER = random.Random(3).randbytes(SIZE + 2 * MIN_PIECE)
CHANGED = [DATA[: at * MIN_PIECE] + b"changed" + DATA[at * MIN_PIECE + 7 :] for at in range(COUNT)]
LIES = [evidence_of(data, DIGEST) for data in (OTHER, LONGER, *CHANGED)]


def holder(number, *, complete=True):
    address = f"10.0.0.{number}"
    return Holder((address, 7401), complete, NodeId(bytes([number]) * 20), (address, 7400))


def metainfo(evidence):
    return Metainfo(DIGEST, evidence.size, evidence.root)


def claim(evidence, *numbers):
    return Claim(metainfo(evidence), tuple(map(holder, numbers)))


def node(number):
    return holder(number).node


@dataclass(frozen=True)
class Said:
    """How a node answers: its evidence, and the data its pieces are from; None is silence."""

    evidence: object = None
    data: bytes | None = None


HONEST = Said(TRUTH, DATA)


def talk(dispute, answers, order=lambda _: 0):
    """Let nodes answer until nothing is asked any more; order picks whose answer comes next."""
    asked = dispute.begin()
    pieces = 0
    while asked:
        question = asked.pop(order(len(asked)))
        said = answers[question.holder.node]
        if isinstance(question, AskEvidence):
            asked += dispute.told(question, said.evidence)
        else:
            pieces += 1
            assert pieces < 50, "it does not end"
            right = None
            if said.data is not None:
                here = pieces_of(said.data)
                right = question.evidence.shows(
                    question.index, here[question.index] if question.index < len(here) else b""
                )
            asked += dispute.shown(question, right)
    return dispute.verdict


def settled(*claims, **answers):
    return talk(Dispute(claims), {node(int(name[1:])): said for name, said in answers.items()})


@pytest.mark.parametrize("lie", LIES)
def test_a_liar_is_refuted_by_one_piece_and_the_claim_of_who_has_it_stands(lie):
    data = next(data for data in (OTHER, LONGER, *CHANGED) if evidence_of(data, DIGEST) == lie)
    verdict = settled(claim(lie, 1, 2), claim(TRUTH, 3), n1=Said(lie, data), n2=Said(lie, data), n3=HONEST)
    assert verdict.refuted.keys() == {node(1), node(2)}
    assert verdict.standings == {metainfo(lie): Standing.REFUTED, metainfo(TRUTH): Standing.HEARD}


def test_one_piece_a_side_is_asked_for_and_it_is_where_they_part():
    lie = patched(LIES[0], TRUTH, 3)
    dispute = Dispute([claim(lie, 1), claim(TRUTH, 2)])
    first, second = dispute.begin()
    assert dispute.told(first, lie) == []
    assert dispute.told(second, TRUTH) == [AskPiece(lie, holder(1), 2), AskPiece(TRUTH, holder(2), 2)]
    assert dispute.shown(AskPiece(TRUTH, holder(2), 2), is_right=True) == []
    assert dispute.shown(AskPiece(lie, holder(1), 2), is_right=False) == []
    assert dispute.verdict.refuted.keys() == {node(1)}


@pytest.mark.parametrize("cut", range(1, COUNT + 1))
def test_who_knows_the_blob_and_lies_about_its_front_is_refuted_whatever_it_shows(cut):
    lie = patched(LIES[0], TRUTH, cut) if cut < COUNT else LIES[0]
    for data in (OTHER, DATA, bytes(SIZE)):
        verdict = settled(claim(lie, 1), claim(TRUTH, 2), n1=Said(lie, data), n2=HONEST)
        assert verdict.refuted.keys() == {node(1)}


def test_wrong_states_under_the_right_root_are_refuted_too():
    lie = replace(TRUTH, states=TRUTH.states[:32] + LIES[0].states[32:64] + TRUTH.states[64:])
    verdict = settled(claim(TRUTH, 1, 2), claim(LIES[0], 3), n1=Said(lie, DATA), n2=HONEST, n3=Said())
    assert verdict.refuted.keys() == {node(1)}
    assert verdict.standings[metainfo(TRUTH)] == Standing.HEARD


def test_evidence_of_another_tree_than_was_announced_is_a_lie_though_it_is_right():
    verdict = settled(claim(LIES[0], 1), claim(TRUTH, 2), n1=HONEST, n2=HONEST)
    assert verdict.refuted.keys() == {node(1)}
    assert verdict.standings[metainfo(LIES[0])] == Standing.REFUTED


def test_evidence_that_is_not_sound_is_a_lie():
    unsound = replace(TRUTH, states=b"x" + TRUTH.states[1:])
    verdict = settled(claim(TRUTH, 1, 2), claim(LIES[0], 3), n1=Said(unsound, DATA), n2=HONEST, n3=Said())
    assert verdict.refuted.keys() == {node(1)}


def test_who_does_not_answer_is_not_refuted_but_ranks_behind_who_does():
    verdict = settled(claim(LIES[0], 1, 2), claim(TRUTH, 3), n1=Said(), n2=Said(), n3=HONEST)
    assert verdict.refuted == {}
    assert verdict.standings == {metainfo(LIES[0]): Standing.UNHEARD, metainfo(TRUTH): Standing.HEARD}


def test_who_tells_evidence_and_shows_nothing_is_not_refuted_either():
    verdict = settled(claim(LIES[0], 1), claim(TRUTH, 2), n1=Said(LIES[0]), n2=HONEST)
    assert verdict.refuted == {}
    assert verdict.standings == {metainfo(LIES[0]): Standing.UNHEARD, metainfo(TRUTH): Standing.HEARD}


def test_a_lie_that_nobody_contradicts_must_at_least_lead_to_the_digest():
    verdict = settled(claim(LIES[0], 1), claim(TRUTH, 2), n1=Said(LIES[0], OTHER), n2=Said())
    assert verdict.refuted.keys() == {node(1)}
    assert verdict.standings == {metainfo(LIES[0]): Standing.REFUTED, metainfo(TRUTH): Standing.UNHEARD}


def test_a_saboteur_of_the_right_claim_is_replaced_by_an_honest_holder():
    sabotage = Said(TRUTH, OTHER)
    verdict = settled(
        claim(TRUTH, 1, 2, 3, 4),
        claim(LIES[0], 5),
        n1=sabotage,
        n2=sabotage,
        n3=Said(),
        n4=HONEST,
        n5=Said(LIES[0], OTHER),
    )
    assert verdict.refuted.keys() == {node(1), node(2), node(5)}
    assert verdict.standings[metainfo(TRUTH)] == Standing.HEARD
    assert verdict.standings[metainfo(LIES[0])] == Standing.REFUTED


def test_three_different_lies_are_knocked_out_one_after_the_other():
    claims = [claim(lie, number) for number, lie in enumerate(LIES[:3], 1)]
    verdict = settled(
        *claims,
        claim(TRUTH, 4),
        n1=Said(LIES[0], OTHER),
        n2=Said(LIES[1], LONGER),
        n3=Said(LIES[2], CHANGED[0]),
        n4=HONEST,
    )
    assert verdict.refuted.keys() == {node(1), node(2), node(3)}
    assert [verdict.standings[one.metainfo] for one in claims] == [Standing.REFUTED] * 3
    assert verdict.standings[metainfo(TRUTH)] == Standing.HEARD


def test_no_more_than_three_holders_of_a_claim_are_asked_at_a_time():
    dispute = Dispute([claim(TRUTH, 1, 2, 3, 4, 5), claim(LIES[0], 6)])
    asked = dispute.begin()
    assert [question.holder for question in asked] == [holder(number) for number in (1, 2, 3, 6)]
    assert dispute.told(asked[0], None) == [AskEvidence(metainfo(TRUTH), holder(4))]
    assert dispute.told(asked[1], TRUTH) == []


def test_partial_holders_and_foreign_clients_are_not_asked():
    others = (holder(1, complete=False), Holder(("10.0.0.2", 7401), complete=True))
    assert Dispute([Claim(metainfo(TRUTH), others)]).begin() == []


def test_what_is_known_in_the_middle_can_be_told():
    dispute = Dispute([claim(LIES[0], 1), claim(TRUTH, 2)])
    assert not dispute.is_any_heard
    _, second = dispute.begin()
    dispute.told(second, TRUTH)
    assert dispute.is_any_heard
    assert dispute.verdict.standings == {metainfo(LIES[0]): Standing.UNHEARD, metainfo(TRUTH): Standing.HEARD}


FALSE = [*LIES, *(patched(lie, TRUTH, cut) for lie in LIES if lie.size == SIZE for cut in range(1, COUNT))]
TOLD = [None, TRUTH, *FALSE, replace(TRUTH, states=TRUTH.states[:64] + LIES[0].states[64:])]
claimed = st.sampled_from([TRUTH, *FALSE])
liars = st.tuples(claimed, st.booleans(), st.sampled_from(TOLD), st.sampled_from([None, DATA, OTHER, LONGER, *CHANGED]))


@given(st.lists(liars, max_size=4), st.integers(1, 3), st.booleans(), st.randoms(use_true_random=False))
def test_whatever_liars_answer_the_honest_are_never_refuted_and_stand(lying, honest, are_fast, rng):
    answers, claims = {}, {metainfo(TRUTH): []}
    for number, (announced, is_consistent, told, data) in enumerate(lying, 1):
        answers[node(number)] = Said(announced if is_consistent else told, data)
        claims.setdefault(metainfo(announced), []).append(holder(number))
    good = [holder(100 + number) for number in range(honest)]
    for one in good:
        answers[one.node] = HONEST if are_fast or one is good[-1] else Said()
    claims[metainfo(TRUTH)] += good
    for holders in claims.values():
        rng.shuffle(holders)
    dispute = Dispute([Claim(one, tuple(holders)) for one, holders in claims.items()])
    verdict = talk(dispute, answers, rng.randrange)
    assert verdict.refuted.keys().isdisjoint(one.node for one in good)
    for number, (announced, is_consistent, told, data) in enumerate(lying, 1):
        said = announced if is_consistent else told
        is_silent = said is None or data is None
        if metainfo(announced) != metainfo(TRUTH):
            assert is_silent or node(number) in verdict.refuted or len(claims[metainfo(announced)]) > 1
        if said is None:
            assert node(number) not in verdict.refuted
    for one, standing in verdict.standings.items():
        assert (standing is Standing.HEARD) == (one == metainfo(TRUTH)), one
