import base64

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from p2player.counters import Counters
from p2player.registry.errors import Refused
from p2player.registry.failures import ALLOWED, WINDOW
from p2player.registry.guard import Guard
from p2player.registry.tokens import TokenFile

TOKEN = "good-token-0123456789"
WRONG = "wrong-token-0123456789"
LAN, LOOPBACK = "10.0.0.1", "127.0.0.1"


def basic(password, user="anyone"):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Door:
    """A guard that knows one token, and a clock that is set by hand."""

    def __init__(self, path):
        path.write_text(TOKEN)
        self.now = 0.0
        self.counters = Counters()
        self.guard = Guard(TokenFile(path), self.counters, clock=lambda: self.now)

    def ask(self, host=LAN, *, token=None, login=None):
        """Return the status it gets, or the logins that are left for a registry."""
        headers = CIMultiDict()
        for name, value in (("P2Player-Token", token), ("Authorization", login)):
            if value is not None:
                headers.add(name, value)
        try:
            return self.guard.admit(headers, host)
        except Refused as refused:
            self.refused = refused
            return refused.status


@pytest.fixture
def door(tmp_path):
    return Door(tmp_path / "tokens")


def test_without_tokens_everybody_is_let_in_with_the_login_they_have():
    guard = Guard(None, Counters())
    assert guard.admit(CIMultiDict(Authorization="Bearer x"), LAN) == ["Bearer x"]
    assert guard.admit(CIMultiDict(), LAN) == []


def test_a_token_of_its_own_header_leaves_the_login_to_the_registry(door):
    assert door.ask(token=TOKEN, login="Bearer x") == ["Bearer x"]
    assert door.ask(token=TOKEN) == []


def test_a_token_that_is_a_password_goes_to_no_registry(door):
    assert door.ask(login=basic(TOKEN)) == []
    assert door.ask(login=basic(TOKEN).replace("Basic ", "bAsIc   ")) == []


@pytest.mark.parametrize(
    ("token", "login"),
    [
        (None, None),
        (None, "Bearer x"),
        (None, "Basic Og=="),  # no user and no password
        (None, "Basic ?"),
        (None, "Basic YQ"),
        (WRONG, None),
        ("", None),
        (None, basic(WRONG)),
        (WRONG, basic(TOKEN)),
        (None, f"Bearer {TOKEN}"),
        ("ü" * 20, None),
    ],
)
def test_who_shows_no_good_token_is_told_how_to(door, token, login):
    assert door.ask(token=token, login=login) == 401
    assert door.refused.code == "UNAUTHORIZED"
    assert door.refused.headers["WWW-Authenticate"] == 'Basic realm="p2player"'
    assert "P2Player-Token" in door.refused.message


def test_two_tokens_are_none(door):
    headers = CIMultiDict([("P2Player-Token", TOKEN), ("P2Player-Token", TOKEN)])
    with pytest.raises(Refused):
        door.guard.admit(headers, LAN)


def test_who_guesses_is_not_listened_to_for_a_while_even_with_a_good_token(door):
    for _ in range(ALLOWED + 1):
        assert door.ask(token=WRONG) == 401
    assert door.ask(token=TOKEN) == 429
    assert 0 < int(door.refused.headers["Retry-After"]) <= WINDOW
    assert door.ask("10.0.0.2", token=TOKEN) == []
    door.now = WINDOW
    assert door.ask(token=TOKEN) == []
    assert door.counters.events == {"registry.wrong_token": ALLOWED + 1, "registry.limited": 1}


def test_who_shows_nothing_has_not_guessed(door):
    for _ in range(10 * ALLOWED):
        assert door.ask() == 401
    assert door.ask(token=TOKEN) == []


@pytest.mark.parametrize("host", [LOOPBACK, "::1"])
def test_one_user_of_a_machine_that_guesses_does_not_shut_out_the_others(door, host):
    for _ in range(ALLOWED + 1):
        door.ask(host, token=WRONG)
    assert door.ask(host, token=WRONG) == 429
    assert door.ask(host) == 401
    assert door.ask(host, token=TOKEN) == []
    assert door.ask(host, login=basic(TOKEN)) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.none() | st.text(max_size=30),
    st.none()
    | st.text(max_size=60)
    | st.binary(max_size=40).map(lambda raw: "Basic " + base64.b64encode(raw).decode()),
)
def test_nothing_but_the_token_opens_and_nothing_breaks(door, token, login):
    assert door.ask(LOOPBACK, token=token, login=login) in {401, 429}
