"""What the daemon does for its clients: HTTP with JSON, long work as one JSON object a line (see messages.Event)."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from aiohttp import web

import p2player
from p2player.config import HostPort
from p2player.control.codec import from_json, to_json
from p2player.control.imports import ImportSession
from p2player.control.inspection import list_images, verify_blobs
from p2player.control.messages import Banned, Certificates, Event, Greeting, Peer, PullRequest, Status, event_to_json
from p2player.control.platforms import pull_platform
from p2player.control.ports import Daemon
from p2player.control.target import Target, parse_target
from p2player.errors import AddressUnusable, BadInput, BlobNotFound, P2PlayerError, PeerUnreachable
from p2player.oci.digest import Digest
from p2player.oci.jsonobject import parse_json
from p2player.oci.reference import Reference
from p2player.peer.identity import NodeId
from p2player.store.rows import StoredBlob
from p2player.swarm.metainfo import Metainfo
from p2player.tasks import Tasks

_MAX_MESSAGE = 8 * 1024 * 1024
_GREETED = 5
_GREETING_SECONDS = 5.0


class Handlers:
    """One method a route. What goes wrong is raised, and told to the client by the server."""

    def __init__(self, daemon: Daemon, tasks: Tasks) -> None:
        self._daemon = daemon
        self._tasks = tasks

    def routes(self) -> list[web.RouteDef]:
        """Return all of them."""
        return [
            web.get("/status", self._status),
            web.get("/images", self._images),
            web.get("/blobs", self._blobs),
            web.get("/blobs/{digest}", self._content),
            web.get("/blobs/{digest}/torrent", self._torrent),
            web.get("/peers", self._peers),
            web.get("/greetings", self._greetings),
            web.post("/forgive", self._forgive),
            web.get("/why", self._why),
            web.post("/remove", self._remove),
            web.post("/pull", self._pull),
            web.post("/fetch", self._fetch),
            web.post("/verify", self._verify),
            web.get("/import", self._import),
        ]

    async def _status(self, _: web.Request) -> web.Response:
        daemon = self._daemon
        return _answer(
            Status(
                node_id=str(daemon.identity.node_id),
                version=p2player.__version__,
                data_dir=str(daemon.config.data_dir),
                secret=daemon.config.secret_file is not None,
                tls=Certificates(daemon.tls.mode, daemon.tls.expires),
                registry=daemon.registry_address,
                registry_asks=daemon.config.registry_asks,
                cluster=daemon.cluster_address,
                swarm=daemon.swarm_address,
                uptime_seconds=int(time.time() - daemon.started_at),
                peers=len(daemon.dht.contacts()),
                blobs=len(daemon.store.blobs()),
                tasks=len(asyncio.all_tasks()),
                bytes=daemon.counters.bytes,
                dropped=daemon.counters.dropped | _dropped_datagrams(daemon.dht.counters),
                events=daemon.counters.events,
            )
        )

    async def _images(self, _: web.Request) -> web.Response:
        return _answer(await asyncio.to_thread(list_images, self._daemon.store))

    async def _blobs(self, _: web.Request) -> web.Response:
        return _answer(self._daemon.store.blobs())

    async def _content(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(self._daemon.store.path(self._blob(request).digest))

    async def _torrent(self, request: web.Request) -> web.Response:
        blob = self._blob(request)
        if not blob.size:
            raise BadInput(f"blob {blob.digest} is empty, and a torrent needs a byte at least")
        torrent = self._daemon.holdings.metainfo(blob).torrent_file(self._daemon.store.piece_layer(blob.digest))
        return web.Response(body=torrent, content_type="application/x-bittorrent")

    async def _peers(self, _: web.Request) -> web.Response:
        contacts = {node_id: str(HostPort(host, port)) for node_id, host, port in self._daemon.dht.contacts()}
        bans = {NodeId(ban.node): Banned(ban.reason, ban.at) for ban in self._daemon.store.banned()}
        known = dict.fromkeys((*contacts, *bans))
        return _answer([Peer(node_id, contacts.get(node_id, ""), bans.get(node_id)) for node_id in known])

    async def _greetings(self, _: web.Request) -> web.Response:
        bans = {ban.node for ban in self._daemon.store.banned()}
        met = [(host, port) for node_id, host, port in self._daemon.dht.contacts() if node_id.raw not in bans]
        return _answer(await asyncio.gather(*(self._greet(host, port) for host, port in met[:_GREETED])))

    async def _greet(self, host: str, port: int) -> Greeting:
        address = str(HostPort(host, port))
        try:
            return Greeting(address, await self._daemon.peers.skew(host, port, timeout=_GREETING_SECONDS), "")
        except PeerUnreachable as error:
            return Greeting(address, None, f"{error.message}; {error.hint}" if error.hint else error.message)

    async def _forgive(self, request: web.Request) -> web.Response:
        text, store = request.query.get("node", ""), self._daemon.store
        bans = {ban.node.hex(): Banned(ban.reason, ban.at) for ban in store.banned()}
        if text not in bans or not await asyncio.to_thread(store.unban, bytes.fromhex(text)):
            told = ", ".join(bans) or "nobody is"
            raise BadInput(f"not a banned node: {text[:80]!r}", hint=f"banned: {told}")
        return _answer(bans[text])

    async def _why(self, request: web.Request) -> web.Response:
        return _answer(await self._daemon.images.why(_target(request)))

    async def _remove(self, request: web.Request) -> web.Response:
        store, holdings = self._daemon.store, self._daemon.holdings
        held = {blob.digest: blob for blob in store.blobs()}
        match _target(request):
            case Reference(repository, str(tag)) as reference:
                await holdings.unpublish(reference)
                removed = await asyncio.to_thread(store.remove_image, str(repository), tag)
            case Reference(digest=Digest() as digest) | (Digest() as digest):
                removed = await asyncio.to_thread(store.remove_blob, digest)
        await holdings.drop([held[digest] for digest in removed.blobs if digest in held])
        return _answer(removed)

    async def _pull(self, request: web.Request) -> web.StreamResponse:
        asked = from_json(PullRequest, parse_json(await request.read(), "message", BadInput))
        pulling = pull_platform(self._daemon.images, parse_target(asked.target), asked.platform)
        return await _stream(request, pulling)

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        metainfo = Metainfo.from_torrent(await request.read())
        peers = [await _resolve(HostPort.parse(peer)) for peer in request.query.getall("peer", [])]
        return await _stream(request, self._daemon.images.fetch_known(metainfo, peers))

    async def _verify(self, request: web.Request) -> web.StreamResponse:
        return await _stream(request, verify_blobs(self._daemon.store, self._daemon.holdings))

    async def _import(self, request: web.Request) -> web.StreamResponse:
        connection = web.WebSocketResponse(compress=False, max_msg_size=_MAX_MESSAGE)
        await connection.prepare(request)
        await ImportSession(self._daemon, connection, self._tasks).run()
        return connection

    def _blob(self, request: web.Request) -> StoredBlob:
        digest = Digest.parse(request.match_info["digest"])
        blob = self._daemon.store.get(digest)
        if blob is None:
            raise BlobNotFound(f"blob {digest} is not here", hint=f"`p2player fetch {digest}` brings it")
        return blob


def _dropped_datagrams(counters: Mapping[str, int]) -> dict[str, int]:
    prefix = "dropped_"
    return {f"dht.{name.removeprefix(prefix)}": n for name, n in counters.items() if name.startswith(prefix)}


def _target(request: web.Request) -> Target:
    return parse_target(request.query.get("target", ""))


async def _resolve(address: HostPort) -> tuple[str, int]:
    """Return the IP address and port of a peer that may be given by name, or raise AddressUnusable."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise AddressUnusable(f"cannot resolve {address}: {error.strerror}", hint="give its IP address") from error
    host, port, *_ = found[0][4]
    return str(host), int(port)


def _answer(value: object) -> web.Response:
    return web.json_response(to_json(value))


async def _stream(request: web.Request, events: AsyncGenerator[Event, None]) -> web.StreamResponse:
    """Answer with a line for each event, the last of them the error, if it ends with one."""
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    try:
        async with aclosing(events):
            async for event in events:
                await response.write(_line(event))
    except P2PlayerError as error:
        await response.write(_line(error))
    return response


def _line(event: Event) -> bytes:
    return json.dumps(event_to_json(event)).encode() + b"\n"
