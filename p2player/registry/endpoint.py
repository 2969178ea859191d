"""The registry that runtimes on this machine pull through (OCI distribution spec, pull side and content discovery)."""

import logging
from contextlib import AbstractContextManager, nullcontext
from io import FileIO

from aiohttp import web

from p2player.counters import Counters
from p2player.errors import BlobNotFound, P2PlayerError, ReferenceNotFound
from p2player.oci.digest import Digest
from p2player.oci.mediatypes import OCI_INDEX, OCTET_STREAM
from p2player.peer.listener import Listener
from p2player.pull.port import FoundManifest, Library, OpenBlob
from p2player.registry.askers import asker_of
from p2player.registry.bodies import send_file, send_stream
from p2player.registry.certificates import EndpointTls
from p2player.registry.errors import answer_to
from p2player.registry.guard import CHALLENGE, Guard
from p2player.registry.listing import referrers_index, tags_page
from p2player.registry.negotiation import accepts
from p2player.registry.ranges import Span, entity_tag, is_unchanged, select
from p2player.registry.requests import (
    BaseRequest,
    BlobRequest,
    ManifestRequest,
    ReferrersRequest,
    RepositoryRequest,
    TagsRequest,
    parse_request,
)
from p2player.store.durable import disk_errors
from p2player.upstream.port import Asker

log = logging.getLogger(__name__)

_JSON = "application/json"
# dockerd takes an answer without it for a registry of the first API version.
_API_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}

# RFC 7234 section 5.5.1; RFC 9111 dropped the field, and nothing else says the same.
_STALE = '110 p2player "Response is Stale"'


class Endpoint:
    """Serves a library over HTTP, to any number of clients."""

    def __init__(
        self,
        library: Library,
        counters: Counters,
        *,
        guard: Guard | None = None,
        tls: EndpointTls | None = None,
    ) -> None:
        """Serve everybody who reaches it, or whom guard lets in; over TLS if there is any."""
        self._library = library
        self._counters = counters
        self._guard = guard or Guard(None, counters)
        self._tls = tls
        self._listener = Listener(self._handle, counters, "registry.malformed", refused="registry.refused")

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Return the address that is now listened on; port 0 picks a free one. Raises AddressUnusable."""
        return await self._listener.start(host, port, tls=self._tls.context if self._tls else None)

    async def close(self) -> None:
        """Stop listening and end all connections."""
        await self._listener.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            logins = self._guard.admit(request.headers, request.remote or "")
            asked = parse_request(request.method, request.path, request.query)
            if isinstance(asked, BaseRequest):
                # Who is let in without has to be asked all the same: podman, skopeo and CRI-O send the credentials they
                # have for a registry only to who asks for them here.
                return _response(200, b"{}", {"Content-Type": _JSON, **CHALLENGE})
            return await self._answer(asked, request, asker_of(logins))
        except Exception as error:  # noqa: BLE001  (a client always gets an answer; answer_to logs what is a bug)
            answer = answer_to(error)
            return _response(answer.status, answer.body, {"Content-Type": _JSON, **answer.headers})

    async def _answer(self, asked: RepositoryRequest, request: web.BaseRequest, asker: Asker) -> web.StreamResponse:
        repository = asked.name.repository
        headers = {} if asked.name.namespace is None else {"OCI-Namespace": asked.name.namespace}
        match asked:
            case ManifestRequest():
                found = await self._library.manifest(repository, asked.target, asker)
                return _manifest(found, asked, request, headers)
            case BlobRequest():
                blob = await self._library.blob(asked.digest, repository, asker)
                return await self._blob(blob, request, headers)
            case TagsRequest():
                page = tags_page(asked, await self._library.tags(repository, asker))
                link = {} if page.link is None else {"Link": page.link}
                return _response(200, page.body, {"Content-Type": _JSON, **link, **headers})
            case ReferrersRequest():
                body = referrers_index(asked, await self._library.referrers(asked.digest, repository, asker))
                applied = {} if asked.artifact_type is None else {"OCI-Filters-Applied": "artifactType"}
                return _response(200, body, {"Content-Type": OCI_INDEX, **applied, **headers})

    async def _blob(self, blob: OpenBlob, request: web.BaseRequest, headers: dict[str, str]) -> web.StreamResponse:
        headers |= {"Accept-Ranges": "bytes", "Content-Type": OCTET_STREAM, **_identity(blob.digest)}
        selection = select(request.method, request.headers, headers["ETag"], blob.size)
        response = web.StreamResponse(status=selection.status, headers={**_API_VERSION, **headers, **selection.headers})
        if request.method == "GET" and selection.span:
            await self._send(request, response, blob, selection.span)
        return response

    async def _send(self, request: web.BaseRequest, response: web.StreamResponse, blob: OpenBlob, span: Span) -> None:
        """Send headers and body, or end the connection: a body that cannot be completed must never look complete."""
        with _opened(blob) as file:
            try:
                await response.prepare(request)
                if file is None or self._tls is not None:  # the kernel would send it as it is
                    await send_stream(response, blob, span)
                else:
                    await send_file(request, file, span)
                if file is not None:
                    self._counters.add_bytes("local", len(span))
            except Exception as error:  # noqa: BLE001  (headers are out; only the connection can tell the client)
                _log_cut(blob.digest, error)
                if request.transport is not None:
                    request.transport.abort()


def _manifest(
    found: FoundManifest, asked: ManifestRequest, request: web.BaseRequest, headers: dict[str, str]
) -> web.Response:
    document = found.document
    if not accepts(request.headers.getall("Accept", ()), document.media_type):
        raise ReferenceNotFound(
            f"{asked.target} is of a type the client did not ask for",
            hint=f"send an Accept header with {document.media_type}",
        )
    headers |= _identity(document.digest)
    if found.stale_for is not None:
        headers |= {"Age": str(int(found.stale_for)), "Warning": _STALE}
    if is_unchanged(request.headers.get("If-None-Match"), headers["ETag"]):
        return _response(304, b"", headers)
    return _response(200, document.raw, {"Content-Type": document.media_type, **headers})


def _opened(blob: OpenBlob) -> AbstractContextManager[FileIO | None]:
    if blob.path is None:
        return nullcontext()
    try:
        with disk_errors(blob.path):
            return blob.path.open("rb", buffering=0)
    except FileNotFoundError as error:
        raise BlobNotFound(f"{blob.digest} has just left the store", hint="ask again") from error


def _log_cut(digest: Digest, error: Exception) -> None:
    match error:
        case ConnectionError() | TimeoutError():
            log.debug("a client left, or took nothing more, before it had all of %s", digest)
        case P2PlayerError():
            log.warning("gave up on %s halfway: %s", digest, error)
        case _:
            log.error("gave up on %s halfway", digest, exc_info=error)


def _identity(digest: Digest) -> dict[str, str]:
    return {"Docker-Content-Digest": str(digest), "ETag": entity_tag(digest)}


def _response(status: int, body: bytes, headers: dict[str, str]) -> web.Response:
    return web.Response(status=status, body=body, headers={**_API_VERSION, **headers})
