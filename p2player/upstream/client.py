"""The registries outside the cluster, asked over HTTP (OCI distribution spec, pull)."""

import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import Final

from aiohttp import ClientResponse

from p2player.counters import Counters
from p2player.errors import (
    BlobNotFound,
    InvalidDigest,
    ReferenceNotFound,
    RepositoryNotFound,
    UpstreamUnreachable,
)
from p2player.oci.digest import Digest
from p2player.oci.manifest import MAX_DOCUMENT, Descriptor, Document
from p2player.oci.mediatypes import DOCKER_LIST, DOCKER_MANIFEST, DOCUMENTS, OCI_INDEX, OCI_MANIFEST, SCHEMA_1
from p2player.oci.reference import Repository
from p2player.upstream.asking import NOT_FOUND, Answer, Asking, Question, no_answer
from p2player.upstream.credentials import Credentials
from p2player.upstream.headers import ContentRange
from p2player.upstream.listing import Page, all_pages, parse_referrers, parse_tags
from p2player.upstream.login import Logins
from p2player.upstream.port import Asker, Kind, UpstreamBlob
from p2player.upstream.reasons import NoAnswer
from p2player.upstream.settings import UpstreamSettings
from p2player.upstream.stream import BlobStream
from p2player.upstream.transport import Transport, read_body

_ACCEPT: Final = {"Accept": f"{OCI_INDEX}, {DOCKER_LIST}, {OCI_MANIFEST}, {DOCKER_MANIFEST}"}
_MAX_KNOWN: Final = 4096
_TRIES: Final = 2
_NO_LIST: Final = frozenset({400, 405, 406})
"""What registries from before the referrers API answer to it, besides 404."""
_SIZE: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


