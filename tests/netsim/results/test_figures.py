import math
from dataclasses import replace

import pytest

from netsim.results.figures import durations, figures_of, verdicts_of
from netsim.results.run import Pulled
from netsim.scenarios.crowds import cold, warm


def test_times_are_those_of_nodes_that_somebody_waits_for(run):
    rollout = warm(run.options)
    figures = figures_of(rollout, run)
    assert len(durations(run)) == 9
    assert figures.times(figures.p50) == pytest.approx(1.6)
    assert figures.times(figures.last) == pytest.approx(2.0)
    assert figures.finished == 1


def test_a_pull_that_did_not_end_well_is_the_last_for_ever(run):
    pulls = (*run.pulls[:-1], Pulled(10, 0, 1.0, None, reason="nobody has it"))
    rollout = warm(run.options)
    figures = figures_of(rollout, replace(run, pulls=pulls))
    assert figures.last == math.inf
    assert figures.finished == pytest.approx(8 / 9)
    missed = {verdict.figure: verdict.found for verdict in verdicts_of(rollout, figures) if not verdict.is_met}
    assert missed["last"] == "never"
    assert "pulls that end well" in missed


def test_bytes_are_shares_of_what_was_received(run):
    figures = figures_of(warm(run.options), run)
    assert figures.redundant == pytest.approx(11 * 50 / 10_000)
    assert figures.control == pytest.approx(11 * 10 / 10_000)


def test_copies_are_counted_at_the_seed_and_at_the_registry(run):
    figures = figures_of(warm(run.options), run)
    assert (figures.copies, figures.seed_copies) == (0, 2)
    figures = figures_of(cold(run.options), replace(run, upstream=(1.0, 1.25)))
    assert (figures.copies, figures.seed_copies) == (1.25, None)


def test_nothing_can_be_said_where_all_nodes_died(run):
    with pytest.raises(ValueError, match="no node that lives"):
        figures_of(warm(run.options), replace(run, pulls=run.pulls[:1]))
