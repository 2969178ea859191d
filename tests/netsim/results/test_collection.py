from dataclasses import replace

import pytest

from netsim.results.collection import Cost, load, save_costs
from netsim.results.jsonform import NoResultError, to_json
from netsim.scenarios.options import Options


def test_what_was_run_in_both_halves_with_the_same_options_is_a_pair(run, tmp_path):
    emulated = replace(run, half="emulate")
    other = replace(run, half="simulate", options=replace(run.options, seed=8))
    for number, result in enumerate((run, emulated, other)):
        (tmp_path / f"{number}.json").write_text(to_json(result))
    assert load(tmp_path).pairs() == [(emulated, run)]


def test_the_largest_run_of_a_directory_scenario_counts(directory_run, tmp_path):
    small = replace(directory_run, options=Options(nodes=10))
    for number, result in enumerate((directory_run, small)):
        (tmp_path / f"{number}.json").write_text(to_json(result))
    assert load(tmp_path).directory_runs() == [directory_run]


def test_costs_are_read_back_and_are_no_result(run, tmp_path):
    (tmp_path / "run.json").write_text(to_json(run))
    costs = {"run": Cost(1.5, 1000), "other": Cost(3.0, 0, "not root")}
    save_costs(tmp_path, costs)
    collection = load(tmp_path)
    assert (collection.results, collection.costs) == ((run,), costs)


def test_a_file_that_is_no_result_is_named(run, tmp_path):
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(NoResultError, match=r"broken\.json"):
        load(tmp_path)
