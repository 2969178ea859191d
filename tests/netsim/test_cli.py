import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from netsim.__main__ import main
from netsim.emulate import needs
from netsim.results.jsonform import from_json
from netsim.scenarios.catalogue import SCENARIOS
from netsim.scenarios.directory import Directory
from netsim.scenarios.options import Options


@pytest.fixture
def invoke():
    return lambda *arguments: CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def cut(monkeypatch):
    """Directory scenarios with few digests: what they are like at full size takes minutes."""
    for name, make in SCENARIOS.items():
        if isinstance(make(Options()), Directory):

            def small(options, make=make):
                directory = make(options)
                return replace(directory, keys=min(directory.keys, 10), lookups=10, seconds=min(directory.seconds, 2.0))

            monkeypatch.setitem(SCENARIOS, name, small)


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_each_scenario_is_simulated_small_and_gives_one_object(invoke, cut, name):
    done = invoke("simulate", name, "--nodes", 6, "--size", "2MiB", "--rate", 50, "--json")
    assert done.exit_code == 0, done.output
    result = from_json(done.stdout)
    assert (result.scenario, result.options) == (name, Options(nodes=6, size=2 << 20))
    assert json.loads(done.stdout)["figures"]


def test_a_run_is_written_in_four_forms(invoke, tmp_path):
    done = invoke("simulate", "cold-flash-crowd", "--nodes", 3, "--size", "1MiB", "--output", tmp_path / "new")
    assert done.exit_code == 0, done.output
    written = {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()}
    assert sorted(written) == [f"cold-flash-crowd.{ending}" for ending in ("json", "png", "svg", "txt")]
    assert written["cold-flash-crowd.png"].startswith(b"\x89PNG")
    assert b"<svg" in written["cold-flash-crowd.svg"]
    assert b"D*, the least time" in written["cold-flash-crowd.txt"]
    assert from_json(written["cold-flash-crowd.json"].decode()).options.size == 1 << 20


def test_a_goal_that_is_missed_is_no_failure(invoke, monkeypatch):
    make = SCENARIOS["cold-flash-crowd"]

    def strict(options):
        rollout = make(options)
        return replace(rollout, goals=replace(rollout.goals, median=0.1))

    monkeypatch.setitem(SCENARIOS, "cold-flash-crowd", strict)
    done = invoke("simulate", "cold-flash-crowd", "--nodes", 2, "--size", "1MiB")
    assert done.exit_code == 0
    assert "≤ 0.1 x D*" in done.stdout
    assert "no\n" in done.stdout


def test_the_list_names_every_scenario_and_its_question(invoke):
    done = invoke("list")
    assert done.exit_code == 0
    assert all(name in done.stdout for name in SCENARIOS)
    assert done.stdout.count("simulated only") == 4


def test_an_unknown_scenario_is_answered_with_the_names(invoke):
    done = invoke("simulate", "yoga")
    assert done.exit_code == 2
    assert all(name in done.stderr for name in SCENARIOS)


def test_what_is_about_the_dht_alone_is_not_emulated(invoke):
    done = invoke("emulate", "lookup")
    assert done.exit_code == 2
    assert "simulated only: python -m netsim simulate lookup" in done.stderr


def test_only_root_can_emulate_and_others_are_told_what_to_do(invoke, monkeypatch):
    monkeypatch.setattr(needs, "not_root", lambda: "not root")
    done = invoke("emulate", "warm-flash-crowd", "--nodes", 2)
    assert done.exit_code == 1
    assert "sudo" in done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    "options",
    [
        ("--nodes", "0"),
        ("--nodes", "-1"),
        ("--nodes", "x"),
        ("--size", "1MB"),
        ("--size", "0"),
        ("--rate", "0"),
        ("--rate", "-5"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_refused(invoke, options):
    done = invoke("simulate", "cold-flash-crowd", *options)
    assert done.exit_code == 2
    assert options[0] in done.stderr


def test_an_interruption_ends_it_with_a_word(invoke, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("netsim.__main__.simulate_rollout", interrupted)
    done = invoke("simulate", "cold-flash-crowd")
    assert (done.exit_code, done.stderr, done.stdout) == (130, "interrupted\n", "")


def test_there_is_no_report_of_nothing(invoke, tmp_path):
    done = invoke("report", "--results", tmp_path, "--docs", tmp_path)
    assert done.exit_code == 1
    assert "no results in" in done.stderr