class RegistryUpstreams:
    """The `Upstreams` of a node. Made inside a running event loop; raises InvalidConfig for files that cannot be used."""

    def __init__(
        self,
        settings: Sequence[UpstreamSettings],
        *,
        configured_only: bool,
        counters: Counters,
        environ: Mapping[str, str] = os.environ,
        transport: Transport | None = None,
    ) -> None:
        self._settings = {one.registry: one for one in settings}
        self._configured_only = configured_only
        self._counters = counters
        self._credentials = Credentials(environ)
        self._transport = transport or Transport()
        for one in settings:
            self._transport.tls(one)
        self._logins = Logins(self._transport, self._credentials)
        self._asking = Asking(self._transport, self._logins)
        self._known: dict[Digest, Descriptor] = {}

    def settings(self, registry: str) -> UpstreamSettings | None:
        """Return how a registry is asked, or None if this node may not ask it at all."""
        if found := self._settings.get(registry):
            return found
        return None if self._configured_only else UpstreamSettings.public(registry)

    def has_credentials(self, registry: str) -> bool:
        """Tell whether this node has credentials of its own for a registry."""
        return self._credentials.has(registry)

    async def resolve(self, repository: Repository, tag: str, asker: Asker, known: Digest | None = None) -> Descriptor:
        """Return what a tag means upstream now. Raises ReferenceNotFound, InvalidManifest."""
        expected = self._known.get(known) if known else None
        headers = {**_ACCEPT, "If-None-Match": f'"{known}"'} if expected else _ACCEPT
        what = f"{repository}:{tag}"
        question = Question("HEAD", f"manifests/{tag}", what, headers, frozenset({200, 304, 405}))
        answer = await self._asking.ask(self._require(repository), repository, question, asker)
        answer.response.release()
        match answer.response.status:
            case 404:
                raise _no_reference(repository, what)
            case 304 if expected is not None:
                return expected
            case 200 if found := _descriptor(answer.response.headers):
                return self._remember(found)
        raw, media_type = await self._document(repository, tag, what, asker)
        return self._remember(Document.parse(raw, media_type=media_type).descriptor)

    async def check(self, repository: Repository, target: str | Digest, kind: Kind, asker: Asker) -> int:
        """Return the size in bytes of what repository has under target, if asker may have it."""
        settings = self._require(repository)
        what = str(target) if isinstance(target, Digest) else f"{repository}:{target}"
        headers = _ACCEPT if kind == "manifests" else {}
        question = Question("HEAD", f"{kind}/{target}", what, headers, frozenset({200, 405}))
        response = (await self._asking.ask(settings, repository, question, asker)).response
        response.release()
        size = response.content_length
        if response.status == 405 or (response.status == 200 and size is None):
            headers = {**headers, "Range": "bytes=0-0"}
            question = Question("GET", question.path, what, headers, frozenset({200, 206}), whole=False)
            response = (await self._asking.ask(settings, repository, question, asker)).response
            response.release()
            part = ContentRange.parse(response.headers.get("Content-Range", ""))
            size = response.content_length if part is None else part.total
        if response.status == NOT_FOUND:
            if kind == "manifests":
                raise _no_reference(repository, what)
            raise BlobNotFound(f"{repository.registry} has no {what} in {repository}")
        if size is None:
            raise no_answer(repository, what, NoAnswer("it does not say how large it is"))
        return size

    @asynccontextmanager
    async def open(
        self,
        repository: Repository,
        digest: Digest,
        kind: Kind,
        asker: Asker,
        *,
        start: int = 0,
        stop: int | None = None,
    ) -> AsyncIterator[UpstreamBlob]:
        """Open a blob or manifest at byte start, up to byte stop. What breaks midway is resumed, at another mirror if need be."""
        settings = self._require(repository)
        if kind == "manifests":
            raw, _ = await self._document(repository, str(digest), str(digest), asker)
            self._counters.add_bytes("upstream", len(raw))
            yield UpstreamBlob(len(raw), _once(raw[start:stop]))
            return

        async def ask(question: Question) -> Answer:
            return await self._asking.ask(settings, repository, question, asker)

        stream = BlobStream(ask, repository, digest, start, stop)
        try:
            size = await stream.open()
            if size is None:
                size = await self.check(repository, digest, kind, asker)
            chunks = self._counted(stream.chunks(size))
            try:
                yield UpstreamBlob(size, chunks)
            finally:
                await chunks.aclose()
        finally:
            stream.close()

    async def tags(self, repository: Repository, asker: Asker) -> list[str]:
        """Return all tags of repository. Raises RepositoryNotFound."""
        what = f"the tags of {repository}"
        try:
            pages = await all_pages(self._pages(repository, what, asker), "tags/list?n=1000")
            if pages is None:
                raise RepositoryNotFound(f"{repository.registry} has no {repository}")
            return list(dict.fromkeys(tag for page in pages for tag in parse_tags(page)))
        except NoAnswer as error:
            raise no_answer(repository, what, error) from error

    async def referrers(self, repository: Repository, digest: Digest, asker: Asker) -> list[Descriptor]:
        """Return what repository has about digest; a registry that knows no referrers has none."""
        what = f"the referrers of {digest}"
        try:
            pages = await all_pages(self._pages(repository, what, asker), f"referrers/{digest}")
            if pages is None:
                # where registries without the API keep the list (distribution spec, referrers tag schema)
                pages = await all_pages(
                    self._pages(repository, what, asker), f"manifests/{digest.algorithm}-{digest.hex}"
                )
            return [entry for page in pages or () for entry in parse_referrers(page)]
        except NoAnswer as error:
            raise no_answer(repository, what, error) from error

    async def close(self) -> None:
        """Close all connections."""
        await self._logins.close()
        await self._transport.close()

    def _require(self, repository: Repository) -> UpstreamSettings:
        found = self.settings(repository.registry)
        if found is None:
            raise UpstreamUnreachable(
                f"{repository.registry} is no registry that this node asks",
                hint=f"let it: --upstream {repository.registry}=https://{repository.registry}",
            )
        return found

    def _remember(self, found: Descriptor) -> Descriptor:
        if len(self._known) >= _MAX_KNOWN:
            self._known.pop(next(iter(self._known)))
        self._known[found.digest] = found
        return found

    async def _document(self, repository: Repository, target: str, what: str, asker: Asker) -> tuple[bytes, str | None]:
        """Return the bytes of a manifest or index, and the media type they were announced as."""
        question = Question("GET", f"manifests/{target}", what, _ACCEPT)
        found = await self._read(repository, question, asker, MAX_DOCUMENT)
        if found is None:
            raise _no_reference(repository, what)
        media_type = _media_type(found[0].headers)
        return found[1], media_type if media_type in DOCUMENTS | SCHEMA_1 else None

    def _pages(self, repository: Repository, what: str, asker: Asker) -> Callable[[str, int], Awaitable[Page | None]]:
        async def read(path: str, limit: int) -> Page | None:
            question = Question("GET", path, what, _ACCEPT, frozenset({200, *_NO_LIST}))
            found = await self._read(repository, question, asker, limit)
            if found is None or found[0].status in _NO_LIST:
                return None
            return Page(found[0].url, found[0].headers.get("Link", ""), found[1])

        return read

    async def _read(
        self, repository: Repository, question: Question, asker: Asker, limit: int
    ) -> tuple[ClientResponse, bytes] | None:
        """Return an answer with its body, or None if there is no such thing. One that breaks off is asked for again."""
        settings = self._require(repository)
        for tried in count(1):
            answer = await self._asking.ask(settings, repository, question, asker)
            if answer.response.status == NOT_FOUND:
                answer.response.release()
                return None
            try:
                return answer.response, await read_body(answer.response, limit)
            except NoAnswer as error:
                if tried == _TRIES or not error.again:
                    raise no_answer(repository, question.what, error) from error
                question = replace(question, avoid=answer.url)
        raise AssertionError

    async def _counted(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async with aclosing(chunks):
            async for chunk in chunks:
                self._counters.add_bytes("upstream", len(chunk))
                yield chunk


def _descriptor(headers: Mapping[str, str]) -> Descriptor | None:
    """Return what the headers of a HEAD say about a manifest, or None if they do not say enough."""
    size, media_type = headers.get("Content-Length", ""), _media_type(headers)
    try:
        digest = Digest.parse(headers.get("Docker-Content-Digest", ""))
    except InvalidDigest:
        return None
    if media_type not in DOCUMENTS or not _SIZE.fullmatch(size) or int(size) > MAX_DOCUMENT:
        return None
    return Descriptor(media_type, digest, int(size))


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _no_reference(repository: Repository, what: str) -> ReferenceNotFound:
    return ReferenceNotFound(f"{repository.registry} has no {what}")


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
