from p2player.dht.findings import QUORUM, Names, Providers, last_name
from p2player.dht.records import MAX_SKEW_MS
from p2player.oci.digest import Digest
from p2player.peer.identity import Identity

LAYER = Digest.of(b"layer")
SELF = Identity.from_seed(b"s" * 32).node_id
SCOPE = "docker.io/library/nginx"


def packed(*records):
    return [record.pack() for record in records]


def test_enough_when_as_many_as_wanted_are_known(provider, epoch):
    found = Providers(LAYER, 3, epoch, without=SELF)
    assert not found.take(packed(*(provider(node=n) for n in range(2))), 9)
    assert found.take(packed(provider(node=3)), 9)
    assert len(found.result()) == 3


def test_own_record_is_none_of_those_wanted(provider, epoch):
    found = Providers(LAYER, 1, epoch, without=provider(node=1).node_id)
    assert not found.take(packed(provider(node=1)), 2)
    assert found.take(packed(provider(node=2)), 2)


def test_enough_when_a_quorum_of_holders_has_no_more(provider, epoch):
    found = Providers(LAYER, 8, epoch, without=SELF)
    taken = [found.take(packed(provider(node=1)), 1) for _ in range(QUORUM)]
    assert taken == [False] * (QUORUM - 1) + [True]


def test_not_enough_while_all_but_few_holders_claim_more(provider, epoch):
    found = Providers(LAYER, 8, epoch, without=SELF)
    assert not any(found.take(packed(provider(node=1)), 2) for _ in range(QUORUM + 1))
    assert found.take(packed(provider(node=2)), 2)


def test_one_that_claims_more_than_it_shows_does_not_keep_the_lookup_going(provider, epoch):
    found = Providers(LAYER, 8, epoch, without=SELF)
    assert not found.take([], 10_000)
    assert [found.take(packed(provider(node=1)), 1) for _ in range(QUORUM)][-1]


def test_records_from_the_future_are_passed_over(provider, named, epoch):
    later = epoch + MAX_SKEW_MS + 1
    found = Providers(LAYER, 8, epoch, without=SELF)
    found.take(packed(provider(issued=later)), 1)
    assert found.result() == []
    names = Names(SCOPE, epoch)
    names.take(packed(named(issued=later), named(node=1)))
    assert names.newest("latest") == named(node=1)


def test_nodes_without_records_are_no_holders(epoch):
    found = Providers(LAYER, 8, epoch, without=SELF)
    assert not any(found.take([], 0) for _ in range(9))
    assert found.result() == []


def test_newest_record_of_a_node_counts_dead_ones_and_self_do_not(provider, epoch):
    found = Providers(LAYER, 8, epoch, without=provider(node=1).node_id)
    found.take(packed(provider(node=2, issued=epoch - 5, complete=False), provider(node=1)), 2)
    found.take(packed(provider(node=2, issued=epoch - 4)), 1)
    found.take(packed(provider(node=2, issued=epoch - 6, complete=False)), 1)
    found.take(packed(provider(node=3, issued=epoch - 9, expires=epoch)), 1)
    found.take(packed(provider(node=4, withdrawn=True)), 1)
    (record,) = found.result()
    assert (record.node_id, record.complete) == (provider(node=2).node_id, True)


def test_complete_providers_come_first(provider, epoch):
    found = Providers(LAYER, 8, epoch, without=SELF)
    found.take(packed(*(provider(node=n, complete=n == 3) for n in range(5))), 5)
    assert [record.complete for record in found.result()] == [True, False, False, False, False]


def test_garbage_and_records_of_something_else_are_passed_over(provider, named, epoch):
    found = Providers(LAYER, 8, epoch, without=SELF)
    found.take([b"garbage", named().pack(), provider(digest=Digest.of(b"other")).pack()], 3)
    assert found.result() == []
    names = Names(SCOPE, epoch)
    names.take([b"garbage", provider().pack(), named(scope="other").pack()])
    assert names.all() == []


def test_newest_name_is_kept_and_withdrawn_ones_are_not_listed(named, epoch):
    names = Names(SCOPE, epoch)
    names.take(packed(named(name="b", issued=epoch), named(name="a")))
    names.take(packed(named(name="b", issued=epoch - 1), named(name="c")))
    names.take(packed(named(name="c", issued=epoch + 1, withdrawn=True)))
    assert [record.name for record in names.all()] == ["a", "b"]
    assert names.newest("b").issued == epoch
    assert names.newest("c").withdrawn
    assert names.newest("d") is None


def test_last_name_of_a_page(named):
    assert last_name(packed(named(name="a"), named(name="b"))) == "b"
    assert last_name([b"garbage"]) == ""
