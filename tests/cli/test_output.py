import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.cli.output import Output, duration_text, size_text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345, "12.3 kB"),
        (123_456_789, "123 MB"),
        (5 * 10**16, "50000 TB"),
    ],
)
def test_sizes_are_in_powers_of_1000(count, text):
    assert size_text(count) == text


@given(st.integers(0, 10**18))
def test_every_size_has_a_short_text(count):
    assert len(size_text(count)) <= 10


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59, "59 s"), (90, "2 min"), (7200, "2 h"), (864_000, "10 days")],
)
def test_durations_are_in_the_unit_that_suits(seconds, text):
    assert duration_text(seconds) == text


def test_people_get_lines_and_tables(capsys):
    output = Output()
    output.data({"a": 1})
    output.line("text")
    output.table(("A", "LONG"), [("wider", "x"), ("b", "")])
    assert capsys.readouterr().out.splitlines() == ["text", "A       LONG", "wider   x", "b"]


def test_programs_get_objects_only(capsys):
    output = Output()
    output.json = True
    output.data({"a": 1})
    output.line("text")
    output.table(("A",), [("b",)])
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [{"a": 1}]
