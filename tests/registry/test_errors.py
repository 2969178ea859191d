import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player import errors
from p2player.registry.errors import Refused, answer_to


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.InvalidDigest("x"), 400, "DIGEST_INVALID"),
        (errors.InvalidReference("x"), 400, "NAME_INVALID"),
        (errors.ReferenceNotFound("x"), 404, "MANIFEST_UNKNOWN"),
        (errors.BlobNotFound("x"), 404, "BLOB_UNKNOWN"),
        (errors.RepositoryNotFound("x"), 404, "NAME_UNKNOWN"),
        (errors.DigestMismatch("x"), 502, "DIGEST_INVALID"),
        (errors.TransferStalled("x"), 503, "UNAVAILABLE"),
        (errors.UpstreamUnreachable("x"), 503, "UNAVAILABLE"),
        (errors.RateLimited("x"), 429, "TOOMANYREQUESTS"),
        (errors.DiskFull("x"), 507, "UNKNOWN"),
        (errors.LoginRequired("x", challenge="Basic"), 401, "UNAUTHORIZED"),
        (errors.AccessDenied("x"), 403, "DENIED"),
        (Refused(405, "x"), 405, "UNSUPPORTED"),
        (Refused(400, "x", code="UNAUTHORIZED"), 400, "UNAUTHORIZED"),
    ],
)
def test_each_failure_has_its_status_and_code(error, status, code):
    answer = answer_to(error)
    assert (answer.status, answer.code) == (status, code)
    assert json.loads(answer.body) == {"errors": [{"code": code, "message": "x"}]}


def test_a_hint_is_the_detail():
    answer = answer_to(errors.BlobNotFound("gone", hint="look elsewhere"))
    assert json.loads(answer.body)["errors"][0]["detail"] == "look elsewhere"


def test_only_what_passes_by_itself_says_when_to_try_again():
    for passing in (errors.Unavailable("x"), errors.RateLimited("x")):
        assert answer_to(passing).headers == {"Retry-After": "1"}
    for lasting in (errors.BlobNotFound("x"), errors.AccessDenied("x")):
        assert answer_to(lasting).headers == {}


def test_a_login_is_asked_for_in_the_registrys_own_words():
    challenge = 'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a:pull"'
    assert answer_to(errors.LoginRequired("x", challenge=challenge)).headers == {"WWW-Authenticate": challenge}


@given(st.text(st.characters(codec=None, categories=None)))
def test_whatever_a_registry_asks_for_fits_into_a_header(challenge):
    (value,) = answer_to(errors.LoginRequired("x", challenge=challenge)).headers.values()
    assert value.isascii()
    assert value.isprintable()


def test_a_bug_is_logged_and_shows_nothing_of_itself(caplog):
    with caplog.at_level(logging.ERROR):
        answer = answer_to(KeyError("password"))
    assert (answer.status, answer.code) == (500, "UNKNOWN")
    assert b"password" not in answer.body
    assert "password" in caplog.text
