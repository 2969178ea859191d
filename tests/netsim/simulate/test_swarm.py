from dataclasses import replace

import pytest

from netsim.scenarios.network import BYTES_PER_MBIT, Network, alike
from netsim.simulate.copies import Copies
from netsim.simulate.flows import Links, share
from netsim.simulate.parameters import Parameters
from netsim.simulate.reach import Reach
from netsim.simulate.swarm import Swarms

SIZE = 8 * 1024 * 1024 + 5
PARAMETERS = Parameters(efficiency=1.0)


class World:
    def __init__(self, nodes, rate=80.0, parameters=PARAMETERS):
        self.copies = Copies(nodes, [SIZE])
        self.links = Links(Network(alike(nodes, rate)), 1.0)
        self.reach = Reach(nodes)
        self.swarms = Swarms(self.copies, self.links, self.reach, parameters, seed=1)
        self.now = 0.0
        self.done = []

    def steps(self, count):
        for _ in range(count):
            self.now += PARAMETERS.step
            flows = self.swarms.flows(self.now)
            rates = share(self.links.capacity, flows)
            self.links.carry(flows, rates * PARAMETERS.step)
            self.done += self.swarms.advance(rates, self.now)
        return self.done


def seconds(count):
    return round(count / PARAMETERS.step)


BOUND = SIZE / (80 * BYTES_PER_MBIT)


def test_one_peer_fetches_all_from_a_seed_at_the_rate_of_the_link():
    world = World(2)
    world.swarms.seed(0)
    world.swarms.join(1, [0], 0.0)

    assert world.steps(seconds(BOUND)) == []
    assert world.steps(seconds(0.6)) == [1]
    assert world.swarms.received(1) == SIZE
    assert world.copies.useless.sum() == 0


def test_peers_trade_what_each_has_from_the_seed():
    world = World(9)
    world.swarms.seed(0)
    for copy in range(1, 9):
        world.swarms.join(copy, [0, *range(1, copy)], 0.0)
    world.steps(seconds(2.5 * BOUND))

    assert sorted(world.done) == list(range(1, 9))
    assert world.links.sent(0) < 3 * SIZE  # eight copies without them


@pytest.mark.parametrize(("most", "givers"), [(2, 2), (3, 3), (9, 5)])
def test_a_copy_connects_to_no_more_peers_than_it_may(most, givers):
    world = World(6, parameters=replace(PARAMETERS, most_peers=most))
    for copy in range(1, 6):
        world.swarms.seed(copy)
    world.swarms.join(0, range(1, 6), 0.0)
    world.steps(seconds(BOUND + 2))

    assert world.done == [0]
    assert sum(world.links.sent(copy) > 0 for copy in range(1, 6)) == givers


def test_looking_less_often_for_what_to_ask_for_takes_hardly_longer():
    world = World(2, parameters=replace(PARAMETERS, ask_every=0.2))
    world.swarms.seed(0)
    world.swarms.join(1, [0], 0.0)

    assert world.steps(seconds(BOUND + 0.8)) == [1]


def test_a_corrupt_peer_is_left_after_a_piece_and_costs_what_it_sent():
    world = World(3)
    world.swarms.seed(0)
    world.swarms.seed(1, is_corrupt=True)
    world.swarms.join(2, [0, 1], 0.0)
    world.steps(seconds(BOUND + 2))

    assert world.done == [2]
    assert 0 < world.copies.useless[2] < SIZE / 10


def test_what_a_silent_peer_was_asked_for_is_asked_of_another():
    world = World(3)
    world.swarms.seed(0)
    world.swarms.seed(1)
    world.swarms.join(2, [0, 1], 0.0)
    world.steps(seconds(0.3))
    world.reach.cut([1], 1)
    world.steps(seconds(BOUND + 5))

    assert world.done == [2]


def test_a_peer_that_left_has_nothing_any_more():
    world = World(3)
    world.swarms.seed(0)
    world.swarms.join(1, [0], 0.0)
    world.steps(seconds(0.5))
    assert world.swarms.pieces(1)
    assert world.swarms.received(1) > (world.swarms.pieces(1) - 1) * 64 * 1024  # the last one has five bytes

    world.swarms.leave(1)
    world.steps(10)

    assert (world.swarms.pieces(1), world.swarms.received(1)) == (0, 0)


def test_the_registry_gives_what_is_missing():
    world = World(2)
    world.links = Links(Network(alike(2, 80.0), registry=80.0), 1.0)
    world.swarms = Swarms(world.copies, world.links, world.reach, PARAMETERS, seed=1)
    world.swarms.join(1, [], 0.0)
    world.swarms.rescue(1, 0.0)
    world.steps(seconds(BOUND + 1))

    assert world.done == [1]
    assert world.copies.from_registry == pytest.approx(SIZE, rel=0.01)
