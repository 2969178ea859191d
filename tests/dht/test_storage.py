import pytest

from p2player.dht.providers import MAX_PROVIDERS_OF_KEY, SEEN_BY_ALL
from p2player.dht.records import MAX_SKEW_MS, key_of_digest, key_of_scope, unpack_record
from p2player.dht.storage import NAME_LEASE_MS, Refused, Storage
from p2player.oci.digest import Digest

KEY = key_of_digest(Digest.of(b"layer"))
SCOPE_KEY = key_of_scope("docker.io/library/nginx")


@pytest.fixture
def storage():
    return Storage()


def test_one_record_a_node_is_kept_the_newest(storage, provider, epoch):
    storage.put(provider(node=1, size=1), epoch)
    storage.put(provider(node=2, size=2), epoch)
    storage.put(provider(node=1, size=3, issued=epoch + 1), epoch)
    answer = storage.providers(KEY, 0, 0, epoch)
    assert answer.total == 2
    assert sorted(unpack_record(raw).size for raw in answer.records) == [2, 3]


def test_older_record_is_refused_with_the_newer_one(storage, provider, epoch):
    newer = provider(issued=epoch)
    storage.put(newer, epoch)
    assert storage.put(provider(issued=epoch - 1), epoch) == newer.pack()
    assert storage.providers(KEY, 0, 0, epoch).records == [newer.pack()]


def test_expired_record_is_neither_given_nor_kept(storage, provider, epoch):
    storage.put(provider(), epoch)
    later = epoch + 3_600_000
    assert storage.providers(KEY, 0, 0, later - 1).total == 1
    assert storage.providers(KEY, 0, 0, later).total == 0
    storage.expire(later)
    assert len(storage) == 0
    with pytest.raises(Refused, match="record_expired"):
        storage.put(provider(), later)
    assert len(storage) == 0


def test_withdrawn_record_keeps_the_older_one_out_until_that_would_have_expired(storage, provider, epoch):
    old = provider(issued=epoch)
    storage.put(old, epoch)
    storage.put(provider(issued=epoch + 1, withdrawn=True), epoch + 1)
    storage.put(old, epoch + 2)
    (kept,) = storage.providers(KEY, 0, 0, epoch + 2).records
    assert unpack_record(kept).withdrawn
    storage.expire(old.expires)
    with pytest.raises(Refused):
        storage.put(old, old.expires)
    (kept,) = storage.providers(KEY, 0, 0, old.expires).records
    assert unpack_record(kept).withdrawn


def test_record_from_the_future_is_refused(storage, provider, named, epoch):
    for record in (provider(issued=epoch + MAX_SKEW_MS + 1), named(issued=epoch + MAX_SKEW_MS + 1)):
        with pytest.raises(Refused, match="record_from_the_future"):
            storage.put(record, epoch)
    assert len(storage) == 0
    storage.put(named(issued=epoch + MAX_SKEW_MS), epoch)
    assert len(storage) == 1


def test_what_came_from_the_future_before_the_clock_was_set_back_goes(storage, provider, named, epoch):
    hour = 3_600_000
    storage.put(provider(issued=epoch + hour), epoch + hour)
    storage.put(named(issued=epoch + hour), epoch + hour)
    storage.put(provider(node=1), epoch)
    storage.expire(epoch)
    assert list(storage) == [provider(node=1).pack()]


def test_providers_of_one_digest_are_capped_and_the_first_to_expire_goes(storage, provider, epoch):
    for node in range(MAX_PROVIDERS_OF_KEY + 5):
        storage.put(provider(node=node, issued=epoch + node), epoch)
    answer = storage.providers(KEY, 0, 0, epoch)
    assert answer.total == MAX_PROVIDERS_OF_KEY
    assert min(unpack_record(raw).issued for raw in answer.records) == epoch + 5
    assert len(storage) == MAX_PROVIDERS_OF_KEY


def test_the_one_that_has_it_whole_stays_however_many_fetch_it(storage, provider, epoch):
    seed = provider(node=0, issued=epoch, complete=True)
    storage.put(seed, epoch)
    for node in range(1, MAX_PROVIDERS_OF_KEY + 50):
        storage.put(provider(node=node, issued=epoch + node, complete=False), epoch)
    answer = storage.providers(KEY, 0, 0, epoch)
    assert (answer.records[0], answer.total) == (seed.pack(), MAX_PROVIDERS_OF_KEY)
    assert min(unpack_record(raw).issued for raw in answer.records[1 + SEEN_BY_ALL :]) > epoch + 50


