import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import COUNT, MIB_PER_SECOND, MILLISECONDS, AtMost, Figure, Plain, Samples, TimesPlain

POSITIVE = st.floats(1e-3, 1e6)


def figure(*values, unit=MIB_PER_SECOND, plain=None, target=None):
    return Figure("it", unit, Samples(values), plain and Plain("tool", Samples(plain)), target)


def test_the_median_is_the_middle_one():
    assert Samples.of([9, 1, 2]).median == 2


def test_nothing_measured_has_no_median():
    with pytest.raises(ValueError, match="nothing was measured"):
        Samples.of([])


def test_twice_the_rate_and_half_the_time_are_both_twice_as_fast():
    assert figure(200, plain=[100]).ratio == 2
    assert figure(50, unit=MILLISECONDS, plain=[100]).ratio == 2


def test_the_ratio_is_that_of_pairs_so_a_slow_minute_does_not_count():
    # In the second round the machine was ten times as slow, for both.
    assert figure(80, 8, 80, plain=[100, 10, 100]).ratio == pytest.approx(0.8)


def test_pairs_have_two_halves():
    with pytest.raises(ValueError, match="shorter"):
        _ = figure(1, 2, plain=[1]).ratio


def test_without_a_plain_tool_there_is_no_ratio():
    assert figure(1).ratio is None


def test_what_is_counted_is_not_fast():
    assert figure(0, unit=COUNT, plain=[5]).ratio is None


@given(st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1))
def test_the_ratio_is_never_outside_those_of_the_pairs(pairs):
    ours, plain = zip(*pairs, strict=True)
    ratios = [first / second for first, second in pairs]
    ratio = figure(*ours, plain=plain).ratio
    assert min(ratios) <= ratio <= max(ratios)


@pytest.mark.parametrize(("value", "met"), [(99, True), (100, True), (100.1, False)])
def test_at_most_is_about_the_figure_itself(value, met):
    assert figure(value, target=AtMost(100)).is_met is met


@pytest.mark.parametrize(("value", "met"), [(79, False), (80, True), (300, True)])
def test_times_plain_is_about_the_ratio(value, met):
    assert figure(value, plain=[100], target=TimesPlain(0.8)).is_met is met


def test_a_ratio_that_was_not_measured_meets_nothing():
    assert figure(100, target=TimesPlain(0.8)).is_met is False


def test_without_a_target_nothing_is_met_or_missed():
    assert figure(1).is_met is None


def test_targets_and_values_are_written_with_their_units():
    assert AtMost(5).text(MILLISECONDS) == "≤ 5 ms"
    assert TimesPlain(0.8).text(MIB_PER_SECOND) == "≥ 0.8x"
    assert MIB_PER_SECOND.text(1234.5) == "1,234 MiB/s"
