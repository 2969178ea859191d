import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from netsim.scenarios.catalogue import SCENARIOS
from netsim.scenarios.directories import sizes_up_to
from netsim.scenarios.directory import Directory
from netsim.scenarios.options import Options
from netsim.simulate.directory import simulate

SMALL = Options(nodes=30)
_HERE = Path(__file__).parent
NAMES = [name for name, make in SCENARIOS.items() if isinstance(make(SMALL), Directory)]


def _small(name, options=SMALL, **changed):
    scenario = replace(SCENARIOS[name](options), sizes=(options.nodes,), **{"lookups": 40, "keys": 20} | changed)
    return simulate(scenario, options, tell=lambda _: None)


def _told():
    runs = [_small(name, lookups=20, dead=(0.0, 0.2), seconds=5.0) for name in NAMES]
    return json.dumps([[list(map(asdict, run.lookups)), list(map(asdict, run.loads))] for run in runs])


def test_the_same_seed_gives_the_same_to_the_byte_whatever_order_sets_are_in():
    def told_by_another(hash_seed):
        code = "import test_directory; print(test_directory._told())"
        return subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{Path.cwd()}{os.pathsep}{_HERE}"},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout

    assert told_by_another("1") == told_by_another("2") != b""


def test_another_seed_gives_something_else():
    first, second = (_small("lookup", replace(SMALL, seed=seed), dead=(0.0,)) for seed in (1, 2))

    assert first.lookups != second.lookups


def test_lookups_find_what_lives_when_a_fifth_of_the_nodes_has_just_died():
    run = _small("lookup", Options(nodes=60), dead=(0.0, 0.2))

    assert [(row.nodes, row.dead) for row in run.lookups] == [(60, 0.0), (60, 0.2)]
    for row in run.lookups:
        assert row.found == row.lookups == len(row.hops) == len(row.latencies) == 40
        assert max(row.hops) <= 4
        assert row.datagrams > 4
    alive, dead = run.lookups
    assert sum(dead.latencies) > sum(alive.latencies)


def test_lookups_take_longer_where_datagrams_are_lost():
    reliable = _small("lookup", dead=(0.0,)).lookups[0]
    lossy = _small("lookup", dead=(0.0,), loss=0.2).lookups[0]

    assert lossy.found == lossy.lookups
    assert sum(lossy.latencies) > sum(reliable.latencies)


def test_all_find_a_hot_key_and_those_nearest_to_it_bear_the_load():
    run = _small("hot-key", Options(nodes=60))

    (found,), (load,) = run.lookups, run.loads
    assert found.found == found.lookups == 59
    assert sum(sorted(load.asked)[-8:]) > sum(load.asked) / 3
    assert sorted(load.kept)[-8:] == [60] * 8


def test_many_keys_are_each_kept_by_eight_and_by_who_announced_them():
    run = _small("many-keys", keys=300)

    (found,), (load,) = run.lookups, run.loads
    assert found.found == found.lookups
    assert 8 * 300 < sum(load.kept) <= 9 * 300


def test_a_steady_state_costs_the_more_the_more_is_announced():
    few, many = (_small("steady-state", keys=keys, seconds=30.0).loads[0] for keys in (20, 80))

    assert many.keys == 80 * 30
    assert many.bytes_per_second > 2 * few.bytes_per_second > 0
    assert many.memory > few.memory
    assert sum(many.kept) > 3 * sum(few.kept)


@pytest.mark.parametrize(("nodes", "sizes"), [(20, (20,)), (300, (100, 300)), (400, (100, 300, 400))])
def test_sizes_are_tried_up_to_the_one_that_was_asked_for(nodes, sizes):
    assert sizes_up_to(nodes) == sizes
