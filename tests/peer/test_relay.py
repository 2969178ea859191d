import asyncio
from contextlib import AsyncExitStack, suppress

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import PeerUnreachable, TransferStalled
from p2player.oci.digest import Digest
from p2player.peer import relay as relay_module
from p2player.peer.client import PeerClient, SentOn
from p2player.peer.identity import Identity, NodeId
from p2player.peer.protocol import NODE_HEADER, WRONG_HEADER, relay_path
from p2player.peer.relay import MAX_INSISTING, Elsewhere, Followers
from p2player.peer.segments import Segment, SegmentReader, end_of, new_run, segment_bytes
from p2player.peer.shape import NO_SOURCE, trunk
from p2player.peer.standing import Neighbour, Place, Standing
from tests.peer.conftest import PATIENCE

SEGMENT = segment_bytes(1)
"""Bytes of a segment of all these blobs: they are small."""

DATA = bytes(range(256)) * 4000
DIGEST = Digest.of(DATA)
SIGNER = Identity.from_seed(bytes(32))
RUN = new_run()


def node(number):
    return NodeId(bytes([number]) * 20)


def neighbour(number):
    return Neighbour(node(number), f"10.0.0.{number}", 7401)


PLACE = Place(3, node(9))


class SlowRelay:
    """A blob whose bytes come when they are let through."""

    size = len(DATA)
    place = PLACE

    def __init__(self):
        self.offset = 0
        self.moved = asyncio.Condition()
        self.failure = None
        self.readers = 0
        self.warnings = []

    def front(self, offset):
        return f"the first {offset}"

    def warned(self, by, wrong):
        self.warnings.append((by, wrong))

    async def let_through(self, offset, failure=None):
        async with self.moved:
            self.offset, self.failure = offset, failure
            self.moved.notify_all()

    async def read(self, start):
        self.readers += 1
        try:
            while start < self.size:
                stop = end_of(start, self.size)
                async with self.moved:
                    while self.offset < stop and not self.failure:
                        await self.moved.wait()
                if self.failure:
                    raise self.failure
                data = DATA[start:stop]
                yield Segment.sign(SIGNER, RUN, DIGEST, self.size, start, data), data
                start = stop
        finally:
            self.readers -= 1


@pytest.fixture
async def relay(relays):
    relays.relays[DIGEST] = SlowRelay()
    return relays.relays[DIGEST]


@pytest.fixture
async def clients(tls):
    """Peer clients of several nodes."""
    clients = [PeerClient(tls, node(number), 7400 + number) for number in range(1, 7)]
    yield clients
    for client in clients:
        await client.close()


def follow(client, peer, start=0, *, insist=False):
    return client.follow(*peer, DIGEST, start, insist=insist)


async def test_a_node_says_how_far_it_is(clients, peer, relay):
    await relay.let_through(1000)
    assert await clients[0].standing(*peer, DIGEST, timeout=PATIENCE) == Standing(len(DATA), 1000, PLACE)
    async with follow(clients[1], peer):
        assert (await clients[0].standing(*peer, DIGEST, timeout=PATIENCE)).followers == 1


@pytest.mark.parametrize("digest", [DIGEST, Digest.of(b"nobody has it")])
async def test_all_questions_go_over_one_connection(clients, peer, relay, monkeypatch, digest):
    opened, loop = [], asyncio.get_running_loop()
    connect = loop.create_connection
    monkeypatch.setattr(
        loop, "create_connection", lambda *args, **options: opened.append(1) or connect(*args, **options)
    )
    for _ in range(3):
        await clients[0].standing(*peer, digest, timeout=PATIENCE)
    assert len(opened) == 1


async def test_a_node_says_over_whom_it_takes_it(clients, peer, relay):
    relay.place = PLACE.behind(Neighbour(node(9), "10.0.0.9", 7409)).behind(Neighbour(node(8), "10.0.0.8", 7408))
    assert (await clients[0].standing(*peer, DIGEST, timeout=PATIENCE)).place == relay.place
    async with follow(clients[1], peer) as sent:
        assert sent.standing.place == relay.place


@pytest.mark.parametrize("text", ["", "nobody", f"{node(9)} localhost 7409", f"{node(9)} 10.0.0.9 0"])
def test_who_names_a_source_that_is_no_node_says_nothing_at_all(text):
    headers = Standing(10, 0).to_headers()
    assert Standing.of(headers).place.before == ()
    with pytest.raises(ValueError, match=r".*"):
        Standing.of(headers | {"P2Player-Before": text})


async def test_who_does_not_have_it_or_does_not_answer_stands_nowhere(clients, peer):
    assert await clients[0].standing(*peer, DIGEST, timeout=PATIENCE) is None
    assert await clients[0].standing("127.0.0.1", 1, DIGEST, timeout=PATIENCE) is None


