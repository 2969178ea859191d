from random import Random

from netsim.simulate.board import Board
from p2player.dht.records import NodeAddress, Provider
from p2player.dht.storage import MAX_PROVIDERS_OF_KEY
from p2player.oci.digest import Digest

DIGEST = Digest("sha256", "ab" * 32)
ADDRESS = NodeAddress("10.0.0.1", 7400, 7401)


def record(number, *, complete=False):
    return Provider(number.to_bytes(32, "big"), DIGEST, 1, bytes(32), ADDRESS, complete, number, number + 10_000)


def test_complete_providers_come_first_and_the_asker_is_left_out():
    board = Board(0.0, Random(1), 1000)
    for number in range(20):
        board.put(record(number, complete=number == 7))

    found = board.some(DIGEST, 5, record(3).public_key)

    assert found[0].public_key == record(7).public_key
    assert len(found) == 5
    assert record(3).public_key not in [each.public_key for each in board.some(DIGEST, 100, record(3).public_key)]


def test_the_oldest_makes_room():
    board = Board(0.0, Random(1), 1000)
    for number in range(MAX_PROVIDERS_OF_KEY + 1):
        board.put(record(number))

    found = {each.public_key for each in board.some(DIGEST, 1000, b"")}

    assert len(found) == MAX_PROVIDERS_OF_KEY
    assert record(0).public_key not in found


def test_who_withdraws_is_found_no_more():
    board = Board(0.0, Random(1), 1000)
    board.put(record(1))
    board.remove(DIGEST, record(1).public_key)

    assert board.some(DIGEST, 5, b"") == []