def test_the_first_of_those_who_fetch_it_stay_however_many_come_after_them(storage, provider, epoch):
    by_id = {(it := provider(node=node, issued=epoch + node, complete=False)).node_id.raw: it for node in range(600)}
    next_ = sorted(by_id, key=lambda raw: (int.from_bytes(raw) - int.from_bytes(KEY)) % (1 << 160))
    for node_id in next_[:SEEN_BY_ALL] + next_[SEEN_BY_ALL:]:
        storage.put(by_id[node_id], epoch + 600)
    told = [unpack_record(raw).node_id.raw for raw in storage.providers(KEY, 0, 0, epoch + 600).records]
    assert told[:SEEN_BY_ALL] == next_[:SEEN_BY_ALL]
    assert len(told) == MAX_PROVIDERS_OF_KEY


@pytest.mark.parametrize("state", ["partial", "withdrawn"])
def test_where_all_that_are_kept_have_it_whole_nothing_less_gets_a_place(storage, provider, epoch, state):
    for node in range(MAX_PROVIDERS_OF_KEY):
        storage.put(provider(node=node, issued=epoch, complete=True), epoch)
    before = sorted(storage)
    whole = state == "withdrawn"
    late = provider(node=MAX_PROVIDERS_OF_KEY, issued=epoch + 1, complete=whole, withdrawn=whole)
    with pytest.raises(Refused, match="record_without_room"):
        storage.put(late, epoch + 1)
    assert sorted(storage) == before
    storage.put(provider(node=MAX_PROVIDERS_OF_KEY, issued=epoch + 2, complete=True), epoch + 2)
    assert len(storage) == MAX_PROVIDERS_OF_KEY


def test_one_node_that_says_again_and_again_it_has_it_whole_pushes_nobody_out(storage, provider, epoch):
    for node in range(MAX_PROVIDERS_OF_KEY - 1):
        storage.put(provider(node=node, issued=epoch, complete=False), epoch)
    for again in range(50):
        storage.put(provider(node=999, issued=epoch + again, complete=True), epoch + again)
    records = [unpack_record(raw) for raw in storage.providers(KEY, 0, 0, epoch + 50).records]
    assert sum(record.complete for record in records) == 1
    assert len(records) == MAX_PROVIDERS_OF_KEY


def test_each_turn_begins_with_other_providers_but_one_that_is_complete_comes_first(storage, provider, epoch):
    for node in range(20):
        storage.put(provider(node=node, complete=node == 7), epoch)
    samples = [storage.providers(KEY, turn, 0, epoch).records for turn in range(5)]
    assert all(unpack_record(sample[0]).complete for sample in samples)
    assert len({sample[1 + SEEN_BY_ALL] for sample in samples}) == 5


def test_whoever_asks_sees_those_who_fetch_it_that_come_next_behind_the_key(storage, provider, epoch):
    ids = {provider(node=node).node_id.raw for node in range(20)}
    for node in range(20):
        storage.put(provider(node=node, complete=False), epoch)
    next_ = sorted(ids, key=lambda raw: (int.from_bytes(raw) - int.from_bytes(KEY)) % (1 << 160))[:SEEN_BY_ALL]
    samples = [storage.providers(KEY, turn, 0, epoch).records for turn in range(5)]
    assert [[unpack_record(raw).node_id.raw for raw in sample[:SEEN_BY_ALL]] for sample in samples] == [next_] * 5
    assert len({sample[SEEN_BY_ALL] for sample in samples}) == 5, "and others in another order each time"


def test_pages_of_one_turn_together_hold_every_provider_once(storage, provider, epoch):
    for node in range(20):
        storage.put(provider(node=node, complete=node % 3 == 0), epoch)
    everything = storage.providers(KEY, 4, 0, epoch)
    assert everything.total == len(set(everything.records)) == 20
    for skip in range(21):
        page = storage.providers(KEY, 4, skip, epoch)
        assert (page.records, page.total) == (everything.records[skip:], 20)


def layer(number):
    return Digest.of(b"%d" % number)


