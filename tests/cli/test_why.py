from p2player.cli.why import holder_text
from p2player.pull.why import ProviderView


def test_the_verdict_comes_first_and_then_what_happened(ask):
    first, *rest = ask("why", "app:1").out.splitlines()
    assert first == "It is in a dictionary."
    assert rest[-1].endswith("something happened")


def test_programs_get_all_of_it(ask):
    (why,) = ask("why", "app:1", "--json").objects
    assert (why["target"], why["digest"], why["held"]) == ("docker.io/library/app:1", None, False)


def test_what_is_no_target_is_refused_before_the_daemon_is_asked(run, tmp_path):
    assert run("why", "sha256:abc", "--data-dir", tmp_path).code == 2


def test_a_holder_is_told_with_its_age_and_its_faults():
    holder = ProviderView("ab" * 20, "10.0.0.1:7400", complete=True, root="", age_seconds=90, banned=False)
    assert holder_text(holder) == "Node abababab at 10.0.0.1:7400 holds it, as it said 2 min ago."
    liar = ProviderView("ab" * 20, "10.0.0.1:7400", complete=False, root="", age_seconds=1, banned=True)
    assert "is fetching it" in holder_text(liar)
    assert "wrong bytes" in holder_text(liar)
