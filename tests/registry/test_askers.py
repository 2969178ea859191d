import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.registry.askers import asker_of
from p2player.registry.errors import Refused
from p2player.upstream.port import Login


def test_a_client_that_says_nothing_is_anybody():
    assert asker_of([]) == "anonymous"


@pytest.mark.parametrize("header", ["Basic Og==", "basic  Og=="])
def test_a_client_without_user_and_password_is_anybody(header):
    assert asker_of([header]) == "anonymous"


@pytest.mark.parametrize(
    "header", ["Basic dXNlcjpwYXNz", "Bearer ey.J-_~+/=", 'Digest username="a", uri="/"', "Negotiate", "basic  x"]
)
def test_credentials_are_kept_as_they_came(header):
    assert asker_of([header]) == Login(header)
    assert asker_of([f" {header}\t"]) == Login(header)


@pytest.mark.parametrize(
    "header", ["", " ", "Basic \xfc", "Bearer a\x7f", "Bearer a\r\nHost: b", "a:b", "Basic \udcff"]
)
def test_what_cannot_be_credentials_is_refused_without_being_repeated(header):
    with pytest.raises(Refused) as caught:
        asker_of([header])
    assert (caught.value.status, caught.value.code) == (400, "UNAUTHORIZED")
    assert not header.strip() or header.strip() not in caught.value.message


def test_two_claims_at_once_are_refused():
    with pytest.raises(Refused):
        asker_of(["Basic YQ==", "Basic YQ=="])


@given(st.text(), st.text())
def test_any_user_and_password_are_a_login(user, password):
    header = "Basic " + base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogatepass")).decode()
    assert asker_of([header]) == (Login(header) if user or password else "anonymous")


@given(st.lists(st.text(st.characters(codec=None, categories=None)), max_size=2))
def test_any_header_is_a_login_that_can_be_sent_on_or_refused(headers):
    try:
        asker = asker_of(headers)
    except Refused:
        return
    if headers:
        assert isinstance(asker, Login)
        assert len(asker.fingerprint) == 32
        assert asker.authorization.isascii()
        assert asker.authorization.isprintable()
        assert repr(asker) == "Login()"
    else:
        assert asker == "anonymous"
