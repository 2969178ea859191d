from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsim.soak.gauges import BOUNDS, Sample, counted, left_over, trends
from p2player.swarm.settings import FILE_POOL

MIB = 1 << 20


def samples(memory_of):
    return [Sample(at, memory_of(at), 8, 20) for at in range(100)]


def trend_of(found, gauge):
    return next(trend for trend in found if trend.gauge == gauge)


def test_memory_that_grows_in_the_first_half_only_is_flat():
    found = list(trends(samples(lambda at: min(at, 50) * 10 * MIB), 100))
    assert {trend.gauge for trend in found} == set(BOUNDS)
    assert all(trend.is_flat for trend in found)


def test_memory_that_goes_on_growing_is_not_flat():
    found = list(trends(samples(lambda at: at * 10 * MIB), 100))
    assert not trend_of(found, "memory").is_flat
    assert trend_of(found, "tasks").is_flat


@given(st.floats(1, 1e6), st.integers(0, 1 << 40))
def test_what_stays_the_same_is_flat(end, memory):
    found = list(trends([Sample(end * part / 9, memory, 8, 20) for part in range(10)], end))
    assert len(found) == len(BOUNDS)
    assert all(trend.is_flat for trend in found)


def test_a_single_high_sample_is_no_growth():
    found = trends(samples(lambda at: 900 * MIB if at == 90 else 100 * MIB), 100)
    assert trend_of(found, "memory").is_flat


@pytest.mark.parametrize("end", [0.0, 1000.0])
def test_without_samples_in_both_quarters_there_is_no_trend(end):
    assert not list(trends(samples(lambda at: at), end))


def test_a_bound_is_what_may_be_added_at_most():
    bound = BOUNDS["memory"]
    assert bound.allows(100 * MIB, 126 * MIB)
    assert not bound.allows(100 * MIB, 127 * MIB)


def test_a_node_that_is_quiet_may_have_a_few_more_of_all_and_any_memory():
    before = Sample(0, 50 * MIB, 8, 20)
    assert not left_over(before, Sample(99, 900 * MIB, 16, 28))
    assert left_over(before, Sample(99, 50 * MIB, 17, 29)) == ["tasks", "descriptors"]


def test_a_node_that_is_quiet_may_have_as_many_blobs_open_as_libtorrent_keeps_and_none_that_is_removed():
    before = Sample(0, 50 * MIB, 8, 20, blobs_open=3)
    assert not left_over(before, Sample(99, 50 * MIB, 8, 20, blobs_open=FILE_POOL))
    assert left_over(before, Sample(99, 50 * MIB, 8, 20, blobs_open=FILE_POOL + 1, removed_open=1)) == [
        "blobs_open",
        "removed_open",
    ]


def test_descriptors_of_blobs_and_of_removed_files_are_counted_for_themselves():
    files = ["socket:[7]", "/data/lock", "/data/store/blobs/sha256/ab", "/data/store/blobs/sha256/cd (deleted)"]
    assert counted(1.0, 50 * MIB, 8, files, Path("/data/store")) == Sample(
        1.0, 50 * MIB, 8, 2, blobs_open=1, removed_open=1
    )
