from netsim.results.sets import small_set, whole_set
from netsim.scenarios.catalogue import SCENARIOS
from netsim.scenarios.rollout import Rollout


def test_every_scenario_is_run_with_a_thousand_nodes_but_one_and_every_rollout_in_both_halves():
    entries = whole_set()
    large = {entry.scenario for entry in entries if entry.half == "simulate" and entry.options.nodes >= 1000}
    assert large == set(SCENARIOS) - {"two-zones"}, "which takes minutes"
    emulated = {(entry.scenario, entry.options) for entry in entries if entry.half == "emulate"}
    simulated = {(entry.scenario, entry.options) for entry in entries if entry.half == "simulate"}
    assert emulated < simulated
    rollouts = {name for name, make in SCENARIOS.items() if isinstance(make(entries[0].options), Rollout)}
    assert {name for name, _ in emulated} == rollouts


def test_no_two_runs_have_the_same_name():
    for entries in (whole_set(), small_set()):
        assert len({entry.name for entry in entries}) == len(entries)


def test_the_emulated_set_is_done_in_a_quarter_of_an_hour_if_pulls_take_half_more_than_their_bound():
    # Ten seconds for starting and ending nodes; a pull that begins last ends last.
    times = []
    for entry in whole_set():
        rollout = SCENARIOS[entry.scenario](entry.options)
        if entry.half == "emulate":
            times.append(10 + 1.5 * rollout.bound + max(pull.at for pull in rollout.pulls))
    assert sum(times) < 15 * 60
