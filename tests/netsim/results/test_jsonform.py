import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim.results.jsonform import NoResultError, from_json, to_json, verdicts
from netsim.results.run import Pulled


def test_a_result_is_read_back_as_it_was(run, directory_run):
    emulated = replace(run, half="emulate", seconds=12.5, busy=60.0)
    for result in (run, emulated, directory_run):
        assert from_json(to_json(result)) == result


def test_how_long_a_simulation_took_does_not_change_its_json(run, directory_run):
    assert to_json(replace(run, seconds=9.0)) == to_json(run)
    assert to_json(replace(directory_run, seconds=9.0)) == to_json(directory_run)


def test_the_figures_are_beside_the_facts(run):
    figures = json.loads(to_json(run))["figures"]
    assert figures["p50_ratio"] == pytest.approx(1.6)
    assert [goal["met"] for goal in figures["goals"]] == [False, False, True]


def test_what_never_came_is_null(run):
    stuck = replace(run, pulls=(*run.pulls[:-1], Pulled(10, 0, 1.0, None)))
    assert json.loads(to_json(stuck))["figures"]["last"] is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"options": {"nodes": 1}}', '{"options": {}, "half": "simulate"}', "3"]
)
def test_other_json_is_no_result(text):
    with pytest.raises(NoResultError, match="no result"):
        from_json(text)


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_json_is_a_result_or_is_refused(value):
    with pytest.raises(NoResultError):
        from_json(json.dumps(value))


def test_a_result_of_another_kind_than_its_scenario_is_refused(run):
    with pytest.raises(NoResultError, match="lookup"):
        verdicts(replace(run, scenario="lookup"))


def test_a_result_of_no_scenario_is_refused(run):
    with pytest.raises(NoResultError, match="no scenario 'yoga'"):
        verdicts(replace(run, scenario="yoga"))
