import os
import subprocess
import sys
from dataclasses import replace

import pytest

from netsim.scenarios import crowds
from netsim.scenarios.catalogue import SCENARIOS
from netsim.scenarios.options import Options
from netsim.scenarios.rollout import Kill, Pull, RegistryDown, Rollout
from netsim.simulate.crowd import simulate
from netsim.simulate.parameters import Parameters
from netsim.sizes import MIB

SMALL = Options(nodes=4, size=4 * MIB, rate=50)
ROLLOUTS = [name for name, make in SCENARIOS.items() if isinstance(make(SMALL), Rollout)]


def run(rollout, options=SMALL, **changes):
    return simulate(rollout, options, tell=lambda _: None, **changes)


@pytest.mark.parametrize("name", ROLLOUTS)
def test_every_rollout_ends_well_at_all_nodes_that_live(name):
    rollout = SCENARIOS[name](SMALL)

    result = run(rollout)

    assert len(result.pulls) == len(rollout.pulls)
    assert {pulled.reason for pulled in result.pulls if not pulled.is_lost} == {""}
    assert all(pulled.ended is None or pulled.ended > pulled.began for pulled in result.pulls)


def test_one_copy_leaves_the_registry_for_all():
    rollout = crowds.cold(SMALL)

    result = run(rollout)

    assert result.upstream == (pytest.approx(1.0, abs=0.05),)
    last = max(pulled.ended for pulled in result.pulls)
    assert rollout.bound < last < 3 * rollout.bound + 1


def test_without_others_to_trade_with_each_gets_it_from_the_one_that_has_it():
    alone = crowds.warm(replace(SMALL, nodes=1))

    (pulled,) = run(alone, replace(SMALL, nodes=1)).pulls

    assert alone.bound < pulled.ended < 1.1 * alone.bound + 1


def test_when_the_head_of_a_chain_dies_the_others_go_on():
    rollout = crowds.cold(SMALL)
    first = replace(rollout, pulls=(Pull(0), Pull(1, at=0.5), Pull(2, at=0.5)), faults=(Kill(0.7, (0,)),))

    head, *others = run(first).pulls

    assert head.is_lost
    assert all(pulled.ended for pulled in others)


def test_a_node_that_stands_still_costs_the_time_until_that_is_noticed():
    rollout = crowds.cold(SMALL)
    first = replace(rollout, pulls=(Pull(0), Pull(1, at=0.5), Pull(2, at=0.5)))

    def last(*, stay_connected):
        head, *others = run(replace(first, faults=(Kill(0.7, (0,), stay_connected),))).pulls
        assert head.is_lost
        return max(pulled.ended for pulled in others)

    assert 1.0 < last(stay_connected=True) - last(stay_connected=False) < 6.0


def test_while_nodes_die_those_behind_them_go_on_with_others_and_not_with_the_registry():
    options = Options(nodes=200, size=8 * MIB, rate=50)

    result = run(SCENARIOS["churn"](options), options)

    assert {pulled.reason for pulled in result.pulls if not pulled.is_lost} == {""}
    assert result.upstream[0] < 3.2


def test_while_the_registry_is_down_for_good_nobody_gets_what_only_it_has():
    rollout = replace(crowds.cold(SMALL), faults=(RegistryDown(0.0, 1000.0),))

    result = run(rollout)

    assert all(pulled.ended is None and pulled.reason for pulled in result.pulls)


@pytest.mark.parametrize("seconds", [4.0, 11.0])
def test_a_registry_that_is_silent_for_seconds_fails_nobody(seconds):
    rollout = replace(crowds.cold(SMALL), faults=(RegistryDown(0.4, 0.4 + seconds),))

    result = run(rollout)

    assert {pulled.reason for pulled in result.pulls} == {""}
    assert max(pulled.ended for pulled in result.pulls) > 0.4 + seconds


@pytest.mark.parametrize("make", [crowds.cold, crowds.warm])
def test_a_board_in_place_of_lookups_makes_little_difference(make):
    by_lookups, by_board = run(make(SMALL)), run(make(SMALL), parameters=Parameters(many=0, step_of_many=0.02))

    last = [max(pulled.ended for pulled in result.pulls) for result in (by_lookups, by_board)]
    assert last[1] == pytest.approx(last[0], rel=0.2)


_PRINT = """
from dataclasses import replace
from netsim.scenarios import crowds
from netsim.scenarios.options import Options
from netsim.sizes import MIB
from netsim.simulate.crowd import simulate
for make in (crowds.cold, crowds.warm):
    options = Options(nodes=6, size=2 * MIB, rate=50)
    print(replace(simulate(make(options), options, tell=lambda _: None), seconds=0))
"""


def test_the_same_seed_gives_the_same_to_the_byte_in_another_process():
    def output(hash_seed):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        return subprocess.run([sys.executable, "-c", _PRINT], env=environment, capture_output=True, check=True).stdout

    first = output("1")

    assert first
    assert first == output("2")
