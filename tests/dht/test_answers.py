from collections import Counter

import pytest

from p2player.dht.answers import Responder
from p2player.dht.records import RecordError, key_of_digest, key_of_scope
from p2player.dht.routing import Table
from p2player.dht.storage import Storage
from p2player.dht.wire import Address, FindName, FindNodes, FindProviders, ListNames, Ping, Store
from p2player.oci.digest import Digest

ASKER = b"a" * 20
SEEN = Address("10.0.0.9", 7400)
KEY = key_of_digest(Digest.of(b"layer"))


class Node:
    def __init__(self, now_ms):
        self.table = Table(bytes(20))
        self.storage = Storage()
        self.counters = Counter()
        self.now_ms = now_ms
        self._responder = Responder(self.table, self.storage, self.counters)

    def answer(self, request, seen=SEEN, asker=ASKER):
        return self._responder.answer(request, asker, seen, self.now_ms)


@pytest.fixture
def node(epoch):
    return Node(epoch)


def test_every_answer_tells_the_asker_where_it_is_seen(node, provider):
    for request in (Ping(), FindNodes(KEY), FindProviders(KEY, 0), FindName(KEY, "a"), Store(provider().pack())):
        assert node.answer(request).seen == SEEN


def test_neighbours_are_the_nearest_without_the_asker(node):
    for number in range(1, 30):
        node.table.heard(number.to_bytes(20, "big"), Address("10.0.0.1", number))
    node.table.heard(ASKER, SEEN)
    told = [int.from_bytes(n.node_id, "big") for n in node.answer(FindNodes(bytes(20))).neighbours]
    assert told == [1, 2, 3, 4, 5, 6, 7, 8]
    assert ASKER not in [n.node_id for n in node.answer(FindNodes(ASKER)).neighbours]


def test_loopback_contacts_are_told_only_to_who_shares_the_machine(node):
    node.table.heard(b"b" * 20, Address("127.0.0.1", 7402))
    assert node.answer(FindNodes(KEY)).neighbours == ()
    assert len(node.answer(FindNodes(KEY), seen=Address("127.0.0.1", 7404)).neighbours) == 1


def test_stored_records_are_given_with_their_total(node, provider):
    for number in range(6):
        assert node.answer(Store(provider(node=number).pack()), asker=provider(node=number).node_id.raw).records == ()
    reply = node.answer(FindProviders(KEY, 0))
    assert (len(reply.records), reply.total) == (4, 6)


def test_outdated_record_is_answered_with_the_newer_one(node, named, epoch):
    newer = named(issued=epoch).pack()
    node.answer(Store(newer))
    assert node.answer(Store(named(issued=epoch - 1).pack())).records == (newer,)


def test_names_are_found_singly_and_listed_from_a_cursor(node, named):
    for name in ("a", "b", "c"):
        node.answer(Store(named(name=name).pack()))
    key = key_of_scope(named().scope)
    assert node.answer(FindName(key, "b")).records == (named(name="b").pack(),)
    assert node.answer(FindName(key, "x")).records == ()
    listed = node.answer(ListNames(key, "a"))
    assert listed.records == (named(name="b").pack(), named(name="c").pack())
    assert listed.total == 2


def test_bad_record_is_refused(node):
    with pytest.raises(RecordError):
        node.answer(Store(b"not a record"))
    assert len(node.storage) == 0


def test_provider_record_is_taken_from_its_signer_alone_and_a_name_from_anybody(node, provider, named):
    node.answer(Store(provider().pack()))
    assert len(node.storage) == 0
    assert node.counters == {"dropped_record_of_another": 1}
    node.answer(Store(provider().pack()), asker=provider().node_id.raw)
    node.answer(Store(named().pack()))
    assert len(node.storage) == 2


def test_what_is_not_kept_is_counted_by_reason_and_answered(node, provider, epoch):
    old = provider(issued=epoch - 3_600_000)
    assert node.answer(Store(old.pack()), asker=old.node_id.raw).records == ()
    assert node.counters == {"dropped_record_expired": 1}
