"""One blob on its way from a registry: where it breaks off, it is taken up again, at another address if need be."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from typing import Final

import aiohttp

from p2player.bodies import chunks_of
from p2player.errors import BlobNotFound, UpstreamUnreachable
from p2player.oci.digest import Digest
from p2player.oci.reference import Repository
from p2player.upstream.asking import NOT_FOUND, Answer, Question, no_answer
from p2player.upstream.headers import ContentRange
from p2player.upstream.reasons import NoAnswer, reason_of

TRIES: Final = 3
"""How often it is taken up without progress."""
_PROGRESS: Final = 64 * 1024
_PAUSE: Final = 0.3
_STEP: Final = 32 * 1024
"""Bytes that are worth being looked at."""
_FINE: Final = frozenset({200, 206, 416})


class BlobStream:
    """The bytes of a blob from `start` on, up to `stop` if there is one."""

    def __init__(
        self,
        ask: Callable[[Question], Awaitable[Answer]],
        repository: Repository,
        digest: Digest,
        start: int,
        stop: int | None = None,
    ) -> None:
        self._ask = ask
        self._repository = repository
        self._digest = digest
        self._at = start
        self._stop = stop
        self._size: int | None = None
        self._skip = 0
        self._url = ""
        self._response: aiohttp.ClientResponse | None = None

    async def open(self) -> int | None:
        """Return the bytes in the whole blob, or None if the registry does not say. Raises BlobNotFound and what asking does."""
        await self._take_up()
        return self._size

    async def chunks(self, size: int) -> AsyncGenerator[bytes, None]:
        """Yield what was asked for of a blob of size bytes. Raises UpstreamUnreachable once it is taken up in vain."""
        self._size = size
        stop = size if self._stop is None else min(size, self._stop)
        tries, mark = 0, self._at
        while self._at < stop:
            try:
                if self._response is None:
                    await self._take_up()
                async for chunk in self._read(stop):
                    yield chunk
            except NoAnswer as error:
                failure = no_answer(self._repository, str(self._digest), error)
            except UpstreamUnreachable as error:
                failure = error
            else:
                failure = no_answer(self._repository, str(self._digest), NoAnswer("it broke off"))
            self.close()
            if self._at < stop:
                tries = 1 if self._at - mark >= _PROGRESS else tries + 1
                mark = self._at
                if tries > TRIES:
                    raise failure
                await asyncio.sleep(_PAUSE * (tries - 1))

    async def _take_up(self) -> None:
        last = "" if self._stop is None else self._stop - 1
        headers = {} if (self._at, self._stop) == (0, None) else {"Range": f"bytes={self._at}-{last}"}
        question = Question("GET", f"blobs/{self._digest}", str(self._digest), headers, _FINE, whole=False)
        is_again = self._size is not None
        answer = await self._ask(replace(question, stubborn=is_again, avoid=self._url))
        self._response, self._url = answer.response, answer.url
        if answer.response.status == NOT_FOUND:
            raise BlobNotFound(f"{self._repository.registry} has no {self._digest} in {self._repository}")
        try:
            self._skip, total = placed(answer.response, self._at)
        except NoAnswer as error:
            raise no_answer(self._repository, str(self._digest), error) from error
        if is_again and total is not None and total != self._size:
            reason = NoAnswer(f"it has {total} bytes there, and {self._size} elsewhere")
            raise no_answer(self._repository, str(self._digest), reason)
        self._size = self._size if total is None else total

    async def _read(self, stop: int) -> AsyncGenerator[bytes, None]:
        response = self._response
        if response is None or response.status == 416:
            return
        try:
            async for chunk in chunks_of(response, _STEP):
                wanted = chunk[self._skip : self._skip + stop - self._at]
                self._skip -= min(self._skip, len(chunk))
                self._at += len(wanted)
                if wanted:
                    yield wanted
                if self._at >= stop:
                    return
        except (aiohttp.ClientError, OSError) as error:
            raise reason_of(error) from error

    def close(self) -> None:
        """Let go of the connection; one with nothing left to come is kept for others."""
        if self._response is not None:
            self._response.release()
            self._response = None


def placed(response: aiohttp.ClientResponse, at: int) -> tuple[int, int | None]:
    """Return how many bytes come before byte `at`, which was asked for, and the bytes in the whole, None if not said.

    Raises NoAnswer for a part that is not the one asked for, and for a body that is packed.
    """
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise NoAnswer("it packs what has to come as it is")
    length = response.content_length
    if response.status == 200:
        return at, length
    part = ContentRange.parse(response.headers.get("Content-Range", ""))
    if response.status == 416:
        if part is None or part.total is None or at < part.total:
            raise NoAnswer(f"it has nothing from byte {at} on")
        return 0, part.total
    if part is None or part.start != at:
        raise NoAnswer("it sent another part than was asked for")
    return 0, part.total
