import aiohttp
import pytest
from yarl import URL

from p2player.upstream.addresses import NotPublic
from p2player.upstream.reasons import reason_of

INFO = aiohttp.RequestInfo(URL("https://a.test/?sig=s3cret"), "GET", {}, URL("https://a.test/?sig=s3cret"))


@pytest.mark.parametrize(
    ("error", "reason", "again"),
    [
        (TimeoutError(), "in time", True),
        (aiohttp.ServerDisconnectedError(), "hung up", True),
        (aiohttp.ClientPayloadError("s3cret"), "broke off", True),
        (aiohttp.ClientHttpProxyError(INFO, (), status=407, message="s3cret"), "proxy", True),
        (aiohttp.ClientResponseError(INFO, (), message="s3cret"), "not HTTP", False),
        (aiohttp.InvalidURL("https://u:s3cret@a.test"), "InvalidURL", False),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer", True),
        (OSError(), "broke", True),
        (NotPublic("a.test has no public address"), "no public address", False),
    ],
)
def test_errors_are_said_in_words_without_secrets(error, reason, again):
    found = reason_of(error)
    assert reason in found.reason
    assert found.again == again
    assert "s3cret" not in found.reason + found.hint


def test_a_refusal_is_found_below_the_librarys_own_error():
    error = aiohttp.ClientConnectionError()
    error.__cause__ = NotPublic("a.test has no public address")
    assert "public" in reason_of(error).reason
