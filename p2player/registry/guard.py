"""Who may use the endpoint. What may be had through it is another question, which the registries answer."""

import base64
import binascii
import ipaddress
import math
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self

from multidict import MultiMapping

from p2player.counters import Counters
from p2player.registry.errors import Refused
from p2player.registry.failures import Failures
from p2player.registry.tokens import TOKEN_HEADER, TokenFile

CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="p2player"'}
_BASIC = re.compile(r"[Bb][Aa][Ss][Ii][Cc] +([A-Za-z0-9+/=]+)[ \t]*")


class Guard:
    """Lets in whoever shows a good token, or everybody if there are none."""

    def __init__(
        self, tokens: TokenFile | None, counters: Counters, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tokens = tokens
        self._counters = counters
        self._clock = clock
        self._failures = Failures()

    @classmethod
    def open(cls, token_file: Path | None, counters: Counters) -> Self:
        """Return a guard that asks for a token of this file, if there is one. Raises InvalidConfig."""
        return cls(TokenFile(token_file) if token_file else None, counters)

    def admit(self, headers: MultiMapping[str], host: str) -> Sequence[str]:
        """Return the Authorization headers that are meant for a registry, or raise Refused (401, 429).

        A host that has guessed too often is not listened to for a while. But who has a good token and shares its address
        with one that guesses, as all users of this machine do, cannot be shut out by that.
        """
        logins = headers.getall("Authorization", [])
        if self._tokens is None:
            return logins
        wait = self._failures.wait(host, self._clock())
        if wait and not _is_shared(host):
            raise self._limited(wait)
        if shown := headers.getall(TOKEN_HEADER, []):
            tokens, left = [token.encode(errors="surrogateescape") for token in shown], logins
        else:
            # It was meant for this endpoint, and is no registry's business.
            tokens, left = [password for login in logins if (password := _password(login))], []
        if not tokens:
            raise _unknown("this endpoint asks for a token")
        if len(tokens) == 1 and self._tokens.accepts(tokens[0]):
            return left
        raise self._wrong(host, wait)

    def _wrong(self, host: str, wait: float) -> Refused:
        self._counters.count("registry.wrong_token")
        self._failures.note(host, self._clock())
        return self._limited(wait) if wait else _unknown("this token opens nothing here")

    def _limited(self, wait: float) -> Refused:
        self._counters.count("registry.limited")
        return Refused(
            429, "too many wrong tokens", code="TOOMANYREQUESTS", headers={"Retry-After": str(math.ceil(wait))}
        )


def _unknown(message: str) -> Refused:
    return Refused(
        401,
        f"{message}: send {TOKEN_HEADER}, or the token as the password of any user",
        code="UNAUTHORIZED",
        headers=CHALLENGE,
    )


def _password(login: str) -> bytes:
    """Return the password of an Authorization header (RFC 7617), empty if it has none."""
    match = _BASIC.fullmatch(login)
    if match is None:
        return b""
    try:
        return base64.b64decode(match[1], validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _is_shared(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
