import random

import pytest

from p2player.oci.digest import Digest
from p2player.peer.identity import Identity, NodeId
from p2player.peer.segments import Segment, end_of, new_run, segment_bytes
from p2player.pull.chain.incoming import Received
from p2player.pull.chain.trust import MOST_LIARS, SUSPECTED, Trust, Verdict

SEGMENT = segment_bytes(1)
"""Bytes of a segment of all these blobs: they are small."""

A, B, C = (Identity.from_seed(bytes([number]) * 32) for number in range(1, 4))
RIGHT = random.Random(3).randbytes(4 * SEGMENT + 100)
DIGEST = Digest.of(RIGHT)
SIZE = len(RIGHT)
LAST = 4 * SEGMENT
RUNS = {identity: new_run() for identity in (A, B, C)}


def sent(offset, signer, *, by=None, over="one", wrong=False, run=None):
    """Return a segment as it was received."""
    data = RIGHT[offset : end_of(offset, SIZE)]
    if wrong:
        data = bytes(len(data))
    segment = Segment.sign(signer, run or RUNS[signer], DIGEST, SIZE, offset, data)
    return Received(segment, by.node_id if by else None, over)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "right").write_bytes(RIGHT)
    return tmp_path / "right"


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def banned():
    return set()


@pytest.fixture
def trust(banned, clock):
    return Trust(lambda: frozenset(banned), lambda: clock[0])


@pytest.fixture
def judge(trust, path):
    def judge(*received):
        trust.doubt(DIGEST, SIZE, received)
        return trust.settle(DIGEST, path)

    return judge


def nodes(*identities):
    return frozenset(identity.node_id for identity in identities)


def doubtful(signer, at=0):
    return Verdict(suspects=nodes(signer), wrong=frozenset({at}))


def test_who_has_signed_a_wrong_segment_and_a_last_one_has_lied(judge):
    assert judge(sent(0, A, wrong=True), sent(LAST, A)) == Verdict(liars=nodes(A))
    assert judge(sent(0, A), sent(LAST, A, wrong=True)) == Verdict(liars=nodes(A))


def test_who_has_signed_a_wrong_segment_only_may_have_been_given_it(judge):
    assert judge(sent(0, A, wrong=True), sent(LAST, B)) == doubtful(A)


def test_a_last_segment_of_another_run_proves_nothing(judge):
    assert judge(sent(0, A, wrong=True), sent(LAST, A, run=new_run())) == doubtful(A)


def test_who_has_passed_on_a_wrong_segment_and_a_last_one_has_lied(judge):
    assert judge(sent(0, A, by=B, wrong=True), sent(LAST, C, by=B)) == Verdict(nodes(B), nodes(A), frozenset({0}))


def test_who_has_passed_on_a_wrong_segment_without_a_last_one_was_lied_to_as_well(judge):
    received = sent(0, A, by=B, wrong=True), sent(LAST, A, by=C, over="another")
    assert judge(*received) == Verdict(liars=nodes(A))


def test_a_last_segment_of_an_earlier_connection_proves_nothing(judge):
    received = sent(0, A, by=B, wrong=True), sent(LAST, C, by=B, over="another")
    assert judge(*received) == doubtful(A)


def test_nothing_is_proven_about_a_node_whose_address_others_have_told(judge):
    assert judge(sent(0, A, wrong=True), sent(LAST, B)) == doubtful(A)


def test_who_has_signed_and_passed_on_what_is_right_is_neither(judge):
    received = sent(0, A, by=C), sent(SEGMENT, B, by=C, wrong=True), sent(LAST, A, by=A, over="another")
    assert judge(*received) == doubtful(B, at=SEGMENT)


def test_nobody_is_judged_by_a_file_that_is_not_the_blob(trust, path):
    trust.doubt(DIGEST, SIZE, [sent(0, A), sent(LAST, A)])
    path.write_bytes(bytes(SIZE))
    assert trust.settle(DIGEST, path) == Verdict()


def test_a_blob_that_was_never_in_doubt_is_not_read(trust, path):
    path.unlink()
    assert trust.settle(DIGEST, path) == Verdict()


def test_who_is_in_doubt_is_not_believed_of_that_blob_until_the_right_one_is_here(trust, path):
    trust.doubt(DIGEST, SIZE, [sent(0, A), sent(LAST, A, by=B, wrong=True)])
    assert [trust.believes(each.node_id, DIGEST) for each in (A, B, C)] == [False, True, True]
    assert trust.believes(A.node_id, Digest.of(b"another"))
    trust.settle(DIGEST, path)
    assert trust.believes(A.node_id, DIGEST)


def test_who_has_sent_what_is_in_doubt_twice_is_not_believed_though_others_signed_it(trust):
    trust.doubt(DIGEST, SIZE, [sent(0, A, by=C)])
    assert trust.believes(C.node_id, DIGEST)
    trust.doubt(DIGEST, SIZE, [sent(0, B, by=C)])
    assert not trust.believes(C.node_id, DIGEST)


def test_a_suspect_is_avoided_for_a_while_and_a_banned_node_for_good(trust, judge, banned, clock):
    judge(sent(0, A, wrong=True), sent(LAST, B))
    banned.add(C.node_id.raw)
    assert [trust.believes(each.node_id, DIGEST) for each in (A, B, C)] == [False, True, False]
    clock[0] = SUSPECTED
    assert [trust.believes(each.node_id, DIGEST) for each in (A, B, C)] == [True, True, False]


def test_what_more_say_than_may_lie_needs_no_proof_once_one_of_them_has_given_right_bytes(trust):
    strangers = {NodeId(number.to_bytes(20)) for number in range(MOST_LIARS + 1)}
    trust.prove(nodes(A))
    assert trust.needs_no_proof(strangers | nodes(A))
    assert not trust.needs_no_proof(strangers)


def test_what_a_few_say_needs_proof_whatever_they_have_given(trust):
    few = nodes(A, B, C)
    trust.prove(few)
    assert not trust.needs_no_proof(few)


def test_who_has_given_right_bytes_is_forgotten_when_very_many_have_since(trust):
    strangers = {NodeId(bytes([255, number]) + bytes(18)) for number in range(MOST_LIARS)}
    trust.prove(nodes(A))
    trust.prove(NodeId(number.to_bytes(20)) for number in range(5000))
    assert not trust.needs_no_proof(strangers | nodes(A))


def test_what_was_in_doubt_long_ago_is_forgotten(trust):
    for number in range(100):
        trust.doubt(Digest.of(bytes([number])), SIZE, [sent(0, A)])
    assert trust.believes(A.node_id, Digest.of(bytes([0])))
    assert not trust.believes(A.node_id, Digest.of(bytes([99])))