def test_total_is_capped_and_known_records_are_still_renewed(provider, named, epoch):
    storage = Storage(max_records=3)
    for number in range(3):
        storage.put(provider(node=number, digest=layer(number)), epoch)
    for record in (provider(node=4), named(node=5)):
        with pytest.raises(Refused, match="record_without_room"):
            storage.put(record, epoch)
    assert len(storage) == 3
    storage.put(provider(node=0, digest=layer(0), issued=epoch + 9), epoch)
    (raw,) = storage.providers(key_of_digest(layer(0)), 0, 0, epoch).records
    assert unpack_record(raw).issued == epoch + 9
    storage.expire(epoch + 10**8)
    storage.put(named(issued=epoch + 10**8), epoch + 10**8)
    assert len(storage) == 1


@pytest.mark.parametrize("kind", ["provider", "name"])
def test_no_signer_fills_more_than_a_quarter(provider, named, epoch, kind):
    storage = Storage(max_records=40)
    made = [provider(digest=layer(n)) if kind == "provider" else named(name=f"v{n}") for n in range(11)]
    for record in made[:10]:
        storage.put(record, epoch)
    with pytest.raises(Refused, match="record_beyond_share"):
        storage.put(made[10], epoch)
    assert len(storage) == 10
    storage.put(made[0], epoch + 1)
    storage.put(provider(node=1), epoch)
    assert len(storage) == 11


def test_newcomer_gets_the_place_of_the_oldest_record_of_who_has_most(provider, named, epoch):
    storage = Storage(max_records=8)
    for number in range(2):
        storage.put(named(node=9, name=f"v{number}"), epoch)
    for number in range(6):
        storage.put(provider(node=number // 2, digest=layer(number)), epoch)
    storage.put(provider(node=7, digest=layer(7)), epoch)
    assert len(storage) == 8
    assert storage.providers(key_of_digest(layer(7)), 0, 0, epoch).total == 1
    assert [unpack_record(raw).name for raw in storage.names(SCOPE_KEY, "", epoch).records] == ["v1"]


def test_place_of_a_name_goes_over_to_who_gives_it_a_newer_meaning(named, epoch):
    storage = Storage(max_records=8)
    for number in range(3):
        storage.put(named(name="same", issued=epoch + number, node=number), epoch)
    storage.put(named(name="other", node=0), epoch)
    storage.put(named(name="another", node=0), epoch)
    assert len(storage) == 3
    storage.expire(epoch + 10**8)
    assert len(storage) == 0
    assert not storage._shares._places


def test_newest_name_wins_in_whatever_order_they_come(provider, named, epoch):
    records = [named(node=n, issued=epoch + n // 2) for n in range(4)]
    newest = max(records, key=lambda record: record.rank)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        storage = Storage()
        for index in order:
            storage.put(records[index], epoch)
        assert storage.name(SCOPE_KEY, "latest", epoch).records == [newest.pack()]


def test_newer_name_is_told_to_who_stores_an_older_one(storage, named, epoch):
    assert storage.put(named(issued=epoch + 1), epoch) is None
    assert storage.put(named(issued=epoch), epoch) == named(issued=epoch + 1).pack()


def test_name_lives_for_a_lease_that_storing_it_again_renews(storage, named, epoch):
    storage.put(named(), epoch)
    storage.put(named(), epoch + NAME_LEASE_MS // 2)
    storage.expire(epoch + NAME_LEASE_MS)
    assert storage.name(SCOPE_KEY, "latest", epoch + NAME_LEASE_MS).total == 1
    late = epoch + NAME_LEASE_MS * 3 // 2
    assert storage.name(SCOPE_KEY, "latest", late).total == 0
    assert storage.names(SCOPE_KEY, "", late).total == 0
    storage.expire(late)
    assert len(storage) == 0


def test_names_come_sorted_from_behind_the_cursor(storage, named, epoch):
    for name in ("c", "a", "b", "d"):
        storage.put(named(name=name), epoch)
    listed = storage.names(SCOPE_KEY, "a", epoch)
    assert [unpack_record(raw).name for raw in listed.records] == ["b", "c", "d"]
    assert storage.names(SCOPE_KEY, "d", epoch).records == []
    assert storage.names(key_of_scope("other"), "", epoch).records == []


def test_iteration_gives_every_packed_record(storage, provider, named, epoch):
    storage.put(provider(), epoch)
    storage.put(named(), epoch)
    assert sorted(storage) == sorted([provider().pack(), named().pack()])
