import base64
from dataclasses import dataclass

import pytest

from p2player.swarm.tally import Tally

NODE = b"-P2-" + base64.urlsafe_b64encode(bytes([0xAB] * 12))
FOREIGN = b"-LI0000-" + bytes(12)


@dataclass
class Status:
    total_payload_download: int = 0
    total_failed_bytes: int = 0
    total_redundant_bytes: int = 0


class Pid:
    def __init__(self, raw):
        self.to_bytes = lambda: raw


class Peer:
    def __init__(self, pid, total_download, ip=("10.0.0.1", 1)):
        self.ip, self.pid, self.total_download = ip, Pid(pid), total_download


@pytest.fixture
def tally():
    return Tally()


def test_what_came_wrong_or_twice_is_not_counted_as_received(tally):
    tally.on_status(Status(100, total_failed_bytes=20, total_redundant_bytes=10))
    assert (tally.received, tally.useless) == (70, 30)


def test_what_was_received_does_not_become_less_when_some_of_it_turns_out_wrong(tally):
    tally.on_status(Status(100))
    tally.on_status(Status(110, total_failed_bytes=50))
    assert (tally.received, tally.useless) == (100, 50)


def test_a_second_torrent_adds_to_the_first(tally):
    tally.on_status(Status(100, total_failed_bytes=20))
    tally.on_peers([Peer(NODE, 100)])
    tally.begin_anew()
    assert (tally.received, tally.useless, tally.connected) == (80, 20, 0)
    tally.on_status(Status(10, total_redundant_bytes=1))
    tally.on_peers([Peer(NODE, 10)])
    assert (tally.received, tally.useless, tally.connected) == (89, 21, 1)
    assert tally.by_peer() == {"ab" * 4: 110}


def test_bytes_are_told_by_node_and_by_address(tally):
    tally.on_peers([Peer(NODE, 3), Peer(NODE, 4, ("10.0.0.1", 2)), Peer(FOREIGN, 5), Peer(FOREIGN, 0, ("10.0.0.3", 1))])
    assert tally.by_peer() == {"ab" * 4: 7, "10.0.0.1:1": 5}
    assert tally.by_address() == {("10.0.0.1", 1): 8, ("10.0.0.1", 2): 4}


def test_who_has_left_keeps_what_it_gave(tally):
    tally.on_peers([Peer(NODE, 3)])
    tally.on_peers([])
    assert tally.by_peer() == {"ab" * 4: 3}
    assert tally.connected == 0
