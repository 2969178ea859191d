from dataclasses import replace

import pytest

from netsim.results.collection import Collection, Cost
from netsim.results.growth import growths
from netsim.results.scale import BEGIN, END, page, write
from netsim.scenarios.catalogue import SCENARIOS


@pytest.fixture
def docs(tmp_path):
    (tmp_path / "beyond.md").write_text(f"before\n{BEGIN}\n{END}\nafter\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def collection(run, directory_run):
    larger = [replace(run, options=replace(run.options, nodes=nodes)) for nodes in (100, 1000)]
    costs = {
        "simulate-warm-flash-crowd-1000": Cost(42.0, 300 << 20),
        "emulate-churn-8": Cost(0.1, 0, "only root can make networks of its own"),
    }
    return Collection((run, replace(run, half="emulate"), *larger, directory_run), costs)


def test_the_page_has_all_that_was_run_and_says_what_was_not(collection):
    drawn = {"completion", "spread", "directory", "growth"}
    shown = page(collection, drawn, {"emulate.warm-flash-crowd": "it is a test"})
    assert all(f"`{name}`" in shown for name in SCENARIOS)
    assert "only root can make networks of its own" in shown
    assert "42 s" in shown
    missed = r"| median 1.60 x D\* (≤ 1.25 x D\*), last 2.00 x D\* (≤ 1.5 x D\*) |"
    assert f"{missed} it is a test |" in shown
    assert f"{missed} not known yet |" in shown
    assert all(f"plots/{name}.svg" in shown for name in drawn)


def test_the_same_results_give_the_same_files_and_curves_for_larger_clusters(collection, docs):
    def written():
        write(collection, docs)
        return {path: path.read_bytes() for path in sorted(docs.rglob("*.*"))}

    assert written() == written()
    beyond = (docs / "beyond.md").read_text(encoding="utf-8")
    assert "| lookup, 20% dead | datagrams |" in beyond
    assert beyond.startswith("before\n")
    assert beyond.endswith("after\n")


def test_a_page_of_simulations_alone_has_no_empty_sections(run, docs):
    write(Collection((run,), {}), docs)
    shown = (docs / "scale.md").read_text(encoding="utf-8")
    assert "Left out: see below" in shown
    assert not any(title in shown for title in ("## The DHT", "## Growth", "## Emulated against", "## Left out"))


def test_figures_at_several_sizes_grow_with_the_nodes(collection):
    found = {(one.subject, one.figure): one.points for one in growths(collection)}
    assert [nodes for nodes, _ in found["warm-flash-crowd", "last / D*"]] == [10, 100, 1000]
    assert found["lookup, 0% dead", "datagrams"] == ((10, 12.5), (100, 12.5), (1000, 12.5))
