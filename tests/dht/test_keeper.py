from collections import Counter

from p2player.dht.keeper import Keeper
from p2player.dht.records import unpack_record
from p2player.dht.routing import Table
from p2player.dht.storage import Storage
from p2player.dht.wire import Address

THERE = Address("10.0.0.2", 7400)


class Kept:
    """What a keeper keeps, and the keeper."""

    def __init__(self, path, now_ms, contacts=0):
        self.table = Table(bytes(20))
        self.storage = Storage()
        self.counters = Counter()
        self.meet(contacts)
        self.keeper = Keeper(
            path, self.table, self.storage, unpack=unpack_record, now_ms=lambda: now_ms, counters=self.counters
        )

    def meet(self, contacts):
        for number in range(contacts):
            self.table.heard((number + 1).to_bytes(20, "big"), THERE)


async def test_neighbours_and_records_come_back(tmp_path, provider, epoch):
    before = Kept(tmp_path / "state", epoch, contacts=3)
    before.storage.put(provider(), epoch)
    await before.keeper.save()
    after = Kept(tmp_path / "state", epoch)
    assert after.keeper.load() == (THERE, THERE, THERE)
    await after.keeper.take_back()
    assert list(after.storage) == [provider().pack()]


async def test_records_loaded_but_not_taken_back_yet_are_saved_again(tmp_path, provider, epoch):
    before = Kept(tmp_path / "state", epoch)
    before.storage.put(provider(), epoch)
    await before.keeper.save()
    between = Kept(tmp_path / "state", epoch)
    between.keeper.load()
    await between.keeper.save()
    after = Kept(tmp_path / "state", epoch)
    after.keeper.load()
    await after.keeper.take_back()
    assert list(after.storage) == [provider().pack()]


def test_state_is_to_be_saved_each_time_that_twice_as_many_are_known(tmp_path, epoch):
    kept = Kept(tmp_path / "state", epoch)
    due = []
    for number in range(1, 9):
        kept.meet(number)
        due += [number] if kept.keeper.must_save() else []
    assert due == [1, 2, 4, 8]


async def test_nothing_is_kept_without_a_path(tmp_path, epoch):
    kept = Kept(None, epoch, contacts=3)
    assert not kept.keeper.must_save()
    await kept.keeper.save()
    assert kept.keeper.load() == ()
    assert list(tmp_path.iterdir()) == []


async def test_disk_that_cannot_be_written_is_logged(tmp_path, epoch, caplog):
    await Kept(tmp_path / "absent" / "state", epoch).keeper.save()
    assert "cannot save what the DHT knows" in caplog.text