@pytest.mark.parametrize("wrong", [0, SEGMENT])
async def test_a_warning_reaches_whoever_fetches_with_who_warns_and_of_which_block(clients, peer, relay, wrong):
    standing = await clients[1].standing(*peer, DIGEST, wrong=wrong, timeout=PATIENCE)
    assert standing == Standing(len(DATA), 0, PLACE), "and is answered like any other question"
    assert relay.warnings == [(Neighbour(node(2), "127.0.0.1", 7402), wrong)]


async def test_who_only_asks_how_far_it_is_warns_of_nothing(clients, peer, relay):
    assert (await clients[0].standing(*peer, DIGEST, front=SEGMENT, timeout=PATIENCE)).front
    assert relay.warnings == []


async def test_a_warning_of_what_is_not_there_is_nobodys(clients, peer, relay):
    assert await clients[0].standing(*peer, Digest.of(b"another"), wrong=0, timeout=PATIENCE) is None
    assert relay.warnings == []


@pytest.mark.parametrize(
    ("method", "digest", "headers", "status"),
    [
        ("HEAD", DIGEST, {}, 200),
        ("HEAD", DIGEST, {WRONG_HEADER: ""}, 400),
        ("HEAD", DIGEST, {WRONG_HEADER: "-1"}, 400),
        ("HEAD", DIGEST, {WRONG_HEADER: "0x10"}, 400),
        ("HEAD", DIGEST, {WRONG_HEADER: "1" * 16}, 400),
        ("HEAD", DIGEST, {WRONG_HEADER: "0", NODE_HEADER: "me"}, 400),
        ("HEAD", Digest.of(b"another"), {WRONG_HEADER: "0"}, 404),
        ("GET", DIGEST, {WRONG_HEADER: "0"}, 200),
    ],
)
async def test_only_a_well_formed_head_request_warns(peer, relay, tls, method, digest, headers, status):
    await relay.let_through(len(DATA))
    url = f"https://{peer[0]}:{peer[1]}{relay_path(digest)}"
    headers = {NODE_HEADER: f"{node(1)} 7400"} | headers
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, headers=headers, ssl=tls.client) as response,
    ):
        assert response.status == status
    assert relay.warnings == []


async def test_segments_come_as_they_come_there_from_the_asked_one_on(clients, peer, relay):
    await relay.let_through(2 * SEGMENT)
    reader = SegmentReader(len(DATA), SEGMENT)
    async with follow(clients[0], peer, SEGMENT) as sent:
        assert sent.standing.size == len(DATA)
        found = []
        while not found:
            found += reader.feed(await anext(sent.chunks))
        await relay.let_through(len(DATA))
        async for chunk in sent.chunks:
            found += reader.feed(chunk)
    assert b"".join(data for _, data in found) == DATA[SEGMENT:]
    assert all(segment.is_signed(DIGEST, len(DATA)) and segment.is_of(data) for segment, data in found)


async def test_a_second_follower_is_sent_on_to_the_first(clients, peer, relay):
    async with follow(clients[0], peer):
        with pytest.raises(SentOn) as answer:
            async with follow(clients[1], peer):
                pass
    assert answer.value.instead == Elsewhere((Neighbour(node(1), "127.0.0.1", 7401),), 4)


async def test_one_that_insists_is_let_in_but_not_without_end(clients, peer, relay):
    async with AsyncExitStack() as stack:
        for client in clients[:MAX_INSISTING]:
            await stack.enter_async_context(follow(client, peer, insist=True))
        with pytest.raises(SentOn) as answer:
            await stack.enter_async_context(follow(clients[-1], peer, insist=True))
    assert len(answer.value.instead.neighbours) == MAX_INSISTING


async def test_a_follower_that_comes_back_takes_its_own_place(clients, peer, relay):
    async with follow(clients[0], peer), follow(clients[0], peer, SEGMENT):
        pass


async def test_a_follower_that_leaves_makes_room(clients, peer, relay):
    async with follow(clients[0], peer):
        pass
    async with asyncio.timeout(PATIENCE):
        while (await clients[1].standing(*peer, DIGEST, timeout=PATIENCE)).followers:  # noqa: ASYNC110  (as a node would ask)
            await asyncio.sleep(0.01)
    assert relay.readers == 0
    async with follow(clients[1], peer):
        pass


async def test_a_fetch_that_fails_there_breaks_off_here(clients, peer, relay):
    await relay.let_through(SEGMENT)

    async def follow_on():
        async with follow(clients[0], peer) as sent:
            async for _ in sent.chunks:
                await relay.let_through(SEGMENT, TransferStalled("gone"))

    with pytest.raises(PeerUnreachable):
        await follow_on()


