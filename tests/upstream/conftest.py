"""An HTTP registry in the test's own process, which serves what a MemoryRegistry holds."""

import asyncio
import base64
import fcntl
import json
import socket
import sys
import termios
from collections import Counter
from urllib.parse import urlencode

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver

from p2player.counters import Counters
from p2player.errors import InvalidDigest
from p2player.oci.digest import Digest
from p2player.oci.reference import Repository
from p2player.upstream.client import RegistryUpstreams
from p2player.upstream.memory import MemoryRegistry
from p2player.upstream.port import Login
from p2player.upstream.settings import UpstreamSettings
from tests.virtual_time import VirtualTimeLoop

NAME = "registry.test"

IN_VIRTUAL_TIME = {"test_memory.py", "test_tokens.py"}


def pytest_asyncio_loop_factories(config, item):
    return {"virtual": VirtualTimeLoop} if item.path.name in IN_VIRTUAL_TIME else {"real": asyncio.new_event_loop}


def basic(user, password):
    return Login("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


async def break_off(request):
    """End a connection after all that was written has arrived, and who reads it in this loop has had its turns."""
    transport = request.transport
    sending = transport.get_extra_info("socket")
    while not transport.is_closing() and (transport.get_write_buffer_size() or _unacknowledged(sending)):  # noqa: ASYNC110  (the system's doing)
        await asyncio.sleep(0)
    for _ in range(100):
        await asyncio.sleep(0)
    transport.abort()


def _unacknowledged(sending):
    return int.from_bytes(fcntl.ioctl(sending.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)


class HttpRegistry:
    """What a MemoryRegistry holds for NAME, over HTTP. A handler in `instead` answers in place of it, by path."""

    def __init__(self, held: MemoryRegistry, *, ranges=True, tokens=False, digests=True, prefix=""):
        self.held = held
        self.ranges = ranges
        self.tokens = tokens
        self.digests = digests
        self.prefix = prefix
        self.instead = {}
        self.asked = Counter()
        self.requests = []
        self.token_requests = []
        self.token_life = 300
        self.url = ""
        self._issued = {}
        self._runner = None

    async def start(self, ssl_context=None):
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/token", self._token)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=ssl_context)
        await site.start()
        scheme = "https" if ssl_context else "http"
        self.url = f"{scheme}://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def stop(self):
        await self._runner.cleanup()

    async def _answer(self, request):
        self.requests.append(request)
        self.asked[request.method] += 1
        if handler := self.instead.get(request.path):
            return await handler(request)
        if fault := self.held.faults.get(NAME):
            if fault == "down":
                request.transport.abort()
            return web.Response(status=429, headers={"Retry-After": "30"})
        return await self._look_up(request)

    async def _look_up(self, request):
        path, _, target = request.path.removeprefix("/v2/").removeprefix(self.prefix).rpartition("/")
        path, _, kind = path.rpartition("/")
        repository = Repository(NAME, path)
        content = self.held.find(repository)
        if refused := self._refusal(request, repository, content):
            return refused
        if content is None:
            return web.Response(status=404)
        if kind == "tags":
            return self._tags(request, content)
        if kind not in {"manifests", "blobs"}:
            return web.Response(status=404)
        return await self._content(request, content, kind, target)

    def _refusal(self, request, repository, content):
        shown = request.headers.get("Authorization", "")
        if self.tokens:
            challenge = f'Bearer realm="{self.url}/token",service="{NAME}",scope="repository:{self.prefix}{repository.path}:pull"'
            if shown not in self._issued:
                return web.Response(status=401, headers={"WWW-Authenticate": challenge})
            login = self._issued[shown]
            challenge += ',error="insufficient_scope"'
        else:
            challenge = f'Basic realm="{NAME}"'
            login = Login(shown) if shown else None
            if login is not None and not self.held.knows(NAME, login):
                return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        if content is None or content.logins is None or login in content.logins:
            return None
        if login is not None and not self.tokens:
            return web.Response(status=403)
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    async def _token(self, request):
        form = await request.post() if request.method == "POST" else request.query
        shown = request.headers.get("Authorization")
        self.token_requests.append((request.method, dict(form), shown))
        if handler := self.instead.get("/token"):
            return await handler(request)
        login = Login(shown) if shown else None
        if request.method == "POST":
            login = Login(f"Identity {form['refresh_token']}")
        if login is not None and not self.held.knows(NAME, login):
            return web.Response(status=401)
        token = f"t{len(self.token_requests)}"
        self._issued[f"Bearer {token}"] = login
        return web.json_response({"token": token, "expires_in": self.token_life})

    def _tags(self, request, content):
        names, page = sorted(content.tags), 100
        start = int(request.query.get("from", 0))
        headers = {}
        if start + page < len(names):
            query = urlencode({"from": start + page})
            headers["Link"] = f'<{request.path}?{query}>; rel="next"'
        return web.Response(
            body=json.dumps({"tags": names[start : start + page] or None}),
            content_type="application/json",
            headers=headers,
        )

    async def _content(self, request, content, kind, target):
        try:
            digest = Digest.parse(target)
        except InvalidDigest:
            digest = content.tags.get(target) if kind == "manifests" else None
        data = content.holding(kind).get(digest)
        if data is None:
            return web.Response(status=404)
        headers = {"Content-Type": "application/octet-stream"}
        if kind == "manifests":
            headers["Content-Type"] = content.documents[digest].media_type
        if self.digests:
            headers["Docker-Content-Digest"] = str(digest)
        if f'"{digest}"' == request.headers.get("If-None-Match"):
            return web.Response(status=304)
        if request.method == "HEAD":
            return web.Response(headers={**headers, "Content-Length": str(len(data))})
        self.held.opened[digest] += 1
        return await self._send(request, digest, self.held.wrong.get(digest, data), headers)

    async def _send(self, request, digest, data, headers):
        start, status = 0, 200
        if self.ranges and (asked := request.headers.get("Range")):
            start, _, stop = asked.removeprefix("bytes=").partition("-")
            start, stop = int(start), int(stop or len(data) - 1)
            if start >= len(data):
                return web.Response(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
            status = 206
            headers["Content-Range"] = f"bytes {start}-{stop}/{len(data)}"
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = len(data) - start
        await response.prepare(request)
        ends = self.held.broken.get(digest, len(data))
        self.held.sent[digest] += max(0, ends - start)
        if start < ends:
            await response.write(data[start:ends])
        if ends < len(data):
            await break_off(request)
        return response


class FakeResolver(AbstractResolver):
    """Says that every name has these addresses."""

    def __init__(self, *addresses):
        self.addresses = addresses
        self.asked = []

    async def resolve(self, host, port=0, family=0):
        self.asked.append(host)
        kept = {"hostname": host, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
        return [{**kept, "host": address} for address in self.addresses]

    async def close(self):
        pass


@pytest.fixture
def resolver():
    return FakeResolver


@pytest.fixture
async def serve():
    """Return a function that starts an HTTP registry."""
    running = []

    async def start(held=None, *, ssl_context=None, **traits):
        registry = await HttpRegistry(held or MemoryRegistry(), **traits).start(ssl_context)
        running.append(registry)
        return registry

    yield start
    for registry in running:
        await registry.stop()


@pytest.fixture
async def ask(tmp_path):
    """Return a function that makes the upstreams of a node which asks NAME at these URLs, and finds logins by registry."""
    made = []

    def upstreams(*urls, logins=None, config=None, environ=None, counters=None, **settings):
        (tmp_path / "docker").mkdir(exist_ok=True)
        auths = {name: {"auth": login.authorization.split()[1]} for name, login in (logins or {}).items()}
        (tmp_path / "docker/config.json").write_text(json.dumps(config or {"auths": auths}))
        found = RegistryUpstreams(
            [UpstreamSettings(NAME, urls, **settings)] if urls else [],
            configured_only=bool(urls),
            counters=counters or Counters(),
            environ={"DOCKER_CONFIG": str(tmp_path / "docker"), "HOME": str(tmp_path), **(environ or {})},
        )
        made.append(found)
        return found

    yield upstreams
    for one in made:
        await one.close()
