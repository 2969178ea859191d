import pytest

from p2player.dht.shares import Shares


def test_records_are_counted_by_signer_and_known_in_order():
    shares = Shares()
    for place in ((b"1", b"a"), (b"2", b"a"), (b"3", "name")):
        shares.add(b"a", place)
    shares.add(b"b", (b"1", b"b"))
    assert (shares.count(b"a"), shares.count(b"b"), shares.count(b"c")) == (3, 1, 0)
    assert shares.largest() == b"a"
    assert shares.oldest(b"a") == (b"1", b"a")
    shares.remove(b"a", (b"1", b"a"))
    assert shares.oldest(b"a") == (b"2", b"a")


def test_who_has_nothing_left_is_forgotten():
    shares = Shares()
    shares.add(b"a", (b"1", b"a"))
    shares.remove(b"a", (b"1", b"a"))
    with pytest.raises(ValueError, match="empty"):
        shares.largest()
