import pytest

from p2player.dht.records import MAX_SKEW_MS, key_of_digest, key_of_scope, unpack_record
from p2player.dht.storage import MAX_PROVIDERS_OF_KEY, NAME_LEASE_MS, Storage
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
    storage.put(old, old.expires)
    (kept,) = storage.providers(KEY, 0, 0, old.expires).records
    assert unpack_record(kept).withdrawn


def test_record_from_the_future_is_refused(storage, provider, named, epoch):
    storage.put(provider(issued=epoch + MAX_SKEW_MS + 1), epoch)
    storage.put(named(issued=epoch + MAX_SKEW_MS + 1), epoch)
    assert len(storage) == 0
    storage.put(named(issued=epoch + MAX_SKEW_MS), epoch)
    assert len(storage) == 1


def test_providers_of_one_digest_are_capped_and_the_first_to_expire_goes(storage, provider, epoch):
    for node in range(MAX_PROVIDERS_OF_KEY + 5):
        storage.put(provider(node=node, issued=epoch + node), epoch)
    answer = storage.providers(KEY, 0, 0, epoch)
    assert answer.total == MAX_PROVIDERS_OF_KEY
    assert min(unpack_record(raw).issued for raw in answer.records) == epoch + 5
    assert len(storage) == MAX_PROVIDERS_OF_KEY


def test_each_turn_begins_with_other_providers_but_complete_ones_come_first(storage, provider, epoch):
    for node in range(20):
        storage.put(provider(node=node, complete=node == 7), epoch)
    samples = [storage.providers(KEY, turn, 0, epoch).records for turn in range(5)]
    assert all(unpack_record(sample[0]).complete for sample in samples)
    assert len({sample[1] for sample in samples}) == 5


def test_pages_of_one_turn_together_hold_every_provider_once(storage, provider, epoch):
    for node in range(20):
        storage.put(provider(node=node, complete=node % 3 == 0), epoch)
    everything = storage.providers(KEY, 4, 0, epoch)
    assert everything.total == len(set(everything.records)) == 20
    for skip in range(21):
        page = storage.providers(KEY, 4, skip, epoch)
        assert (page.records, page.total) == (everything.records[skip:], 20)


def test_total_is_capped_and_known_records_are_still_renewed(provider, named, epoch):
    storage = Storage(max_records=3)
    for number in range(5):
        storage.put(provider(digest=Digest.of(b"%d" % number)), epoch)
    storage.put(named(), epoch)
    assert len(storage) == 3
    storage.put(provider(digest=Digest.of(b"0"), issued=epoch + 9), epoch)
    (raw,) = storage.providers(key_of_digest(Digest.of(b"0")), 0, 0, epoch).records
    assert unpack_record(raw).issued == epoch + 9
    storage.expire(epoch + 10**8)
    storage.put(named(issued=epoch + 10**8), epoch + 10**8)
    assert len(storage) == 1


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
