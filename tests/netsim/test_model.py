from dataclasses import replace
from pathlib import Path

import pytest

from netsim.results.jsonform import to_json
from netsim.scenarios import crowds
from netsim.scenarios.options import Options
from netsim.simulate.compare import compare
from netsim.simulate.crowd import simulate
from netsim.sizes import MIB

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))
"""Each what `python -m netsim emulate` printed with --json, of the scenario, nodes, size and rate that stand in it."""


@pytest.mark.parametrize("recording", [pytest.param(path, id=path.stem) for path in RECORDED])
def test_the_model_takes_as_long_as_emulated_nodes_within_fifteen_percent(recording):
    comparison = compare(recording)

    assert comparison.furthest <= 0.15, comparison.text


@pytest.fixture
def recording(tmp_path):
    options = Options(nodes=3, size=MIB, rate=20)

    def write(slower):
        run = simulate(crowds.cold(options), options, tell=lambda _: None)
        pulls = tuple(replace(pulled, ended=pulled.ended * slower) for pulled in run.pulls)
        path = tmp_path / "run.json"
        path.write_text(to_json(replace(run, half="emulate", pulls=pulls)))
        return path

    return write


def test_a_recording_of_the_model_itself_is_met(recording):
    assert compare(recording(slower=1)).furthest == 0


def test_a_model_that_is_too_fast_is_told(recording):
    comparison = compare(recording(slower=1.25))

    assert comparison.furthest == pytest.approx(0.2)
    assert "-20.0%" in comparison.text


def test_what_was_simulated_is_no_recording(tmp_path):
    options = Options(nodes=2, size=MIB, rate=20)
    path = tmp_path / "run.json"
    path.write_text(to_json(simulate(crowds.cold(options), options, tell=lambda _: None)))

    with pytest.raises(ValueError, match="no recorded emulation"):
        compare(path)
