"""Puts one question to a registry: at each of its addresses, again where that may help, in the name of whoever asks."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from yarl import URL

from p2player.errors import AccessDenied, P2PlayerError, RateLimited, UpstreamUnreachable
from p2player.oci.reference import Repository
from p2player.tasks import loop_time
from p2player.upstream.login import Logins, Place, refusal
from p2player.upstream.port import Asker
from p2player.upstream.reasons import NoAnswer, reason_of_status
from p2player.upstream.retry import Breaker, pause
from p2player.upstream.settings import UpstreamSettings
from p2player.upstream.transport import Transport

_FAITHFUL: Final = 60.0
"""Seconds for which the address that answered last is asked first."""
NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class Question:
    """A request below a repository, or at `path` if that is a whole URL path. fine: statuses that answer it."""

    method: str
    path: str
    what: str
    """What is asked for, as messages name it."""
    headers: Mapping[str, str] = field(default_factory=dict)
    fine: frozenset[int] = frozenset({200})
    whole: bool = True
    """Whether the answer ends within a time limit: not so for a blob."""
    stubborn: bool = False
    """Whether addresses are asked that did not answer a moment ago."""
    avoid: str = ""
    """An address that is asked last."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a registry answered, and at which of its addresses."""

    response: aiohttp.ClientResponse
    url: str


class Asking:
    """Puts questions to registries, and remembers which addresses answer."""

    def __init__(self, transport: Transport, logins: Logins) -> None:
        self._transport = transport
        self._logins = logins
        self._breaker = Breaker()
        self._faithful: dict[str, tuple[str, float]] = {}

    async def ask(self, settings: UpstreamSettings, repository: Repository, question: Question, asker: Asker) -> Answer:
        """Return the answer, of a fine status or 404; it is the caller's to release.

        Raises LoginRequired or AccessDenied, and RateLimited or UpstreamUnreachable if there is no answer to be had.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        places = [
            Place(settings, url, repository)
            for url in self._in_order(settings, begun, question.avoid)
            if question.stubborn or self._breaker.allows(url, begun)
        ]
        failure = NoAnswer("it did not answer a moment ago")
        tried = 0
        while places:
            tried += 1
            for place in list(places):
                try:
                    is_last = place.url == settings.urls[-1]
                    return Answer(await self._ask_at(place, question, asker, is_last=is_last), place.url)
                except NoAnswer as error:
                    failure = error
                    if not error.reached:
                        self._breaker.failed(place.url, loop.time())
                    if not error.again:
                        places.remove(place)
            jitter = random.random()  # noqa: S311  (it spreads nodes, it hides nothing)
            wait = pause(tried, loop.time() - begun, jitter, failure.retry_after) if places else None
            if wait is None:
                break
            await asyncio.sleep(wait)
        raise no_answer(repository, question.what, failure)

    async def _ask_at(self, place: Place, question: Question, asker: Asker, *, is_last: bool) -> aiohttp.ClientResponse:
        shown = await self._logins.show(place, asker)
        response = await self._request(place, question, shown.authorization)
        if response.status == 401 and not _is_elsewhere(response, place):
            header = ", ".join(response.headers.getall("WWW-Authenticate", []))
            response.release()
            shown = await self._logins.improve(place, asker, header, shown)
            response = await self._request(place, question, shown.authorization)
        if response.status in question.fine or (response.status == NOT_FOUND and is_last):
            self._breaker.answered(place.url)
            self._faithful[place.settings.registry] = (place.url, loop_time() + _FAITHFUL)
            return response
        header = ", ".join(response.headers.getall("WWW-Authenticate", []))
        response.release()
        if response.status in {401, 403} and _is_elsewhere(response, place):
            raise reason_of_status(response, "the place that it redirects to")
        if response.status == 401:
            raise refusal(place, asker, header, shown)
        if response.status == 403:
            registry = place.repository.registry
            raise AccessDenied(f"{registry} denies access to {place.repository}", hint="ask its owner for access")
        if response.status == NOT_FOUND:
            raise NoAnswer("it does not have it", again=False, reached=True)  # a mirror may lack what there is
        raise reason_of_status(response)

    async def _request(self, place: Place, question: Question, authorization: str) -> aiohttp.ClientResponse:
        headers = dict(question.headers)
        if authorization:
            headers["Authorization"] = authorization
        base = place.root.origin() if question.path.startswith("/") else f"{place.root}/"
        url = URL(f"{base}{question.path}", encoded=True)
        return await self._transport.request(place.settings, question.method, url, headers, whole=question.whole)

    def _in_order(self, settings: UpstreamSettings, now: float, avoid: str) -> list[str]:
        """Return the addresses of a registry, the one that answered lately first."""
        faithful, until = self._faithful.get(settings.registry, ("", 0.0))
        first = faithful if now < until else ""
        return sorted(settings.urls, key=lambda url: (url == avoid, url != first))


def _is_elsewhere(response: aiohttp.ClientResponse, place: Place) -> bool:
    """Tell whether it was not the registry that answered, but where it redirects to."""
    return response.url.origin() != place.root.origin()


def no_answer(repository: Repository, what: str, failure: NoAnswer) -> P2PlayerError:
    """Return the error for a question that has no answer now."""
    registry = repository.registry
    message = f"{registry} cannot be asked for {what}: {failure.reason}"
    if not failure.limited:
        return UpstreamUnreachable(message, hint=failure.hint or f"is {registry} up, and reached from this machine?")
    when = "" if failure.retry_after is None else f", in {failure.retry_after:.0f} s"
    return RateLimited(message, hint=f"try again later{when}; with a login the limit may be higher")
