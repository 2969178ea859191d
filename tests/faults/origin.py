"""Registries in the test's process: one that is as slow as it is told to be, and one on a host of its own, that goes wrong."""

import asyncio
from contextlib import suppress

from aiohttp import web

from p2player.oci.digest import Digest

_CHUNK = 64 * 1024
_LATE = 0.1
_PORT = 5000
NAME = "registry.test"


class Pace:
    """Lets bytes pass at a rate (bytes a second), whoever sends them, and counts them."""

    def __init__(self, rate):
        self.passed = 0
        self._rate = rate
        self._free_at = 0.0

    async def pass_on(self, response, data):
        loop = asyncio.get_running_loop()
        for at in range(0, len(data), _CHUNK):
            chunk = data[at : at + _CHUNK]
            # Who was late, because the machine was, may catch up.
            self._free_at = max(self._free_at, loop.time() - _LATE) + len(chunk) / self._rate
            await asyncio.sleep(self._free_at - loop.time())
            self.passed += len(chunk)
            await response.write(chunk)


def part_of(request, size):
    """Return the answer to a request for something of so many bytes, and where the part asked for begins and ends."""
    first, _, last = request.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
    start, stop = int(first), int(last or size - 1) + 1
    is_part = "Range" in request.headers
    headers = {"Content-Range": f"bytes {start}-{stop - 1}/{size}"} if is_part else {}
    response = web.StreamResponse(status=206 if is_part else 200, headers=headers)
    response.content_length = stop - start
    return response, start, stop


class PacedRegistry:
    """Sends blobs to whom asks, on loopback, to each no faster than `rate` (bytes a second)."""

    def __init__(self, rate, *blobs):
        self.url = ""
        self._rate = rate
        self._blobs = {str(Digest.of(data)): data for data in blobs}
        self._paces = []
        self._runner = web.ServerRunner(web.Server(self._answer, handler_cancellation=True), shutdown_timeout=0.1)

    @property
    def sent(self):
        return sum(pace.passed for pace in self._paces)

    async def __aenter__(self):
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _answer(self, request):
        if request.path == "/v2/":
            return web.Response()
        if (data := self._blobs.get(request.path.rpartition("/")[2])) is None:
            return web.Response(status=404)
        response, start, stop = part_of(request, len(data))
        with suppress(ConnectionError):
            await response.prepare(request)
            if request.method == "GET":
                self._paces.append(Pace(self._rate))
                await self._paces[-1].pass_on(response, data[start:stop])
        return response


class Origin:
    """Has one blob. `faults` says what it does to the hosts of these addresses, from the moment it is set."""

    def __init__(self, host, blob):
        self.url = f"http://{NAME}:{_PORT}"
        self.address = host.address
        self.faults = {}
        self.hold_at = None
        """At which byte all streams wait, None for nowhere."""
        self._host = host
        self._blob = blob
        self._changed = asyncio.Event()
        self._runner = None

    async def __aenter__(self):
        self._runner = web.ServerRunner(web.Server(self._answer, handler_cancellation=True), shutdown_timeout=0.1)
        await self._runner.setup()
        with self._host.entered():
            await web.TCPSite(self._runner, self._host.address, _PORT).start()
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    def change(self, *, faults=None, hold_at=None):
        """Let these faults hold from now on, and no others."""
        self.faults, self.hold_at = faults or {}, hold_at
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _answer(self, request):
        if self._fault(request) == "hangs":
            await self._until(lambda: self._fault(request) != "hangs")
        if self._fault(request) == "resets":
            request.transport.abort()
        if request.path == "/v2/":
            return web.Response()
        if not request.path.endswith(f"/blobs/{self._blob.digest}"):
            return web.Response(status=404)
        response, start, stop = part_of(request, self._blob.size)
        with suppress(ConnectionError):
            await response.prepare(request)
            if request.method == "GET":
                await self._send(request, response, start, stop)
        return response

    async def _send(self, request, response, start, stop):
        halfway = (start + stop) // 2
        for at in range(start, stop, _CHUNK):
            await self._until(lambda at=at: self.hold_at is None or at < self.hold_at)
            chunk = self._blob.data[at : min(at + _CHUNK, stop)]
            match self._fault(request):
                case "hangs":
                    await self._until(lambda: self._fault(request) != "hangs")
                case "resets":
                    request.transport.abort()
                case "sends half" if at >= halfway:
                    request.transport.close()
                case "sends wrong bytes":
                    chunk = bytes(len(chunk))
            await response.write(chunk)

    def _fault(self, request):
        return self.faults.get(request.remote)

    async def _until(self, is_so):
        while not is_so():
            await self._changed.wait()
