import asyncio

import pytest
from aiohttp import web

from p2player.errors import AccessDenied, BlobNotFound, LoginRequired, RateLimited, UpstreamUnreachable
from p2player.oci.reference import Repository
from p2player.upstream.memory import MemoryRegistry

NAME = "registry.test"
APP = Repository(NAME, "team/app")


@pytest.fixture
def held():
    held = MemoryRegistry()
    (held.digest,) = held.put(APP, b"blob")
    return held


@pytest.fixture
def empty():
    return MemoryRegistry()


def check(upstreams, held):
    return upstreams.check(APP, held.digest, "blobs", "anonymous")


def path(held):
    return f"/v2/team/app/blobs/{held.digest}"


def answering(*statuses, headers=()):
    """Return a handler that answers with these statuses in turn, the last one for ever."""
    left = list(statuses)

    async def handler(request):
        status = left.pop(0) if len(left) > 1 else left[0]
        return web.Response(status=status, headers={"Content-Length": "4"} if status == 200 else dict(headers))

    return handler


async def test_the_first_address_that_answers_is_asked(serve, held, ask):
    first, second = await serve(held), await serve(held)
    upstreams = ask(first.url, second.url)
    await check(upstreams, held)
    assert (len(first.requests), len(second.requests)) == (1, 0)


async def test_a_dead_address_is_passed_over_and_left_alone(serve, held, ask, unused_tcp_port):
    second = await serve(held)
    upstreams = ask(f"http://127.0.0.1:{unused_tcp_port}", second.url)
    for _ in range(3):
        assert await check(upstreams, held) == 4
    assert len(second.requests) == 3


async def test_the_address_that_answered_is_asked_first_next_time(serve, held, ask):
    first, second = await serve(held), await serve(held)
    first.instead = {path(held): answering(503)}
    upstreams = ask(first.url, second.url)
    for _ in range(3):
        await check(upstreams, held)
    assert (len(first.requests), len(second.requests)) == (1, 3)


@pytest.mark.parametrize("status", [404, 429, 500, 502, 503, 504])
async def test_a_mirror_that_cannot_help_is_passed_over(serve, held, ask, status):
    mirror, origin = await serve(held), await serve(held)
    mirror.instead = {path(held): answering(status)}
    assert await check(ask(mirror.url, origin.url), held) == 4


async def test_the_last_address_knows_what_there_is(serve, held, empty, ask):
    mirror, origin = await serve(empty), await serve(empty)
    upstreams = ask(mirror.url, origin.url)
    with pytest.raises(BlobNotFound):
        await check(upstreams, held)
    assert (len(mirror.requests), len(origin.requests)) == (1, 1)


async def test_what_a_mirror_lacks_is_not_said_to_be_nowhere_while_the_origin_is_down(
    serve, held, empty, ask, unused_tcp_port
):
    mirror = await serve(empty)
    with pytest.raises(UpstreamUnreachable):
        await check(ask(mirror.url, f"http://127.0.0.1:{unused_tcp_port}"), held)


async def test_what_passes_is_asked_again(serve, held, ask):
    server = await serve(held)
    server.instead = {path(held): answering(503, 429, 200)}
    assert await check(ask(server.url), held) == 4
    assert len(server.requests) == 3


async def test_what_does_not_pass_is_given_up_soon(serve, held, ask):
    server = await serve(held)
    server.instead = {path(held): answering(503)}
    with pytest.raises(UpstreamUnreachable, match=rf"{NAME} .*503"):
        await check(ask(server.url), held)
    assert len(server.requests) == 3


async def test_a_status_that_means_nothing_is_not_asked_for_again(serve, held, ask):
    server = await serve(held)
    server.instead = {path(held): answering(418)}
    with pytest.raises(UpstreamUnreachable, match="418"):
        await check(ask(server.url), held)
    assert len(server.requests) == 1


async def test_a_registry_that_wants_to_be_left_alone_for_long_is(serve, held, ask):
    server = await serve(held)
    server.instead = {path(held): answering(429, headers={"Retry-After": "120"})}
    with pytest.raises(RateLimited) as refused:
        await check(ask(server.url), held)
    assert "120 s" in refused.value.hint
    assert len(server.requests) == 1


async def test_a_registry_that_was_down_a_moment_ago_is_said_to_be_so_at_once(serve, held, ask):
    server = await serve(held)
    upstreams = ask(server.url)
    held.faults[NAME] = "down"
    with pytest.raises(UpstreamUnreachable):
        await check(upstreams, held)
    asked = len(server.requests)
    with pytest.raises(UpstreamUnreachable, match="a moment ago"):
        await check(upstreams, held)
    assert len(server.requests) == asked


async def test_403_is_denied_by_the_registry_and_not_by_where_it_redirects_to(serve, held, ask):
    server, elsewhere = await serve(held), await serve(held)
    server.instead = {path(held): answering(403)}
    with pytest.raises(AccessDenied, match="team/app"):
        await check(ask(server.url), held)
    for status in (401, 403):
        server.instead = {path(held): answering(307, headers={"Location": f"{elsewhere.url}/x"})}
        elsewhere.instead = {"/x": answering(status)}
        with pytest.raises(UpstreamUnreachable, match="redirects to"):
            await check(ask(server.url), held)


async def test_a_login_is_wanted_by_the_registry_however_many_mirrors_it_has(serve, held, ask):
    first, second = await serve(held), await serve(held)
    held.make_private(APP)
    first.instead = {path(held): answering(401)}
    with pytest.raises(LoginRequired):
        await check(ask(first.url, second.url), held)


async def test_who_hangs_up_leaves_no_connection_open(serve, held, ask):
    arrived, left = asyncio.Event(), asyncio.Event()

    async def hang(request):
        arrived.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    server = await serve(held)
    server.instead = {path(held): hang}
    upstreams = ask(server.url)
    question = asyncio.get_running_loop().create_task(check(upstreams, held))
    await arrived.wait()
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    await asyncio.wait_for(left.wait(), 30)
