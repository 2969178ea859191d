import io
import json
from collections import Counter

from rich.console import Console

from netsim.soak.gauges import Sample, Trend
from netsim.soak.report import Course, Report
from netsim.soak.run import growth

BEFORE = Sample(0, 50 << 20, 8, 20)


def course(after, *trends):
    return Course(1, BEFORE, after, trends or (Trend("tasks", 20, 20),))


def test_a_node_that_is_as_it_was_has_not_grown():
    assert not list(growth(course(Sample(99, 80 << 20, 9, 22))))


def test_what_is_left_when_all_is_quiet_is_growth():
    (text,) = growth(course(Sample(99, 80 << 20, 9, 200)))
    assert "200 descriptors" in text
    (text,) = growth(course(Sample(99, 80 << 20, 90, 20)))
    assert "90 tasks" in text
    (text,) = growth(course(Sample(99, 80 << 20, 9, 20, removed_open=1)))
    assert "1 removed open" in text


def test_what_grows_in_the_second_half_is_growth():
    (text,) = growth(course(BEFORE, Trend("memory", 100 << 20, 200 << 20)))
    assert "memory" in text


def test_a_report_says_the_same_to_programs_and_to_people():
    report = Report(7, 60.0, {"pull": Counter(done=3, refused=1)}, Counter({"pull: 404": 1}), [course(BEFORE)], 12)
    assert json.loads(json.dumps(report.to_json()))["passed"]
    report.wrong.append("node 1: 3 files are left")
    assert not json.loads(json.dumps(report.to_json()))["passed"]
    shown = io.StringIO()
    report.print(Console(file=shown, width=120))
    for text in ("seed 7", "pull: 404", "12 blobs verified", "WRONG: node 1: 3 files are left"):
        assert text in shown.getvalue()
