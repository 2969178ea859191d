import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from netsim.image import ImageWriter, add_file
from netsim.soak.clients import Client, RefusedError, WrongError
from netsim.soak.world import Named


@pytest.fixture
def named(tmp_path):
    writer = ImageWriter(tmp_path / "image")
    with writer.layer() as archive:
        add_file(archive, "data", bytes(range(256)) * 20)
    return Named(writer.finish("1", ["true"]), "registry.example", "app")


@pytest.fixture
def serve(named):
    """Return a client of an endpoint that answers with what `change` makes of the right status, body and length."""
    running = []

    def start(change=lambda status, body: (status, body, len(body))):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                target = self.path.partition("?")[0].rpartition("/")[2]
                body = named.image.path(named.image.digest if target == "1" else target).read_bytes()
                status = 200
                if span := self.headers.get("Range"):
                    first, _, last = span.removeprefix("bytes=").partition("-")
                    status, body = 206, body[int(first) : int(last) + 1]
                status, body, length = change(status, body)
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        running.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return Client(f"127.0.0.1:{server.server_port}")

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def layer(named):
    return max(named.image.sizes, key=named.image.sizes.get)


@pytest.mark.parametrize("by_digest", [True, False])
def test_an_image_that_is_right_passes(serve, named, layer, by_digest):
    client = serve()
    client.pull(named, by_digest=by_digest)
    client.read(named, layer, 3, 90)
    client.hang_up(named, layer, 10)


def test_other_bytes_are_wrong(serve, named, layer):
    client = serve(lambda status, body: (status, body[:-1] + b"?", len(body)))
    with pytest.raises(WrongError):
        client.pull(named, by_digest=True)
    with pytest.raises(WrongError):
        client.read(named, layer, 3, 90)


def test_bytes_that_break_off_are_refused(serve, named, layer):
    client = serve(lambda status, body: (status, body[:-1], len(body)))
    with pytest.raises(RefusedError):
        client.pull(named, by_digest=False)
    with pytest.raises(RefusedError):
        client.read(named, layer, 3, 90)


def test_an_error_is_refused_with_its_code(serve, named):
    body = b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}'
    with pytest.raises(RefusedError, match="404 MANIFEST_UNKNOWN"):
        serve(lambda *_: (404, body, len(body))).pull(named, by_digest=False)


def test_an_endpoint_that_is_not_there_is_refused(named):
    with pytest.raises(RefusedError):
        Client("127.0.0.1:1").pull(named, by_digest=False)
