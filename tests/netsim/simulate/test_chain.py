import pytest

from netsim.scenarios.network import BYTES_PER_MBIT, Network, alike
from netsim.simulate.chain import Streams
from netsim.simulate.copies import Copies
from netsim.simulate.flows import REGISTRY, Links, share
from netsim.simulate.parameters import Parameters
from netsim.simulate.reach import Reach
from p2player.peer.segments import segment_bytes

SEGMENT = segment_bytes(1)
"""Bytes of a segment of all these blobs: they are small."""

SIZE = 32 * SEGMENT + 5
PARAMETERS = Parameters(efficiency=1.0)


class World:
    def __init__(self, nodes=3, rate=80.0):
        self.copies = Copies(nodes, [SIZE])
        self.links = Links(Network(alike(nodes, rate), registry=rate), 1.0)
        self.reach = Reach(nodes)
        self.streams = Streams(self.copies, self.links, self.reach, PARAMETERS)
        self.now = 0.0

    def steps(self, count):
        done = []
        for _ in range(count):
            self.now += PARAMETERS.step
            flows = self.streams.flows(self.now)
            done += self.streams.advance(share(self.links.capacity, flows))
        return done


def test_a_stream_from_the_registry_takes_what_the_link_takes():
    world = World()
    world.streams.begin(0, REGISTRY, 0.0)
    steps = int(SIZE / (80 * BYTES_PER_MBIT) / PARAMETERS.step) + 1

    assert world.steps(steps - 2) == []
    assert world.steps(3) == [0]
    assert world.copies.from_registry == pytest.approx(SIZE)


def test_a_follower_has_only_whole_segments_of_what_is_ahead_of_it():
    world = World()
    world.streams.begin(0, REGISTRY, 0.0)
    world.streams.begin(1, 0, 0.0)
    world.steps(10)

    assert 0 < world.copies.got[1] <= world.streams.offset(0) < world.copies.got[0]


def test_the_last_segment_is_passed_on_only_when_the_digest_has_matched():
    world = World()
    world.streams.begin(0, REGISTRY, 0.0)
    world.streams.begin(1, 0, 0.0)

    assert world.steps(100) == [0]
    assert world.copies.got[1] == SIZE - 5
    world.copies.finish(0)
    assert world.steps(5) == [1]


def test_nothing_comes_from_a_node_that_is_not_reached():
    world = World()
    world.copies.finish(0)
    world.streams.begin(1, 0, 0.0)
    world.reach.cut([1], 1)
    world.steps(20)
    assert world.copies.got[1] == 0

    world.reach.cut([1], 0)
    world.steps(20)
    assert world.copies.got[1] > 0


def test_whoever_changes_its_source_takes_a_broken_segment_once_more():
    world = World()
    world.copies.finish(0)
    world.copies.got[1] = 2.5 * SEGMENT

    world.streams.begin(1, 0, 0.0)

    assert world.copies.got[1] == 2 * SEGMENT
    assert world.copies.useless[1] == SEGMENT / 2
    assert world.streams.followers(0) == [1]
