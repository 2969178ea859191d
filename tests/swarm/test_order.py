import libtorrent as lt
import pytest

from p2player.swarm.order import Order

SEQUENTIAL = lt.torrent_flags.sequential_download


class Handle:
    """A torrent handle that knows its order and which pieces are urgent."""

    def __init__(self):
        self.is_sequential = None
        self.deadlines = {}

    def set_flags(self, flag):
        assert flag == SEQUENTIAL
        self.is_sequential = True

    def unset_flags(self, flag):
        assert flag == SEQUENTIAL
        self.is_sequential = False

    def set_piece_deadline(self, index, milliseconds):
        self.deadlines[index] = milliseconds


class Peer:
    seed = lt.peer_info.seed

    def __init__(self, *, is_seed):
        self.flags = self.seed if is_seed else 0


SEED, TRADER = Peer(is_seed=True), Peer(is_seed=False)


@pytest.fixture
def handle():
    return Handle()


@pytest.fixture
def have():
    return set()


@pytest.fixture
def order(handle, have):
    return Order(handle, 12, have, in_order=True)


def test_after_the_first_piece_the_order_is_free_until_others_had_time_to_turn_up(order, handle):
    order.begun()
    assert handle.is_sequential is False
    order.on_peers([SEED])
    assert handle.is_sequential is False
    order.on_peers([SEED])
    assert handle.is_sequential is True


@pytest.mark.parametrize("connected", [[], [SEED, TRADER]])
def test_where_somebody_trades_or_nobody_is_there_the_order_stays_free(order, handle, connected):
    order.begun()
    for _ in range(5):
        order.on_peers(connected)
    assert handle.is_sequential is False


def test_what_comes_next_in_order_is_not_hurried_and_what_is_far_ahead_is(order, handle, have):
    have.update({0, 1, 9})
    order.hurry(4)
    assert handle.deadlines == {}
    order.hurry(8)
    assert handle.deadlines == {8: 0, 10: 40}


def test_where_the_order_is_free_every_piece_is_hurried(order, handle):
    order.begun()
    order.hurry(0)
    assert handle.deadlines == {0: 0, 1: 20, 2: 40}


def test_nothing_behind_the_last_piece_is_hurried(order, handle):
    order.hurry(11)
    assert handle.deadlines == {11: 0}


def test_another_torrent_keeps_the_order_and_hurries_what_is_still_waited_for(order, have):
    order.begun()
    order.hurry(3)
    order.hurry(9)
    have.add(3)
    order.go_on(handle := Handle())
    assert handle.is_sequential is False
    assert handle.deadlines == {9: 0, 10: 20, 11: 40}


def test_another_torrent_goes_on_in_order(order):
    order.go_on(handle := Handle())
    assert handle.is_sequential is True
    assert handle.deadlines == {}
