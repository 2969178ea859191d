"""The daemon's end of an import: one WebSocket, and whoever closes it before the end has brought in nothing.

    client                                          daemon
    BlobOffer                                       {"wanted": true}, or false if the blob is here
    its bytes in binary messages, {"end": true}     StoredBlob
    … more of these …
    {"names": [Naming, …]}                          {"done": true} once all of it is in the store and announced

Whenever something fails the daemon sends {"error": …} and closes.
"""

import asyncio
from typing import Any

from aiohttp import WSMsgType, web

from p2player.control.codec import error_to_json, from_json, to_json
from p2player.control.messages import BlobOffer, Naming
from p2player.control.ports import Daemon
from p2player.errors import BadInput, P2PlayerError
from p2player.oci.jsonobject import parse_json
from p2player.store.rows import StoredBlob
from p2player.tasks import Tasks


class ClientGoneError(Exception):
    """The connection ended before the import did."""


class ImportSession:
    """One import, from the first offer until it is committed or given up."""

    def __init__(self, daemon: Daemon, socket: web.WebSocketResponse, tasks: Tasks) -> None:
        self._holdings = daemon.holdings
        self._store = daemon.store
        self._import = self._store.begin_import()
        self._socket = socket
        self._tasks = tasks

    async def run(self) -> None:
        """Serve the client to the end of the import. What goes wrong is told to it, and nothing is kept."""
        try:
            new, namings = await self._take_all()
            # Once it is decided that all comes in, a client that leaves must not stop it half-way.
            await asyncio.shield(self._tasks.spawn(self._commit(new, namings), "commit"))
            await self._send({"done": True})
        except (ClientGoneError, ConnectionResetError):
            pass
        except P2PlayerError as error:
            await self._send(error_to_json(error))
        finally:
            await self._socket.close()

    async def _take_all(self) -> tuple[list[StoredBlob], tuple[Naming, ...]]:
        """Return the blobs that came, and the names the import ended with."""
        new: list[StoredBlob] = []
        try:
            while True:
                match await self._receive():
                    case {"names": names}:
                        return new, from_json(tuple[Naming, ...], names)
                    case message:
                        new += await self._take(from_json(BlobOffer, message))
        except BaseException:
            self._import.discard()
            raise

    async def _take(self, offer: BlobOffer) -> list[StoredBlob]:
        """Return the blob, in a list that is empty if it was here before."""
        if offer.digest is not None and self._import.has(offer.digest):
            await self._send({"wanted": False})
            return []
        writer = self._import.add(offer.digest, offer.size)
        await self._send({"wanted": True})
        while isinstance(message := await self._receive(), bytes):
            await asyncio.to_thread(writer.write, message)
        stored = await asyncio.to_thread(writer.finish)
        await self._send(stored)
        return [stored]

    async def _commit(self, new: list[StoredBlob], namings: tuple[Naming, ...]) -> None:
        with self._import as transaction:
            rows = [self._holdings.name_row(naming.reference, naming.descriptor) for naming in namings]
            opened = await asyncio.to_thread(transaction.commit, rows)
        await self._holdings.add([*new, *filter(None, map(self._store.get, opened))])
        for row in rows:
            await self._holdings.publish(row)

    async def _send(self, message: object) -> None:
        await self._socket.send_json(to_json(message))

    async def _receive(self) -> Any:
        """Return the next message: bytes, or what JSON text spells. Raises ClientGoneError."""
        message = await self._socket.receive()
        match message.type:
            case WSMsgType.BINARY:
                return message.data
            case WSMsgType.TEXT:
                return parse_json(message.data.encode(), "message", BadInput)
        raise ClientGoneError
