"""All rollouts as descriptions: what holds for each whatever the options, and the bounds of some by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsim.scenarios.catalogue import SCENARIOS
from netsim.scenarios.faults import resumed
from netsim.scenarios.network import BYTES_PER_MBIT
from netsim.scenarios.options import Options
from netsim.scenarios.rollout import Kill, Partition, RegistryDown, Rollout, Start
from netsim.sizes import MIB

ROLLOUTS = sorted(name for name, make in SCENARIOS.items() if isinstance(make(Options()), Rollout))
# 25 Mbit/s are 3.125 MB/s: 50 MB take 16 s
USUAL = Options(nodes=10, size=50_000_000, rate=25)

options = st.builds(
    Options,
    nodes=st.integers(1, 60),
    seed=st.integers(0, 9),
    size=st.integers(1, 80 * MIB),
    rate=st.floats(0.5, 1000),
)


@given(st.sampled_from(ROLLOUTS), options)
def test_a_rollout_can_be_carried_out_whatever_its_size(name, options):
    rollout = SCENARIOS[name](options)
    hosts = range(len(rollout.network.hosts))
    started = {node for fault in rollout.faults if isinstance(fault, Start) for node in fault.nodes}

    assert rollout.name == name
    assert rollout.question.endswith("?")
    assert len(rollout.pulls) >= options.nodes
    assert {pull.node for pull in rollout.pulls} <= set(hosts)
    assert all(sum(image.layers) == options.size and min(image.layers) >= 0 for image in rollout.images)
    assert rollout.network.registry or set(rollout.holders) == set(range(len(rollout.images)))
    assert all(set(nodes) <= set(hosts) - started for nodes in rollout.holders.values())
    assert all(node in rollout.holders[0] for node in rollout.liars)
    # a link has to bring all of it, whatever else happens
    assert rollout.bound >= 0.999 * options.size / (max(host.rate for host in rollout.network.hosts) * BYTES_PER_MBIT)


@given(st.sampled_from(ROLLOUTS), options)
def test_faults_happen_to_nodes_that_are_there_and_end_after_they_began(name, options):
    rollout = SCENARIOS[name](options)
    starts = {node: fault.at for fault in rollout.faults if isinstance(fault, Start) for node in fault.nodes}
    for fault in rollout.faults:
        assert fault.at >= 0
        match fault:
            case Kill(at, nodes) | Partition(at, _, nodes):
                assert nodes
                assert all(starts.get(node, 0) <= at for node in nodes)
                assert not {node for held in rollout.holders.values() for node in held} & set(nodes)
            case RegistryDown():
                assert rollout.network.registry
        if isinstance(fault, Partition | RegistryDown):
            assert fault.until > fault.at
    assert all(pull.at >= starts.get(pull.node, 0) for pull in rollout.pulls)


@given(st.sampled_from(ROLLOUTS), options)
def test_the_same_options_give_the_same_rollout(name, options):
    assert SCENARIOS[name](options) == SCENARIOS[name](options)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("warm-flash-crowd", 16),
        ("cold-flash-crowd", 16),
        ("rolling-update", 16),
        ("staggered", 16),
        ("one-big-layer", 16),
        ("many-small-layers", 16),
        ("mixed-links", 32),  # the slowest has half of the rate
        ("two-zones", 32),  # all of it has to come over half of the rate
        ("churn", 16),
        ("mass-failure", 16),
        ("partition", 24),  # 4 s, cut off for 8 s, the remaining 12 s
        ("registry-outage", 24),
        ("liars", 16),
    ],
)
def test_bounds_are_what_links_allow(name, seconds):
    assert SCENARIOS[name](USUAL).bound == pytest.approx(seconds)


def test_what_is_interrupted_goes_on_where_it_was():
    size = int(10 * BYTES_PER_MBIT)
    assert resumed(size, 1, 4, 7) == pytest.approx(13)
    assert resumed(size, 1, 0, 5) == pytest.approx(15)
    assert resumed(size, 1, 20, 21) == pytest.approx(10)


def test_a_fifth_of_the_nodes_is_updated_at_a_time():
    pulls = SCENARIOS["rolling-update"](USUAL).pulls
    assert [pull.at / 16 for pull in pulls] == [0, 0, 1.5, 1.5, 3, 3, 4.5, 4.5, 6, 6]


def test_who_is_replaced_is_replaced_by_somebody_new_at_once():
    rollout = SCENARIOS["churn"](USUAL)
    kills = [fault for fault in rollout.faults if isinstance(fault, Kill)]
    starts = [fault for fault in rollout.faults if isinstance(fault, Start)]
    assert [fault.at for fault in kills] == [fault.at for fault in starts]
    assert len({node for fault in kills for node in fault.nodes}) == 5
    assert sorted(node for fault in starts for node in fault.nodes) == [10, 11, 12, 13, 14]


def test_a_cluster_too_small_to_lose_a_fifth_loses_nobody():
    few = Options(nodes=4)
    assert SCENARIOS["mass-failure"](few).faults == ()
    assert SCENARIOS["mass-failure"](USUAL).faults[0].at == pytest.approx(8)
    assert len(SCENARIOS["mass-failure"](USUAL).faults[0].nodes) == 2


def test_both_lies_are_told_where_there_are_two_liars():
    assert sorted(SCENARIOS["liars"](USUAL).liars.values()) == ["corrupt pieces", "wrong tree"]
