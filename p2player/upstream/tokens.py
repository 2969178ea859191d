"""Bearer tokens of registries' token servers (distribution spec: token and oauth2 authentication)."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from yarl import URL

from p2player.errors import InvalidManifest
from p2player.oci.jsonobject import JsonObject
from p2player.tasks import Tasks, loop_time
from p2player.upstream.reasons import NoAnswer
from p2player.upstream.settings import UpstreamSettings

MAX_ANSWER: Final = 1024 * 1024
_DEFAULT_LIFE: Final = 60
_MAX_LIFE: Final = 24 * 3600
_MAX_KNOWN: Final = 4096
_CLIENT: Final = "p2player"


class Refused(Exception):
    """A token server that gives no token to whoever asks."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What is asked of a token server, and in whose name: a Basic header, an identity token, or nobody's."""

    settings: UpstreamSettings
    realm: URL
    service: str
    scope: str
    authorization: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def key(self) -> tuple[str, str, str, bytes]:
        """What stands for it in the cache, from which no credential can be had back."""
        who = hashlib.sha256(f"{self.authorization}\0{self.identity_token}".encode(errors="surrogateescape")).digest()
        return str(self.realm), self.service, self.scope, who

    @property
    def has_login(self) -> bool:
        """Whether it is asked in somebody's name."""
        return bool(self.authorization or self.identity_token)

    @property
    def url(self) -> URL:
        """Where a GET asks for it."""
        members = {"service": self.service, "scope": self.scope}
        return self.realm.extend_query({key: value for key, value in members.items() if value})

    @property
    def form(self) -> Mapping[str, str]:
        """What a POST says to have it for an identity token (RFC 6749 section 6)."""
        return {
            "grant_type": "refresh_token",
            "service": self.service,
            "client_id": _CLIENT,
            "scope": self.scope,
            "refresh_token": self.identity_token,
        }


@dataclass(frozen=True, slots=True)
class Token:
    """A token and the seconds for which it is good."""

    value: str = field(repr=False)
    life: float

    @property
    def authorization(self) -> str:
        """The header that shows it."""
        return f"Bearer {self.value}"


def parse_token(raw: bytes) -> Token:
    """Return the token that a token server's answer has, or raise NoAnswer."""
    try:
        members = JsonObject.parse(raw, "token", InvalidManifest)
        value = members.text_or("token") or members.text_or("access_token")
        life = members.integer("expires_in") if "expires_in" in members else _DEFAULT_LIFE
    except InvalidManifest as error:
        raise NoAnswer("its token server answered what is no token", again=False) from error
    if not value or not (value.isascii() and value.isprintable()):
        raise NoAnswer("its token server answered without a token", again=False)
    # Servers that say 0 mean that they do not know; the specification has 60 s for that.
    return Token(value, float(min(life, _MAX_LIFE)) if life > 0 else _DEFAULT_LIFE)


@dataclass(slots=True)
class _Known:
    token: asyncio.Task[Token]
    until: float


class Tokens:
    """The tokens of one node: each is asked for once, kept while it is good, and renewed before it ends."""

    def __init__(self, ask: Callable[[TokenRequest], Awaitable[Token]]) -> None:
        """Ask token servers with `ask`, which raises Refused and whatever else means that there was no answer."""
        self._ask = ask
        self._tasks = Tasks("tokens")
        self._known: dict[tuple[str, str, str, bytes], _Known] = {}

    async def get(self, request: TokenRequest, *, fresh: bool = False) -> Token:
        """Return a token that is good for a while yet. fresh: not one that was there before. Raises what `ask` raises."""
        loop = asyncio.get_running_loop()
        known = self._known.get(request.key)
        is_stale = known is not None and known.token.done() and (fresh or loop.time() >= known.until)
        if known is None or is_stale:
            if len(self._known) >= _MAX_KNOWN:
                self._forget_old(loop.time())
            known = _Known(self._tasks.spawn(self._fetch(request), "fetch"), float("inf"))
            self._known[request.key] = known
        # Who hangs up must not take the token from others that wait for it.
        return await asyncio.shield(known.token)

    async def _fetch(self, request: TokenRequest) -> Token:
        begun = loop_time()
        try:
            token = await self._ask(request)
        except BaseException:
            self._known.pop(request.key, None)
            raise
        if known := self._known.get(request.key):
            known.until = begun + token.life - min(10.0, token.life / 4)
        return token

    def _forget_old(self, now: float) -> None:
        self._known = {key: known for key, known in self._known.items() if now < known.until}
        while len(self._known) >= _MAX_KNOWN:
            self._known.pop(next(iter(self._known)))

    async def close(self) -> None:
        """End what is being asked."""
        await self._tasks.close()
