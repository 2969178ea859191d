"""Real daemons that are frozen, killed, or hostile."""

import hashlib
import http.client
import itertools
import random
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from netsim.emulate.daemons import LocalCluster
from tests.faults.nodes import Nodes
from tests.wrongbytes import require_same

SIZE = 64 << 20
"""Bytes of a file that takes a fair part of a second to fetch."""


@dataclass(frozen=True)
class File:
    path: Path
    digest: str


@pytest.fixture
def make_file(tmp_path):
    """Return a file of its own each time."""
    numbers = itertools.count()

    def make():
        path = tmp_path / f"file-{next(numbers)}"
        data = random.Random(str(path)).randbytes(SIZE)
        path.write_bytes(data)
        return File(path, f"sha256:{hashlib.sha256(data).hexdigest()}")

    return make


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two daemons that all tests of a module share; whoever wants to kill one adds it."""
    with LocalCluster(tmp_path_factory.mktemp("cluster"), 2) as running:
        yield running


@pytest.fixture
async def nodes(tmp_path):
    nodes = Nodes(tmp_path)
    yield nodes
    await nodes.close()


@pytest.fixture
def start(nodes):
    """Return a function that starts a node in the cluster of the first one, in this process."""
    return nodes.start


class Pull:
    """One file read through a daemon's endpoint. The first of its bytes have come."""

    def __init__(self, daemon, file):
        self._digest = file.digest
        host, _, port = daemon.registry.rpartition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=60)
        self._connection.request("GET", f"/v2/library/file/blobs/{file.digest}")
        self._response = self._connection.getresponse()
        assert self._response.status == 200
        self._hash = hashlib.sha256()
        self._hash.update(self._response.read(1 << 20))

    def finish(self):
        """Read the rest and return how many seconds that took."""
        before = time.monotonic()
        while chunk := self._response.read(1 << 20):
            self._hash.update(chunk)
        assert not self._response.length, f"broken off, {self._response.length} bytes before the end"
        require_same(f"sha256:{self._hash.hexdigest()}", self._digest)
        return time.monotonic() - before

    def close(self):
        self._response.close()
        self._connection.close()


@pytest.fixture
def begin_pull():
    begun = []

    def begin(daemon, file):
        begun.append(Pull(daemon, file))
        return begun[-1]

    yield begin
    for pull in begun:
        pull.close()
