import io
import json

from rich.console import Console

from bench.figures import MIB_PER_SECOND, MILLISECONDS, AtMost, Figure, Plain, Samples, Skipped, TimesPlain
from bench.report import print_table, to_json

FAST = Figure("rate", MIB_PER_SECOND, Samples((90, 100, 110)), Plain("curl", Samples((100, 100, 100))), TimesPlain(0.8))
SLOW = Figure("latency", MILLISECONDS, Samples((7.0,)), target=AtMost(5))
SKIPPED = Skipped("clients", "not installed: wrk [debian]")


def printed(*outcomes):
    pipe = io.StringIO()
    print_table("Title", outcomes, Console(file=pipe, highlight=False))
    return pipe.getvalue().splitlines()


def test_the_table_has_a_row_for_each_figure():
    title, head, *rows = printed(FAST, SLOW)
    assert title.strip() == "Title"
    assert head.split() == ["p2player", "plain", "tool", "speed", "target", "met"]
    assert rows[0].split() == ["rate", "100", "MiB/s", "(90-110)", "curl", "100", "MiB/s", "1.00x", "≥", "0.8x", "yes"]
    assert rows[1].split() == ["latency", "7.0", "ms", "≤", "5", "ms", "no"]


def test_what_was_skipped_is_said_with_the_reason():
    assert printed(SKIPPED) == ["not measured: clients: not installed: wrk [debian]", ""]


def test_json_has_all_samples_and_is_told_apart_by_benchmark():
    answer = json.loads(json.dumps(to_json({"first": [FAST], "second": [SLOW, SKIPPED]}, "2 cores")))
    assert answer["machine"] == "2 cores"
    assert answer["figures"][0] == {
        "benchmark": "first",
        "subject": "rate",
        "unit": "MiB/s",
        "median": 100,
        "samples": [90, 100, 110],
        "plain": {"tool": "curl", "median": 100, "samples": [100, 100, 100]},
        "speed": 1.0,
        "target": "≥ 0.8x",
        "met": True,
    }
    assert (answer["figures"][1]["plain"], answer["figures"][1]["met"]) == (None, False)
    assert answer["skipped"] == [{"benchmark": "second", "subject": "clients", "reason": SKIPPED.reason}]
