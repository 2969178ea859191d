import pytest

from p2player.errors import BadInput

KNOWN, LIAR = "00" * 20, "0a" * 20


@pytest.fixture
def ban(daemon):
    def ban(node_id, reason="sent other bytes than sha256:ab"):
        daemon.store.ban(bytes.fromhex(node_id), reason)

    return ban


def test_people_get_a_table_and_programs_an_object_each(ask):
    assert ask("peers").out.splitlines()[1].split() == [KNOWN, "192.0.2.1:7400"]
    assert ask("peers", "--json").objects == [{"node_id": KNOWN, "address": "192.0.2.1:7400", "banned": None}]


def test_a_banned_node_is_shown_with_reason_and_age_whether_it_is_met_or_not(ask, daemon, ban):
    ban(KNOWN)
    ban(LIAR, "lied")
    _, known, liar, _, hint = ask("peers").out.splitlines()
    assert known.startswith(f"{KNOWN}   192.0.2.1:7400")
    assert "s ago: sent other bytes than sha256:ab" in known
    assert liar.startswith(LIAR)
    assert "192.0.2.1" not in liar
    assert "--forgive" in hint
    one, other = ask("peers", "--json").objects
    at = [each.at for each in daemon.store.banned()]
    assert one["banned"] == {"reason": "sent other bytes than sha256:ab", "at": at[0]}
    assert other == {"node_id": LIAR, "address": "", "banned": {"reason": "lied", "at": at[1]}}


@pytest.mark.parametrize("spelling", [LIAR, LIAR.upper()])
def test_a_forgiven_node_is_banned_no_more(ask, daemon, ban, spelling):
    ban(LIAR, "lied")
    assert "it lied" in ask("peers", "--forgive", spelling).out
    assert daemon.store.bans() == frozenset()
    assert LIAR not in ask("peers").out


def test_programs_are_told_who_was_forgiven_and_what_for(ask, ban):
    ban(LIAR, "lied")
    (told,) = ask("peers", "--forgive", LIAR, "--json").objects
    assert (told["event"], told["node_id"], told["reason"]) == ("forgiven", LIAR, "lied")


@pytest.mark.parametrize("text", [KNOWN, "0a", "", "nonsense", "ü" * 40])
def test_who_is_not_banned_cannot_be_forgiven_and_the_banned_are_named(ask, daemon, ban, text):
    ban(LIAR)
    answer = ask("peers", "--forgive", text)
    assert answer.code == BadInput.exit_code
    assert LIAR in answer.err
    assert daemon.store.bans() == {bytes.fromhex(LIAR)}
