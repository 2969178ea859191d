"""The daemon's end of the control socket. Who may open the socket may do everything, so its mode is 0600."""

import asyncio
import logging
import socket
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from p2player.control.codec import error_to_json
from p2player.control.handlers import Handlers
from p2player.control.ports import Daemon
from p2player.control.socket import control_socket
from p2player.errors import P2PlayerError
from p2player.tasks import Tasks

log = logging.getLogger(__name__)

_MAX_BODY = 64 * 1024 * 1024  # a .torrent file with the piece layer of the largest blob
_GRACE_SECONDS = 0.2
_BACKLOG = 128


class ControlServer:
    """Lets programs on this machine use a daemon. What a client asked for is cancelled when it leaves."""

    def __init__(self, daemon: Daemon) -> None:
        self._path = control_socket(daemon.config.data_dir)
        self._tasks = Tasks("control")
        app = web.Application(middlewares=[_report_errors], client_max_size=_MAX_BODY)
        app.add_routes(Handlers(daemon, self._tasks).routes())
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=_GRACE_SECONDS, handle_signals=False
        )

    async def start(self) -> None:
        """Listen on the control socket of the data directory."""
        await self._runner.setup()
        await web.SockSite(self._runner, await asyncio.to_thread(_listen, self._path)).start()

    async def close(self) -> None:
        """Stop listening, and end what clients asked for."""
        self._path.unlink(missing_ok=True)
        await self._runner.cleanup()
        await self._tasks.close()


def _listen(path: Path) -> socket.socket:
    """Return a socket that listens at path, nobody but its owner having been able to open it at any moment.

    A socket that is there already is a dead daemon's: a living one holds the lock of the data directory.
    """
    staging = path.with_suffix(".new")
    staging.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(staging))
    staging.chmod(0o600)
    listening.listen(_BACKLOG)
    staging.replace(path)
    return listening


@web.middleware
async def _report_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except P2PlayerError as error:
        return web.json_response(error_to_json(error), status=error.http_status)
    except Exception as error:
        log.exception("%s %s", request.method, request.path)
        internal = P2PlayerError(f"the daemon failed: {error!r}", hint="its log says more; this is a bug in p2player")
        return web.json_response(error_to_json(internal), status=internal.http_status)
