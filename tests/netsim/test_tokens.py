import base64
import json
import urllib.error
import urllib.parse
import urllib.request

import pytest

from netsim.emulate.tokens import TokenServer

TEAM, OPEN = "repository:team/app:pull,push", "repository:open/app:pull,push"


@pytest.fixture
def tokens(tmp_path):
    with TokenServer(tmp_path, users={"ada": "right"}, public=["open/app"]) as server:
        yield server


def ask(tokens, *scopes, login=None):
    """Return what a token for scopes gives access to, by repository."""
    query = urllib.parse.urlencode([("service", tokens.service), *(("scope", scope) for scope in scopes)])
    request = urllib.request.Request(f"{tokens.realm}?{query}")
    if login:
        request.add_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        token = json.load(answer)["token"]
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return {entry["name"]: entry["actions"] for entry in claims["access"]}


def test_a_user_may_have_what_was_asked_for(tokens):
    assert ask(tokens, TEAM, login="ada:right") == {"team/app": ["pull", "push"]}


def test_nobody_may_pull_what_is_public_and_no_more(tokens):
    assert ask(tokens, TEAM, OPEN) == {"open/app": ["pull"]}


@pytest.mark.parametrize("login", ["ada:wrong", "eve:right", ":", "ada"])
def test_a_wrong_login_gets_no_token(tokens, login):
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(tokens, OPEN, login=login)


def test_tokens_are_counted(tokens):
    before = tokens.granted
    ask(tokens, OPEN)
    assert tokens.granted == before + 1
