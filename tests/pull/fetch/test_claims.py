from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.pull.fetch.claims import Claims
from p2player.pull.fetch.holders import Claim, Holder
from p2player.pull.integrity.dispute import Standing
from p2player.swarm.metainfo import Metainfo

DIGEST = Digest.of(b"blob")
ONE, OTHER, LARGER = (Metainfo(DIGEST, size, root * 32) for size, root in ((10**6, b"1"), (10**6, b"2"), (10**7, b"3")))


def node(number):
    return NodeId(bytes([number]) * 20)


def holder(number, *, complete=True):
    return Holder((f"10.0.0.{number}", 7401), complete, node(number), (f"10.0.0.{number}", 7400))


def claims_of(*numbers_by_metainfo, banned=(), known_size=None):
    claims = Claims(frozenset(map(node, banned)), known_size)
    for metainfo, *numbers in numbers_by_metainfo:
        claims.add(Claim(metainfo, tuple(map(holder, numbers))))
    return claims


def order(claims):
    return [claim.metainfo for claim in claims.usable()]


def test_only_what_is_new_is_returned_and_nothing_of_banned_nodes():
    claims = claims_of((ONE, 1), banned=[3])
    more = Claim(ONE, (holder(1), holder(2), holder(3)))
    assert claims.add(more) == [holder(2)]
    assert claims.add(more) == []
    assert (len(claims), claims.count(ONE)) == (2, 2)


def test_the_likeliest_comes_first_by_size_then_standing_then_number():
    claims = claims_of((ONE, 1), (OTHER, 2, 3), (LARGER, 4, 5, 6))
    assert order(claims) == [LARGER, OTHER, ONE]
    claims.judge({ONE: Standing.HEARD, LARGER: Standing.REFUTED})
    assert order(claims) == [ONE, OTHER, LARGER]
    known = claims_of((ONE, 1), (OTHER, 2, 3), (LARGER, 4, 5, 6), known_size=ONE.size)
    assert [claim.metainfo for claim in known.usable(of_known_size=True)] == [OTHER, ONE]
    assert order(known) == [OTHER, ONE, LARGER]


def test_what_failed_is_used_again_only_by_others():
    claims = claims_of((ONE, 1))
    claims.fail(ONE)
    assert claims.usable() == []
    claims.add(Claim(ONE, (holder(1), holder(2))))
    assert claims.useful(ONE) == (holder(2),)


def test_what_was_refused_is_not_used_again_and_its_complete_signers_are_banned():
    claims = claims_of((ONE, 1), (OTHER, 2))
    claims.add(Claim(ONE, (holder(3, complete=False),)))
    assert claims.refuse(ONE) == {node(1)}
    assert claims.is_any_refused
    assert order(claims) == [OTHER]
    assert claims.banned == {node(1)}


def test_who_signed_another_root_is_banned_and_who_signed_the_right_one_is_not():
    claims = claims_of((ONE, 1), (OTHER, 2), (LARGER, 3))
    assert claims.contradicted(ONE.size, ONE.root) == {node(2), node(3)}
    assert claims.contradicted(ONE.size, ONE.root) == frozenset()


def test_claims_are_disputed_until_all_were_judged_and_small_blobs_never():
    claims = claims_of((ONE, 1), (OTHER, 2))
    assert [claim.metainfo for claim in claims.disputed()] == [ONE, OTHER]
    claims.judge({ONE: Standing.HEARD, OTHER: Standing.UNHEARD})
    assert claims.disputed() == ()
    small = [Metainfo(DIGEST, 1000, root * 32) for root in (b"1", b"2")]
    assert claims_of((small[0], 1), (small[1], 2)).disputed() == ()


def test_what_nobody_contradicts_is_not_disputed():
    claims = claims_of((ONE, 1, 2))
    claims.add(Claim(OTHER, (holder(3, complete=False),)))
    assert claims.disputed() == ()
    known = claims_of((ONE, 1), (LARGER, 2), known_size=ONE.size)
    assert known.disputed() == ()


def test_a_claim_is_asked_about_though_what_contradicts_it_cannot_be():
    endless, small = Metainfo(DIGEST, 1 << 60, b"4" * 32), Metainfo(DIGEST, 1000, b"5" * 32)
    for other in (endless, small):
        claims = claims_of((ONE, 1), (other, 2, 3))
        assert [claim.metainfo for claim in claims.disputed()] == [ONE]
        claims.judge({ONE: Standing.HEARD})
        assert order(claims) == [ONE, other]


def test_a_small_blob_is_tried_before_a_large_one_that_is_not_spoken_for():
    small = Metainfo(DIGEST, 1000, b"5" * 32)
    assert order(claims_of((ONE, 1, 2), (small, 3))) == [small, ONE]
