"""qBittorrent, which knows nothing of p2player, as a member of a swarm."""

import json
import urllib.parse
import urllib.request

import pytest

from netsim.emulate.daemons import Daemon
from netsim.emulate.processes import Enclosed, free_port
from tests.wrongbytes import require_same

_SETTINGS = """\
[LegalNotice]
Accepted=true

[BitTorrent]
Session\\Port={port}
Session\\DHTEnabled=false
Session\\LSDEnabled=false
Session\\PeXEnabled=false
Session\\TempPathEnabled=false

[Preferences]
WebUI\\Address=127.0.0.1
WebUI\\Port={control}
WebUI\\LocalHostAuth=false
WebUI\\CSRFProtection=false
WebUI\\HostHeaderValidation=false
"""


class QBittorrent:
    """A client with one torrent, which it saves to, or seeds from, a directory."""

    def __init__(self, root, torrent, content):
        self.port, self._control = free_port(), free_port()
        settings = root / "profile/qBittorrent/config/qBittorrent.conf"
        settings.parent.mkdir(parents=True)
        settings.write_text(_SETTINGS.format(port=self.port, control=self._control))
        self._program = Enclosed(
            ["qbittorrent-nox", f"--profile={root}/profile", f"--save-path={content}", str(torrent)],
            root / "qbittorrent.log",
        )

    def __enter__(self):
        self._program.start()
        self._hash = self.wait(bool)["hash"]
        return self

    def __exit__(self, *_):
        self._program.stop()

    def add_peer(self, address):
        self._post("torrents/addPeers", hashes=self._hash, peers=address)

    def wait(self, reached):
        """Return what the client says of its torrent, once that is as wanted."""

        def ready():
            try:
                torrents = self._post("torrents/info")
            except OSError:
                return None
            return next((torrent for torrent in torrents if reached(torrent)), None)

        return self._program.wait_until(ready, timeout=120)

    def _post(self, method, **fields):
        url = f"http://127.0.0.1:{self._control}/api/v2/{method}"
        data = urllib.parse.urlencode(fields).encode()
        with urllib.request.urlopen(url, data=data, timeout=10) as answer:
            return json.load(answer)


@pytest.fixture
def qbittorrent(require, directory):
    require("qbittorrent-nox")
    root = directory / "qbittorrent"
    root.mkdir()
    return lambda torrent, content: QBittorrent(root, torrent, content)


@pytest.fixture
def layer(image):
    """The digest of the image's largest layer."""
    return max(image.sizes, key=image.sizes.get)


@pytest.fixture
def torrent(seed, layer, directory):
    path = directory / "layer.torrent"
    seed.p2player("torrent", layer, "--output", str(path))
    return path


def test_a_foreign_client_downloads_a_layer_from_a_node(seed, qbittorrent, torrent, layer, image, directory):
    content = directory / "downloads"
    content.mkdir()
    with qbittorrent(torrent, content) as client:
        client.add_peer(seed.status().swarm)
        client.wait(lambda torrent: torrent["progress"] == 1)
    (downloaded,) = content.iterdir()
    require_same(downloaded.read_bytes(), image.path(layer).read_bytes())


def test_a_node_downloads_a_layer_from_a_foreign_client(qbittorrent, torrent, layer, image, directory):
    content = directory / "uploads"
    content.mkdir()
    (content / layer).write_bytes(image.path(layer).read_bytes())
    target = directory / "layer.tar.gz"
    with (
        qbittorrent(torrent, content) as client,
        Daemon(directory / "alone") as alone,
    ):
        client.wait(lambda torrent: torrent["progress"] == 1)
        peer = f"127.0.0.1:{client.port}"
        alone.p2player("fetch", "--torrent", str(torrent), "--peer", peer, "--output", str(target))
        assert alone.status().peer == image.sizes[layer]
    require_same(target.read_bytes(), image.path(layer).read_bytes())
