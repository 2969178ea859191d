"""A Docker daemon as far as `docker save` needs one."""

import asyncio
import hashlib
import http.server
import io
import json
import socketserver
import tarfile
import threading
from pathlib import Path

import pytest

from tests.virtual_time import VirtualTimeLoop


def drain(source):
    """Read all blobs of a source, and return its images."""
    with source:
        for blob in source.blobs():
            while blob.stream.read(100):
                pass
        return source.images()


@pytest.fixture(scope="session")
def archive() -> bytes:
    """What `docker save app:1` writes."""
    config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": ["app:1"], "Layers": []}]).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member, data in ((name, config), ("manifest.json", manifest)):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class _Daemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def serve_daemon(tmp_path):
    """Return a function that starts a daemon which gives one answer, and returns its socket and the paths asked for."""
    running = []

    def serve(status: int, *chunks: bytes, whole: bool = True) -> tuple[Path, list[str]]:
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                asked.append(self.path)
                self.close_connection = True
                self.send_response(status)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for chunk in chunks:
                    self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                if whole:
                    self.wfile.write(b"0\r\n\r\n")

            def address_string(self) -> str:
                return "unix"

            def log_message(self, *args: object) -> None:
                pass

        daemon = _Daemon(str(tmp_path / "docker.sock"), Handler)
        threading.Thread(target=daemon.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        running.append(daemon)
        return tmp_path / "docker.sock", asked

    yield serve
    for daemon in running:
        daemon.shutdown()
        daemon.server_close()


def pytest_asyncio_loop_factories(config, item):
    """Follow a runtime in virtual time; everything else here speaks to real programs."""
    virtual = item.path.name == "test_adoption.py"
    return {"virtual": VirtualTimeLoop} if virtual else {"real": asyncio.SelectorEventLoop}
