from dataclasses import replace

from p2player.cli.why import holder_text, not_believed_text, tag_text
from p2player.pull.why import ProviderView, TagView


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
    liar = replace(holder, complete=False, banned=True, ban_reason="sent wrong bytes", banned_at=1_800_000_000)
    assert "is fetching it" in holder_text(liar)
    assert "banned since 2027-" in holder_text(liar)
    assert "it sent wrong bytes" in holder_text(liar)


def test_a_tag_is_told_with_how_well_it_is_known():
    assert "no registry" in tag_text(TagView(seeded=True, confirmed=None, stale_for=None))
    fresh = tag_text(TagView(seeded=False, confirmed=1_800_000_000.0, stale_for=None))
    assert fresh.startswith("Its registry said so at 2027-")
    stale = tag_text(TagView(seeded=False, confirmed=1_800_000_000.0, stale_for=90.0))
    assert stale.startswith(fresh.rstrip("."))
    assert "2 min ago" in stale


def test_who_is_not_believed_is_told_in_full_so_that_a_rule_can_name_it():
    assert not_believed_text("ab" * 20, "docker.io/library/app:1") == (
        f"A record by {'ab' * 20} is not believed: banned, or not among the publishers of docker.io/library/app:1."
    )
