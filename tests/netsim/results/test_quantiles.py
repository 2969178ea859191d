import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsim.results.quantiles import gini, mean, peak, quantile

values = st.lists(st.floats(0, 1e9), min_size=1, max_size=50)


def test_a_quantile_is_the_nearest_rank():
    assert [quantile([30.0, 10.0, 20.0, 40.0], share) for share in (0.25, 0.5, 0.51, 0.99, 1.0)] == [10, 20, 30, 40, 40]


def test_what_never_came_is_in_the_upper_quantiles():
    assert quantile([1.0, math.inf, 2.0], 0.5) == 2.0
    assert quantile([1.0, math.inf, 2.0], 0.99) == math.inf


def test_there_is_no_quantile_of_nothing():
    with pytest.raises(ValueError, match="nothing"):
        quantile([], 0.5)


@given(values)
def test_a_quantile_is_one_of_the_values_and_grows_with_the_share(some):
    found = [quantile(some, share) for share in (0.0, 0.1, 0.5, 0.99, 1.0)]
    assert found == sorted(found)
    assert found[-1] == max(some)
    assert set(found) <= set(some)


@given(values)
def test_a_mean_is_between_the_smallest_and_the_largest(some):
    assert min(some) * (1 - 1e-9) <= mean(some) <= max(some) * (1 + 1e-9)


def test_nothing_has_the_mean_0():
    assert mean([]) == 0


@given(values)
def test_spread_is_within_its_bounds(some):
    assert peak(some) >= 1 - 1e-9
    assert -1e-9 <= gini(some) < 1


@pytest.mark.parametrize("alike", [[0.0, 0.0], [5.0], [3.0, 3.0, 3.0]])
def test_what_is_alike_is_not_spread(alike):
    assert peak(alike) == 1
    assert gini(alike) == pytest.approx(0)


def test_one_that_has_all_is_spread_most():
    assert peak([0.0, 0.0, 0.0, 8.0]) == 4
    assert gini([0.0, 0.0, 0.0, 8.0]) == 0.75
