from itertools import count

from p2player.oci.digest import Digest
from p2player.pull.journal import HistoryEntry, Journal

DIGEST = Digest.of(b"blob")


def test_entries_are_told_oldest_first_with_their_time():
    ticks = count(100)
    journal = Journal(lambda: float(next(ticks)))
    journal.add(DIGEST, "one")
    journal.add(DIGEST, "two")
    assert journal.of(DIGEST) == (HistoryEntry(100.0, "one"), HistoryEntry(101.0, "two"))


def test_nothing_is_known_of_another_digest():
    journal = Journal()
    journal.add(DIGEST, "one")
    assert journal.of(Digest.of(b"other")) == ()


def test_neither_many_entries_nor_many_digests_make_it_grow_without_end():
    journal = Journal()
    for number in range(100):
        journal.add(DIGEST, str(number))
    assert [entry.what for entry in journal.of(DIGEST)] == [str(number) for number in range(60, 100)]
    for number in range(1000):
        journal.add(Digest.of(str(number).encode()), "another")
    assert journal.of(DIGEST) == ()
    assert journal.of(Digest.of(b"0")) != ()
