import socket
import stat

import aiohttp
import pytest

from p2player.control.client import ControlClient
from p2player.control.server import ControlServer
from p2player.errors import DaemonUnreachable, P2PlayerError


def socket_of(daemon):
    return daemon.config.data_dir / "control.sock"


def test_only_the_owner_may_open_the_socket(daemon):
    assert stat.S_IMODE(socket_of(daemon).stat().st_mode) == 0o600


async def test_the_socket_is_gone_when_the_server_is_closed(daemon):
    await daemon.server.close()
    assert not socket_of(daemon).exists()


async def test_the_socket_of_a_dead_daemon_is_replaced(daemon):
    await daemon.server.close()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_of(daemon)))
    with pytest.raises(DaemonUnreachable):
        async with ControlClient(daemon.config.data_dir) as client:
            await client.status()
    daemon.server = ControlServer(daemon)
    await daemon.server.start()
    async with ControlClient(daemon.config.data_dir) as client:
        assert (await client.status()).node_id == str(daemon.identity.node_id)


async def test_a_bug_in_the_daemon_is_told_without_a_traceback(daemon, client, monkeypatch):
    def fail():
        raise KeyError("secret detail")

    monkeypatch.setattr(daemon.store, "blobs", fail)
    with pytest.raises(P2PlayerError, match="the daemon failed: KeyError") as told:
        await client.status()
    assert told.value.exit_code == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"target": 3}', b'{"target": "A B", "platform": null}'])
async def test_a_malformed_request_is_bad_input(daemon, body):
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket_of(daemon)))) as session,
        session.post("http://p2player/pull", data=body) as response,
    ):
        assert response.status == 400
        assert (await response.json())["message"]


async def test_an_unknown_path_is_not_found(daemon):
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket_of(daemon)))) as session,
        session.get("http://p2player/nothing") as response,
    ):
        assert response.status == 404
