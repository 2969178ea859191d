import socket
from contextlib import ExitStack

import pytest

from p2player.swarm.sockets import connections, cut_off


@pytest.fixture
def connect():
    """Return a function that makes a connection; returns this process's end, and the other."""
    with ExitStack() as stack:

        def make():
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            here = stack.enter_context(socket.create_connection(listening.getsockname()))
            return here, stack.enter_context(listening.accept()[0])

        yield make


def test_a_connection_is_found_by_its_two_ends(connect):
    here, there = connect()
    found = set()
    for port, peer, connection in connections():
        with connection:
            found.add((port, peer))
    assert {(end.getsockname()[1], end.getpeername()) for end in (here, there)} <= found


def test_who_is_cut_off_is_so_in_both_directions_and_others_are_not(connect):
    (here, there), (other, other_there) = connect(), connect()
    cut_off(here.getpeername())
    assert there.recv(1) == b""
    with pytest.raises(BrokenPipeError):
        here.send(b"more")
    other.send(b"!")
    assert other_there.recv(1) == b"!"


def test_to_cut_off_who_has_left_does_nothing(connect):
    here, _ = connect()
    gone = here.getpeername()
    here.close()
    cut_off(gone)