async def test_who_has_nothing_of_it_cannot_be_followed(clients, peer):
    with pytest.raises(PeerUnreachable, match="404"):
        async with follow(clients[0], peer):
            pass


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({NODE_HEADER: f"{node(1)} 7400"}, 200),
        ({NODE_HEADER: f"{node(1)} 7400", "Range": f"bytes={SEGMENT}-"}, 200),
        ({}, 400),
        ({NODE_HEADER: "me"}, 400),
        ({NODE_HEADER: f"{node(1)} 0"}, 400),
        ({NODE_HEADER: f"{node(1)} 7400", "Range": "bytes=-5"}, 400),
        ({NODE_HEADER: f"{node(1)} 7400", "Range": "bytes=5-9"}, 400),
        ({NODE_HEADER: f"{node(1)} 7400", "Range": f"bytes={len(DATA) + 1}-"}, 416),
        ({NODE_HEADER: f"{node(1)} 7400", "Range": "bytes=5-"}, 416),
    ],
)
async def test_only_a_well_formed_request_is_served(peer, relay, tls, headers, status):
    await relay.let_through(len(DATA))
    url = f"https://{peer[0]}:{peer[1]}{relay_path(DIGEST)}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=tls.client) as response:
        assert response.status == status


@given(
    st.builds(
        Standing,
        st.integers(0, 1 << 40),
        st.integers(0, 1 << 40),
        st.builds(
            Place, st.integers(0, NO_SOURCE), st.sampled_from([None, node(9)]), st.just((neighbour(1), neighbour(2)))
        ),
        st.integers(0, 1000),
        front=st.text("0123456789abcdef"),
    )
)
def test_a_standing_survives_its_headers(standing):
    assert Standing.of(standing.to_headers()) == standing


@given(st.dictionaries(st.sampled_from(list(Standing(0, 0).to_headers())), st.text(max_size=20)))
def test_what_is_no_standing_is_told_from_one(headers):
    try:
        standing = Standing.of(headers)
    except ValueError:
        return
    assert standing.offset >= 0


@given(st.text(max_size=200), st.text(st.sampled_from("0123456789-x"), max_size=20))
def test_whom_to_follow_instead_is_read_from_anything(text, depth):
    with suppress(ValueError):
        found = Elsewhere.of({"P2Player-Next": text, "P2Player-Depth": depth})
        assert Elsewhere.of(found.to_headers()) == found


def instead(followers, number, start=0, *, depth=3, insist=False):
    relay = SlowRelay()
    relay.place = Place(depth)
    return followers.instead(DIGEST, neighbour(number), start, relay, insist=insist)


def test_who_comes_first_may_follow_and_each_after_it_is_sent_to_who_came_last():
    followers = Followers()
    assert instead(followers, 1) is None
    with followers.serving(DIGEST, neighbour(1)):
        assert instead(followers, 2) == Elsewhere((neighbour(1),), 3 + 1)
        assert instead(followers, 3) == Elsewhere((neighbour(2), neighbour(1)), 3 + 2)
        assert instead(followers, 4) == Elsewhere((neighbour(3), neighbour(1)), 3 + 3), "so many are before it"


def test_behind_a_long_chain_two_may_follow_and_others_find_their_place_in_a_tree():
    followers = Followers()
    deep = trunk(len(DATA))
    assert instead(followers, 1, depth=deep) is None
    with followers.serving(DIGEST, neighbour(1)):
        assert instead(followers, 2, depth=deep) is None
        with followers.serving(DIGEST, neighbour(2)):
            both = neighbour(1), neighbour(2)
            assert [instead(followers, number, depth=deep) for number in (3, 4, 5, 6, 7)] == [
                Elsewhere(both, deep + 1),
                Elsewhere(both, deep + 1),
                Elsewhere(both[::-1], deep + 1),
                Elsewhere(both[::-1], deep + 1),
                Elsewhere((neighbour(3), *both), deep + 2),
            ]


def test_of_very_many_who_came_the_last_that_is_remembered_finds_places_for_the_rest(monkeypatch):
    monkeypatch.setattr(relay_module, "_MAX_REMEMBERED", 3)
    followers = Followers()
    instead(followers, 1)
    with followers.serving(DIGEST, neighbour(1)):
        for number in range(2, 9):
            sent_to = instead(followers, number)
        assert sent_to.neighbours == (neighbour(3), neighbour(1))
        assert instead(followers, 2).neighbours == (neighbour(1),), "it has been here"


def test_who_may_be_before_the_end_of_the_chain_is_sent_to_who_follows():
    followers = Followers()
    instead(followers, 1)
    with followers.serving(DIGEST, neighbour(1)):
        for number in (2, 3):
            instead(followers, number)
        assert instead(followers, 2) == Elsewhere((neighbour(1),), 3 + 1), "it has been here"
        assert instead(followers, 4, SEGMENT) == Elsewhere((neighbour(1),), 3 + 1), "it has some of it"


def test_who_came_is_forgotten_when_nobody_follows_any_more():
    followers = Followers()
    for number in (1, 2):
        instead(followers, number)
    with followers.serving(DIGEST, neighbour(1)):
        pass
    instead(followers, 3)
    with followers.serving(DIGEST, neighbour(3)):
        assert instead(followers, 2) == Elsewhere((neighbour(3),), 3 + 1)
