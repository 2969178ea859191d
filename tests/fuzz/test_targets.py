import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.strategies import inputs_of
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@every_target
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_parser_takes_any_input_or_refuses_it_with_an_error_of_its_own(target, data):
    target.accepts(data.draw(inputs_of(target)))


@every_target
def test_seeds_are_taken_so_that_what_is_made_of_them_comes_further_than_the_first_check(target):
    assert target.seeds
    for seed in target.seeds:
        assert len(seed) <= target.max_length
        assert target.accepts(seed), seed


def test_what_a_parser_must_not_raise_is_not_taken_for_a_refusal():
    def parse(data):
        raise {b"bug": KeyError, b"bad": ValueError}[data]

    target = Target("x", parse, (ValueError,), (b"",))
    assert not target.accepts(b"bad")
    with pytest.raises(KeyError):
        target.accepts(b"bug")
