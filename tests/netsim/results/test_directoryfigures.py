from dataclasses import replace

from netsim.results.directoryfigures import directory_verdicts, load_figures, lookup_figures
from netsim.scenarios.directories import lookup
from netsim.scenarios.directory import DirectoryGoals


def test_lookups_are_judged_up_to_the_share_of_dead_nodes_that_the_goal_is_about(directory_run):
    directory = lookup(directory_run.options)
    (verdict,) = (one for one in directory_verdicts(directory, directory_run) if one.figure == "lookups that find")
    assert verdict.is_met
    strict = replace(directory, goals=DirectoryGoals(success=0.999, dead=0.4))
    (verdict,) = directory_verdicts(strict, directory_run)
    assert (verdict.is_met, verdict.value) == (False, 97)


def test_a_row_of_lookups_comes_to_shares_and_quantiles(directory_run):
    figures = lookup_figures(directory_run.lookups[-1])
    assert (figures.nodes, figures.dead, figures.success, figures.hops_p99) == (1000, 0.4, 0.97, 3)
    assert figures.latency_p50 < figures.latency_p99


def test_a_row_of_load_comes_to_multiples_of_the_mean(directory_run):
    load = replace(directory_run.loads[0], asked=(1, 1, 4), kept=(0, 0, 0))
    figures = load_figures(load)
    assert (figures.asked_mean, figures.asked_peak) == (2, 2)
    assert (figures.kept_mean, figures.kept_peak) == (0, 1)
