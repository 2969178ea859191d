import asyncio
import random

import pytest

from p2player.errors import AccessDenied, DiskFull
from p2player.oci.digest import Digest
from p2player.oci.reference import Repository
from p2player.runtime.adoption import Adoption
from p2player.runtime.containerd import ContentStore
from p2player.store.store import Store

TEAM = Repository("registry.example", "team/app")


def blob(seed):
    data = random.Random(seed).randbytes(300_000)
    return Digest.of(data), data


class Runtime(ContentStore):
    """A content store that tells its sources as the test says."""

    def __init__(self, root):
        super().__init__(root)
        self.sources = {}

    async def repositories(self):
        return self.sources

    def put(self, digest, data):
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".ingest").write_bytes(data)
        path.with_suffix(".ingest").rename(path)

    def remove(self, digest):
        self.path(digest).unlink()


class Offers:
    """What is offered now; a `gate` that is closed holds an offer up."""

    def __init__(self):
        self.offered = set()
        self.added = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def add(self, blobs):
        self.added.set()
        await self.gate.wait()
        self.offered.update(blob.digest for blob in blobs)

    async def drop(self, blobs):
        self.offered.difference_update(blob.digest for blob in blobs)


class Access:
    """Lets in who may have it according to `opens`, and notes what that shows."""

    def __init__(self, store):
        self.opens = set()
        self.asked = []
        self._store = store

    async def allow(self, digest, repository, kind, asker):
        self.asked.append((digest, repository, kind, asker))
        if digest not in self.opens:
            raise AccessDenied("no")
        self._store.add_origin(digest, str(repository), private=False)


@pytest.fixture
def runtime(tmp_path):
    return Runtime(tmp_path / "containerd")


@pytest.fixture
def start(tmp_path, runtime):
    """Start a node's adoption, again after `close`."""
    running = []

    class Node:
        def __init__(self, *runtimes):
            self.store = Store.open(tmp_path / "data", reserve=0)
            self.offers = Offers()
            self.access = Access(self.store)
            self.adoption = Adoption(
                self.store, self.offers, self.access, runtimes, registries=["registry.example", "localhost:5000"]
            )
            self.open = True

        async def close(self):
            if self.open:
                await self.adoption.close()
                self.store.close()
            self.open = False

    async def start(*runtimes):
        node = Node(*(runtimes or (runtime,)))
        running.append(node)
        await node.adoption.start()
        return node

    yield start
    for node in running:
        assert not node.open, "close it"


@pytest.fixture
async def node(start):
    node = await start()
    yield node
    await node.close()


async def a_while():
    await asyncio.sleep(5)


async def test_what_is_there_and_what_comes_is_offered_where_it_lies(node, runtime):
    (one, first), (two, second) = blob(1), blob(2)
    runtime.put(one, first)
    await a_while()
    assert node.offers.offered == {one}
    runtime.put(two, second)
    await a_while()
    assert node.offers.offered == {one, two}
    assert node.store.path(two).readlink() == runtime.path(two)


async def test_what_goes_is_withdrawn_and_leaves_the_store(node, runtime):
    (one, first), (two, second) = blob(1), blob(2)
    runtime.put(one, first)
    runtime.put(two, second)
    await a_while()
    runtime.remove(one)
    await a_while()
    assert node.offers.offered == {two}
    assert [held.digest for held in node.store.blobs()] == [two]


async def test_what_goes_while_it_is_announced_is_withdrawn_after_that(node, runtime):
    digest, data = blob(1)
    runtime.put(digest, data)
    node.offers.gate.clear()
    await node.offers.added.wait()
    runtime.remove(digest)
    await a_while()
    node.offers.gate.set()
    await a_while()
    assert node.offers.offered == set()
    assert node.store.blobs() == []


async def test_what_is_in_the_store_already_stays_our_own(node, runtime):
    digest, data = blob(1)
    node.store.put(digest, data)
    runtime.put(digest, data)
    await a_while()
    assert not node.store.path(digest).is_symlink()
    runtime.remove(digest)
    await a_while()
    assert node.store.get(digest)


async def test_what_has_become_our_own_is_not_withdrawn_with_its_first_owners(node, runtime):
    digest, data = blob(1)
    runtime.put(digest, data)
    await a_while()
    with node.store.begin_import() as importing:
        writer = importing.add(digest, len(data))
        writer.write(data)
        writer.finish()
        importing.commit([])
    runtime.remove(digest)
    await a_while()
    assert node.offers.offered == {digest}
    assert node.store.path(digest).read_bytes() == data


