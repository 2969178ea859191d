"""The command line's end of the control socket."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import aiohttp

from p2player.config import HostPort
from p2player.control.codec import error_from_json, from_json, to_json
from p2player.control.importclient import ImportClient
from p2player.control.messages import Banned, Event, Greeting, Image, Peer, PullRequest, Status, event_from_json
from p2player.control.socket import control_socket
from p2player.errors import BadInput, DaemonUnreachable, P2PlayerError
from p2player.oci.digest import Digest
from p2player.pull.events import BlobProgress, PullResult
from p2player.pull.why import Explanation
from p2player.store.removal import Removed
from p2player.store.rows import StoredBlob
from p2player.store.verify import Checked

T = TypeVar("T")

_CHUNK: Final = 1024 * 1024
_BASE: Final = "http://p2player"


class ControlClient:
    """A conversation with the daemon of a data directory, in an `async with` block.

    Every method raises what the daemon raised, or DaemonUnreachable. Leaving it early ends what the daemon does for it.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = control_socket(data_dir)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            _BASE,
            connector=aiohttp.UnixConnector(str(self._path)),
            timeout=aiohttp.ClientTimeout(total=None),  # the daemon is on this machine, and a pull may take hours
            read_bufsize=_CHUNK,
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._session.close()

    async def status(self) -> Status:
        """Return the node at a glance."""
        return await self._ask(Status, "GET", "/status")

    async def images(self) -> tuple[Image, ...]:
        """Return the images that have a name in the store."""
        return await self._ask(tuple[Image, ...], "GET", "/images")

    async def blobs(self) -> tuple[StoredBlob, ...]:
        """Return the blobs in the store."""
        return await self._ask(tuple[StoredBlob, ...], "GET", "/blobs")

    async def peers(self) -> tuple[Peer, ...]:
        """Return the nodes that the daemon knows, and at last those that it has banned and does not meet."""
        return await self._ask(tuple[Peer, ...], "GET", "/peers")

    async def greetings(self) -> tuple[Greeting, ...]:
        """Return what came of asking some of the other nodes, now."""
        return await self._ask(tuple[Greeting, ...], "GET", "/greetings")

    async def forgive(self, node_id: str) -> Banned:
        """Lift the ban of a node, and return what it was. Raises BadInput if it is not banned."""
        return await self._ask(Banned, "POST", "/forgive", params={"node": node_id})

    async def why(self, target: str) -> Explanation:
        """Return what the daemon knows about a reference or digest."""
        return await self._ask(Explanation, "GET", "/why", params={"target": target})

    async def remove(self, target: str) -> Removed:
        """Take an image or a blob out of the store."""
        return await self._ask(Removed, "POST", "/remove", params={"target": target})

    async def torrent(self, digest: Digest) -> bytes:
        """Return a .torrent file for a blob in the store."""
        async with self._request("GET", f"/blobs/{digest}/torrent") as response:
            return await response.read()

    async def read(self, digest: Digest) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a blob in the store."""
        async with self._request("GET", f"/blobs/{digest}") as response:
            async for chunk in response.content.iter_chunked(_CHUNK):
                yield chunk

    async def pull(self, target: str, platform: str | None) -> AsyncGenerator[BlobProgress | PullResult, None]:
        """Yield how the blobs of a target come into the store, and at last the result (see PullRequest)."""
        async for event in self._events("/pull", json=to_json(PullRequest(target, platform))):
            if isinstance(event, BlobProgress | PullResult):
                yield event

    async def fetch(self, torrent: bytes, peers: Sequence[HostPort]) -> AsyncGenerator[BlobProgress | PullResult, None]:
        """Yield how the blob of a .torrent file comes into the store from these peers, and at last the result."""
        params = [("peer", str(peer)) for peer in peers]
        async for event in self._events("/fetch", params=params, data=torrent):
            if isinstance(event, BlobProgress | PullResult):
                yield event

    async def verify(self) -> AsyncGenerator[Checked, None]:
        """Yield what the daemon finds about each blob in the store."""
        async for event in self._events("/verify"):
            if isinstance(event, Checked):
                yield event

    @asynccontextmanager
    async def begin_import(self) -> AsyncIterator[ImportClient]:
        """Open an import; nothing of it stays unless it is committed in the `async with` block."""
        with self._reachable():
            async with self._session.ws_connect("/import") as socket, ImportClient(socket) as importing:
                yield importing

    async def _ask(self, kind: type[T], method: str, path: str, **options: Any) -> T:
        async with self._request(method, path, **options) as response:
            answer = await response.json()
        with _same_version():
            return from_json(kind, answer)

    async def _events(self, path: str, **options: Any) -> AsyncGenerator[Event, None]:
        async with self._request("POST", path, **options) as response:
            async for line in response.content:
                with _same_version():
                    event = event_from_json(json.loads(line))
                if isinstance(event, P2PlayerError):
                    raise event
                yield event

    @asynccontextmanager
    async def _request(self, method: str, path: str, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        with self._reachable():
            async with self._session.request(method, path, **options) as response:
                if not response.ok:
                    with _same_version():
                        error = error_from_json(await response.json())
                    raise error
                yield response

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except aiohttp.ClientConnectorError as error:
            hint = "start one with `p2player serve`, or name its data directory with --data-dir"
            if isinstance(error.os_error, PermissionError):
                hint = "the daemon belongs to another user; run this as that user"
            raise DaemonUnreachable(
                f"no daemon answers at {self._path}: {error.os_error.strerror}", hint=hint
            ) from error
        except aiohttp.ClientError as error:
            raise DaemonUnreachable("the daemon broke off", hint="its log says why") from error


@contextmanager
def _same_version() -> Iterator[None]:
    """Raise DaemonUnreachable for an answer that cannot be understood."""
    try:
        yield
    except (BadInput, LookupError, ValueError) as error:
        raise DaemonUnreachable(
            f"the daemon gave an answer that is not understood: {error}", hint="restart it if p2player was upgraded"
        ) from error
