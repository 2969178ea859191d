import pytest

from netsim.results.verdict import Verdict, at_least, at_most


def test_there_is_no_verdict_without_a_goal():
    assert at_most("last", 2.0, None) == at_least("found", 0.5, None) == ()


@pytest.mark.parametrize(("value", "met"), [(1.2, True), (1.25, True), (1.26, False)])
def test_a_limit_may_be_reached_and_not_passed(value, met):
    (verdict,) = at_most("last", value, 1.25)
    assert verdict.is_met is met


def test_a_value_just_beyond_its_limit_does_not_look_as_if_it_were_within():
    assert Verdict("found", 99.896, "≥", 99.9, "%").found == "99.896 %"
    assert Verdict("found", 99.95, "≥", 99.9, "%").found == "99.95 %"
