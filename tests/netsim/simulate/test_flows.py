import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsim.scenarios.network import Host, Network, alike
from netsim.simulate.flows import REGISTRY, Flows, Links, share

MBIT = 1e6 / 8


def flows(*rows, demand=None):
    links = np.array(rows)
    return Flows(links, np.array(demand or [np.inf] * len(rows), dtype=float))


def test_flows_over_one_link_get_equal_parts_of_it():
    assert share(np.array([9.0, np.inf]), flows([0, 1], [0, 1], [0, 1])).tolist() == [3, 3, 3]


def test_what_one_flow_does_not_need_goes_to_the_others():
    assert share(np.array([9.0, np.inf]), flows([0, 1], [0, 1], demand=[1, 100])).tolist() == [1, 8]


def test_a_flow_that_another_link_limits_leaves_the_rest_of_the_first_to_others():
    rates = share(np.array([10.0, 2.0, np.inf]), flows([0, 1], [0, 2]))

    assert rates.tolist() == [2, 8]


def test_who_wants_nothing_takes_nothing():
    assert share(np.array([10.0]), flows([0], [0], demand=[0, 20])).tolist() == [0, 10]


@st.composite
def any_flows(draw):
    capacity = draw(st.lists(st.floats(0.5, 100), min_size=1, max_size=8))
    link = st.integers(0, len(capacity) - 1)
    rows = draw(st.lists(st.tuples(link, link), min_size=1, max_size=20))
    demand = draw(st.lists(st.floats(0, 100), min_size=len(rows), max_size=len(rows)))
    return np.array(capacity), Flows(np.array([[a, b if b != a else len(capacity)] for a, b in rows]), np.array(demand))


@given(any_flows())
def test_no_link_carries_more_than_it_can_and_nobody_gets_more_than_wanted(case):
    capacity, wanted = case
    capacity = np.append(capacity, np.inf)
    rates = share(capacity, wanted)

    carried = np.bincount(wanted.links.ravel(), weights=np.repeat(rates, 2), minlength=len(capacity))
    assert (carried <= capacity + 1e-6).all()
    assert (rates <= wanted.demand + 1e-9).all()


@given(any_flows())
def test_whoever_gets_less_than_wanted_crosses_a_full_link(case):
    capacity, wanted = case
    capacity = np.append(capacity, np.inf)
    rates = share(capacity, wanted)

    carried = np.bincount(wanted.links.ravel(), weights=np.repeat(rates, 2), minlength=len(capacity))
    is_full = carried >= capacity * (1 - 1e-6)
    for row, rate, demand in zip(wanted.links, rates, wanted.demand, strict=True):
        assert rate >= demand - 1e-6 or is_full[row].any()


def test_nodes_of_one_zone_share_no_link_with_those_of_another():
    links = Links(Network((Host(8), Host(8), Host(8, zone=1)), between_zones=4), 1.0)

    near, far = links.between(np.array([0, 0]), np.array([1, 2]))

    assert links.capacity[near].min() == 8 * MBIT
    assert links.capacity[far].min() == 4 * MBIT
    assert links.delay(0, 2) == pytest.approx(0.0205)


def test_the_registry_has_a_link_of_its_own():
    links = Links(Network(alike(2, 8), registry=3), 1.0)

    (row,) = links.between(np.array([REGISTRY]), np.array([1]))
    links.carry(Flows(np.array([row]), np.array([1.0])), np.array([7.0]))

    assert links.capacity[row].min() == 3 * MBIT
    assert (links.sent(REGISTRY), links.received(1), links.received(0), links.sent(0)) == (7, 7, 0, 0)
