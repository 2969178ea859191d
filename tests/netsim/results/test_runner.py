import subprocess
import sys

import pytest

from netsim.results import runner
from netsim.results.collection import load, load_costs
from netsim.results.runner import run_set
from netsim.results.sets import Entry
from netsim.scenarios.options import Options
from netsim.sizes import MIB

SMALL = Options(nodes=2, size=MIB)


@pytest.fixture
def says(monkeypatch):
    """Let runs be of other programs."""

    def run(program):
        start = subprocess.Popen
        monkeypatch.setattr(subprocess, "Popen", lambda _, **pipes: start([sys.executable, "-c", program], **pipes))

    return run


def test_a_run_leaves_its_result_and_what_it_cost(tmp_path):
    told = []
    run_set([Entry("simulate", "cold-flash-crowd", SMALL)], tmp_path, told.append)
    collection = load(tmp_path)
    assert [run.options for run in collection.runs("simulate")] == [SMALL]
    cost = collection.costs["simulate-cold-flash-crowd-2"]
    assert cost.memory > 10 << 20
    assert not cost.failure
    assert told[0] == "1/1 simulate-cold-flash-crowd-2"
    assert not list(tmp_path.glob("*.log"))


def test_a_run_that_fails_is_told_with_its_last_words_and_ends_no_other(says, tmp_path):
    says(
        "import sys; print('   0.1 s  starting', file=sys.stderr); print('no root', file=sys.stderr); sys.exit('use sudo')"
    )
    told = []
    run_set([Entry("emulate", name, SMALL) for name in ("churn", "liars")], tmp_path, told.append)
    assert [cost.failure for cost in load_costs(tmp_path).values()] == ["no root; use sudo"] * 2
    assert told.count("    no root; use sudo") == 2
    assert not list(tmp_path.glob("emulate*.json"))


def test_a_run_that_does_not_end_is_ended(says, monkeypatch, tmp_path):
    says("import time; time.sleep(600)")
    monkeypatch.setitem(runner._LONGEST, "simulate", 0.2)
    run_set([Entry("simulate", "churn", SMALL)], tmp_path, lambda _: None)
    (cost,) = load_costs(tmp_path).values()
    assert cost.failure.startswith("not done after")


def test_an_interruption_ends_the_run_too(says, monkeypatch, tmp_path):
    says("import time; time.sleep(600)")
    started = []
    end = runner._end
    monkeypatch.setattr(runner, "_end", lambda process: (started.append(process), end(process)))

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_set([Entry("simulate", "churn", SMALL)], tmp_path, lambda _: None)
    assert started[0].returncode is not None
    assert not list(tmp_path.glob("simulate*.json"))
