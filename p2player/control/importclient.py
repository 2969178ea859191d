"""The client's end of an import; imports.py tells the protocol."""

import json
from collections.abc import AsyncIterable, Sequence
from typing import Any, Self

import aiohttp

from p2player.control.codec import error_from_json, from_json, to_json
from p2player.control.messages import BlobOffer, Naming
from p2player.errors import DaemonUnreachable
from p2player.oci.digest import Digest
from p2player.store.rows import StoredBlob
from p2player.tasks import Tasks


class ImportClient:
    """One import. Raises what the daemon raised as soon as it says so, or DaemonUnreachable."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._tasks = Tasks("import")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._tasks.close()

    async def add(self, digest: Digest | None, size: int | None, content: AsyncIterable[bytes]) -> StoredBlob | None:
        """Return the blob as it will be in the store, or None if it is there already; content is then not read."""
        await self._send(BlobOffer(digest, size))
        if not (await self._answer())["wanted"]:
            return None
        # The daemon may fail at any chunk, and would otherwise be heard only at the last.
        answer = self._tasks.spawn(self._answer(), "answer")
        async for chunk in content:
            if answer.done():
                break
            await self._socket.send_bytes(chunk)
        else:
            await self._send({"end": True})
        return from_json(StoredBlob, await answer)

    async def commit(self, namings: Sequence[Naming]) -> None:
        """Let everything that was added into the store, under these names."""
        await self._send({"names": namings})
        await self._answer()

    async def _send(self, message: object) -> None:
        await self._socket.send_json(to_json(message))

    async def _answer(self) -> dict[str, Any]:
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise DaemonUnreachable("the daemon broke off the import", hint="its log says why")
        members: dict[str, Any] = json.loads(message.data)
        if "error" in members:
            raise error_from_json(members)
        return members
