from pathlib import Path

from tests.fuzz.__main__ import Outcome, how_to_repeat

OUTPUT = """\
#2	INITED cov: 7 ft: 7 corp: 1/1b exec/s: 0 rss: 84Mb
#3	NEW    cov: 11 ft: 12 corp: 2/2b lim: 4 exec/s: 0 rss: 84Mb L: 1/1 MS: 1 ChangeByte-
stat::number_of_executed_units: 1461833
"""


def test_outcome_is_read_from_what_the_engine_printed_last():
    outcome = Outcome.of("dht.record", OUTPUT, 0, [])
    assert (outcome.executed, outcome.edges, outcome.kept, outcome.failed) == (1461833, 11, 2, False)
    assert not list(how_to_repeat(outcome))


def test_crash_comes_with_the_command_that_shows_it_again():
    outcome = Outcome.of("dht.record", OUTPUT, 77, [Path("crash-1")])
    assert outcome.failed
    (line,) = how_to_repeat(outcome)
    assert line.endswith("tests.fuzz.engine dht.record crash-1")


def test_failure_that_left_no_input_names_the_log():
    outcome = Outcome.of("dht.record", "", 1, [])
    assert (outcome.executed, outcome.edges) == (0, 0)
    assert list(how_to_repeat(outcome)) == ["  see .fuzz/dht.record.log"]
