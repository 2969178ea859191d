"""Why no answer came, in words that name neither credentials nor signed URLs."""

import ssl
from datetime import UTC, datetime
from typing import Final

import aiohttp

from p2player.upstream.addresses import NotPublic
from p2player.upstream.headers import parse_retry_after

_PASSING: Final = frozenset({408, 500, 502, 503, 504})
"""Statuses that may be others a moment later."""
_PROXY_HINT: Final = "see proxy in its settings, or HTTPS_PROXY"
_PRIVATE_HINT: Final = "a registry inside your own network has to be configured: --upstream NAME=URL"


class NoAnswer(Exception):
    """A request that was not answered with what was asked for.

    again: another try may go better; reached: there was somebody who answered; limited: who wants to be asked less
    often; retry_after: the seconds to wait that they said.
    """

    def __init__(
        self,
        reason: str,
        *,
        again: bool = True,
        reached: bool = False,
        limited: bool = False,
        retry_after: float | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again
        self.reached = reached
        self.limited = limited
        self.retry_after = retry_after
        self.hint = hint


def reason_of_status(response: aiohttp.ClientResponse, who: str = "it") -> NoAnswer:
    """Return what an answer that is neither yes nor no means to the user."""
    status = response.status
    retry_after = parse_retry_after(response.headers.get("Retry-After", ""), datetime.now(UTC))
    if status == 429:
        return NoAnswer(f"{who} wants to be asked later", reached=True, limited=True, retry_after=retry_after)
    return NoAnswer(f"{who} answered {status}", again=status in _PASSING, reached=True, retry_after=retry_after)


# The first that fits counts: some of these are kinds of others.
_REASONS: Final[tuple[tuple[type[Exception], NoAnswer], ...]] = (
    (
        aiohttp.ClientConnectorSSLError,
        NoAnswer("it does not speak TLS as it should", hint="is it http:// rather than https:// there?"),
    ),
    (aiohttp.ClientConnectorDNSError, NoAnswer("its name cannot be resolved")),
    (aiohttp.ClientProxyConnectionError, NoAnswer("its proxy cannot be reached", hint=_PROXY_HINT)),
    (aiohttp.ClientHttpProxyError, NoAnswer("its proxy does not let this node through", hint=_PROXY_HINT)),
    (TimeoutError, NoAnswer("it did not answer in time")),
    (aiohttp.ServerDisconnectedError, NoAnswer("it hung up")),
    (aiohttp.ClientPayloadError, NoAnswer("it broke off")),
    (aiohttp.ClientResponseError, NoAnswer("what it answered is not HTTP", again=False)),
)


def reason_of(error: Exception) -> NoAnswer:
    """Return what an error of the HTTP library means to the user."""
    if not_public := _not_public(error):
        return NoAnswer(str(not_public), again=False, hint=_PRIVATE_HINT)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _untrusted(error.certificate_error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error)
    for kind, known in _REASONS:
        if isinstance(error, kind):
            return NoAnswer(known.reason, again=known.again, hint=known.hint)
    if isinstance(error, OSError):
        return NoAnswer(error.strerror or "the connection broke")
    return NoAnswer(f"it cannot be asked ({type(error).__name__})", again=False)


def _untrusted(error: Exception) -> NoAnswer:
    why = getattr(error, "verify_message", "") or "not signed by whom this machine trusts"
    return NoAnswer(
        f"its certificate is not good: {why}", again=False, hint='name your own CA: ca = "FILE" in [upstream."NAME"]'
    )


def _not_public(error: BaseException | None) -> NotPublic | None:
    while error is not None and not isinstance(error, NotPublic):
        error = getattr(error, "os_error", None) or error.__cause__ or error.__context__
    return error