async def test_what_is_our_own_no_more_is_taken_from_the_runtime(node, runtime):
    digest, data = blob(1)
    node.store.put(digest, data)
    runtime.put(digest, data)
    await a_while()
    node.store.remove_blob(digest)
    await asyncio.sleep(70)
    assert node.offers.offered == {digest}


async def test_a_damaged_blob_is_not_offered_and_not_hashed_again(node, runtime, caplog):
    digest, _ = blob(1)
    runtime.put(digest, b"other")
    await asyncio.sleep(200)
    assert node.offers.offered == set()
    assert caplog.text.count("has the content of") == 1
    assert runtime.path(digest).read_bytes() == b"other"


async def test_a_restart_goes_on_with_what_was_adopted(start, runtime, monkeypatch):
    (one, first), (two, second) = blob(1), blob(2)
    runtime.put(one, first)
    runtime.put(two, second)
    node = await start()
    await a_while()
    await node.close()
    monkeypatch.setattr("p2player.runtime.adoption.measure", lambda *_: pytest.fail("hashed"))
    node = await start()
    await a_while()
    assert {held.digest for held in node.store.blobs()} == {one, two}
    runtime.remove(one)
    await a_while()
    assert [held.digest for held in node.store.blobs()] == [two]
    await node.close()


async def test_what_is_not_followed_any_more_is_let_go_of(start, runtime, tmp_path):
    digest, data = blob(1)
    runtime.put(digest, data)
    node = await start()
    await a_while()
    await node.close()
    node = await start(Runtime(tmp_path / "another"))
    assert node.store.blobs() == []
    assert runtime.path(digest).read_bytes() == data
    await node.close()


async def test_what_is_adopted_is_private_before_anybody_hears_of_it(node, runtime):
    digest, data = blob(1)
    runtime.put(digest, data)
    node.offers.gate.clear()
    await node.offers.added.wait()
    assert node.store.is_private(digest)
    assert node.store.private_repositories() == {"unknown:"}


async def test_a_configured_registry_is_asked_whether_it_gives_it_to_everybody(node, runtime):
    (one, first), (two, second) = blob(1), blob(2)
    runtime.sources = {one: [TEAM], two: [TEAM]}
    node.access.opens.add(one)
    runtime.put(one, first)
    runtime.put(two, second)
    await a_while()
    assert (one, TEAM, "blobs", "anonymous") in node.access.asked
    assert not node.store.is_private(one)
    assert node.store.is_private(two)


async def test_a_registry_is_known_by_its_host_as_containerd_notes_it(node, runtime):
    digest, data = blob(1)
    runtime.sources = {digest: [Repository("localhost", "team/app")]}
    runtime.put(digest, data)
    await a_while()
    assert node.access.asked == [(digest, Repository("localhost:5000", "team/app"), "blobs", "anonymous")]


async def test_no_other_registry_is_asked(node, runtime):
    digest, data = blob(1)
    runtime.sources = {digest: [Repository("elsewhere.example", "app")]}
    runtime.put(digest, data)
    await a_while()
    assert node.offers.offered == {digest}
    assert node.access.asked == []


async def test_trouble_with_the_disk_is_told_and_overcome(node, runtime, monkeypatch, caplog):
    digest, data = blob(1)
    runtime.put(digest, data)
    with monkeypatch.context() as full:
        full.setattr(node.store.adopted.__class__, "take", lambda *_: (_ for _ in ()).throw(DiskFull("full")))
        await a_while()
    assert "full" in caplog.text
    assert node.offers.offered == set()
    await asyncio.sleep(70)
    assert node.offers.offered == {digest}


async def test_a_directory_that_cannot_be_read_for_a_while_is_told_once(node, runtime, monkeypatch, caplog):
    digest, data = blob(1)
    with monkeypatch.context() as broken:
        broken.setattr(runtime, "look", lambda _: (_ for _ in ()).throw(OSError("broken")))
        await a_while()
    assert caplog.text.count("broken") == 1
    runtime.put(digest, data)
    await a_while()
    assert node.offers.offered == {digest}


async def test_it_stops_in_the_middle_of_a_file(start, runtime, monkeypatch):
    digest, data = blob(1)
    node = await start()
    node.adoption._followers[0]._pace.stop()
    runtime.put(digest, data)
    await a_while()
    assert node.store.blobs() == []
    await node.close()
