import asyncio
import contextlib

import pytest

from p2player.control.offering import Offering
from p2player.errors import DaemonUnreachable
from p2player.oci.reference import Reference

APP = "docker.io/library/app:1"
OTHER = "docker.io/library/other:2"


class Engine:
    """An engine whose images are layouts, and which can be absent."""

    name = "docker"

    def __init__(self):
        self.tags = {}
        self.absent = False
        self.looks = 0
        self.listening = 0
        self._news = asyncio.Queue()

    def is_here(self):
        return True

    async def images(self):
        self.looks += 1
        if self.absent:
            raise DaemonUnreachable("the engine is away")
        return {Reference.parse(name): image for name, image in self.tags.items()}

    async def changes(self):
        self.listening += 1
        yield
        while (news := await self._news.get()) is not None:
            yield news
        raise DaemonUnreachable("the engine is away")

    def tag(self, name, identity, source):
        self.tags[name] = identity, source
        self._news.put_nowait("tag")

    def untag(self, name):
        del self.tags[name]
        self._news.put_nowait("untag")

    def go(self):
        self.absent = True
        self._news.put_nowait(None)


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def told():
    return []


@pytest.fixture
def offering(client, engine, told):
    return Offering(client, engine, told=told.append, progress=lambda _: None)


@pytest.fixture
def image(daemon, layout):
    """Make an image, and return its id, as Docker has it, and its source."""

    def make(content=b"layer"):
        root = daemon.images.publish(str(content), {"linux/amd64": content})
        return str(root.content.config.digest), layout(root, None, directory=content.hex())

    return make


@pytest.fixture
async def following(offering, monkeypatch):
    monkeypatch.setattr("p2player.control.offering._RETRY", 0.01)
    task = asyncio.get_running_loop().create_task(offering.follow())
    yield task
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, DaemonUnreachable):
        await task


def states(told):
    return [(one.name, one.state) for one in told]


async def test_every_tag_is_offered_under_its_name(daemon, offering, engine, image, told):
    engine.tag(APP, *image(b"one"))
    engine.tag(OTHER, *image(b"two"))
    await offering.offer()
    assert set(daemon.holdings.published) == {APP, OTHER}
    assert states(told) == [(APP, "seeded"), (OTHER, "seeded")]
    assert told[0].digest == daemon.holdings.published[APP].descriptor.digest


async def test_names_of_one_image_come_from_one_reading(daemon, offering, engine, image, told):
    identity, source = image()
    engine.tag(APP, identity, source)
    engine.tag(OTHER, identity, "oci:/nowhere")
    await offering.offer()
    assert set(daemon.holdings.published) == {APP, OTHER}


async def test_what_was_offered_is_not_read_again(daemon, client, offering, engine, image, told):
    identity, source = image()
    engine.tag(APP, identity, source)
    await offering.offer()
    engine.tags[APP] = identity, "oci:/nowhere"
    await offering.offer()
    assert states(told) == [(APP, "seeded")]
    later = Offering(client, engine, told=told.append, progress=lambda _: None)
    await later.offer()
    assert states(told)[1:] == [(APP, "present")]


async def test_a_tag_that_moved_is_offered_anew(daemon, offering, engine, image):
    engine.tag(APP, *image(b"old"))
    await offering.offer()
    old = daemon.holdings.published[APP]
    engine.tag(APP, *image(b"new"))
    await offering.offer()
    assert daemon.holdings.published[APP].descriptor != old.descriptor


async def test_what_is_gone_is_withdrawn(daemon, offering, engine, image, told):
    engine.tag(APP, *image(b"one"))
    engine.tag(OTHER, *image(b"two"))
    await offering.offer()
    engine.untag(APP)
    await offering.offer()
    assert set(daemon.holdings.published) == {OTHER}
    assert states(told)[2:] == [(APP, "withdrawn")]


async def test_a_name_that_means_something_else_by_now_is_left_alone(daemon, client, offering, engine, image):
    engine.tag(APP, *image(b"one"))
    await offering.offer()
    other = Engine()
    other.tag(APP, *image(b"two"))
    await Offering(client, other, told=lambda _: None, progress=lambda _: None).offer()
    engine.untag(APP)
    await offering.offer()
    assert set(daemon.holdings.published) == {APP}


async def test_a_name_that_was_removed_here_is_no_trouble(daemon, client, offering, engine, image):
    engine.tag(APP, *image())
    await offering.offer()
    await client.remove(APP)
    engine.untag(APP)
    await offering.offer()
    assert daemon.store.names() == []


async def test_an_image_that_fails_does_not_hold_up_the_others(daemon, offering, engine, image, told):
    engine.tag(APP, "sha256:1", "oci:/nowhere")
    engine.tag(OTHER, *image())
    await offering.offer()
    assert states(told) == [(APP, "failed"), (OTHER, "seeded")]
    assert "/nowhere" in str(told[0].error)
    await offering.offer()
    assert len(told) == 2


async def test_an_engine_that_is_away_is_an_error(offering, engine):
    engine.absent = True
    with pytest.raises(DaemonUnreachable, match="engine"):
        await offering.offer()


async def test_what_comes_and_goes_is_followed(daemon, following, engine, image, eventually):
    engine.tag(APP, *image())
    await eventually(lambda: set(daemon.holdings.published) == {APP})
    engine.untag(APP)
    await eventually(lambda: daemon.holdings.published == {})


async def test_an_engine_that_goes_away_is_waited_for_and_nothing_withdrawn(
    daemon, following, engine, image, told, eventually
):
    engine.tag(APP, *image())
    await eventually(lambda: told)
    engine.go()
    await eventually(lambda: told[-1].state == "absent")
    looks = engine.looks
    await eventually(lambda: engine.looks > looks + 2)
    assert [state for _, state in states(told)].count("absent") == 1
    assert set(daemon.holdings.published) == {APP}
    engine.absent = False
    await eventually(lambda: told[-1].state == "back")
    await eventually(lambda: engine.listening > 1)
    engine.untag(APP)
    await eventually(lambda: told[-1].state == "withdrawn")


async def test_following_ends_with_our_own_daemon(daemon, following, engine, image, eventually):
    await eventually(lambda: engine.looks)
    await daemon.server.close()
    engine.tag(APP, *image())
    with pytest.raises(DaemonUnreachable, match="no daemon"):
        await following


async def test_what_goes_while_others_are_read_is_withdrawn_before_the_next(daemon, offering, engine, image, told):
    engine.tag(APP, *image(b"one"))
    engine.tag(OTHER, *image(b"two"))
    plain = offering._seed

    async def seed(names, images):
        await plain(names, images)
        if names == [Reference.parse(APP)]:
            del engine.tags[APP]
            offering._changed.set()

    offering._seed = seed
    await offering.offer()
    assert states(told) == [(APP, "seeded"), (APP, "withdrawn"), (OTHER, "seeded")]
