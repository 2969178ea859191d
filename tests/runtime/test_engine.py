import json

import pytest
from aiohttp import web

from p2player.errors import DaemonUnreachable, Unavailable
from p2player.runtime.engine import DockerEngine, keeps_images_in_containerd


@pytest.fixture
async def dockerd(tmp_path, monkeypatch):
    """A Docker daemon with answers by method and path; `asked` is what it was asked for."""
    answers, asked = {}, []

    async def answer(request):
        asked.append(f"{request.method} {request.path_qs}")
        status, body = answers.get(f"{request.method} {request.path}", (404, {"message": "no such thing"}))
        lines = body if isinstance(body, list) else [body]
        return web.Response(status=status, text="\r\n".join(map(json.dumps, lines)), content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "d.sock")).start()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/d.sock")
    yield answers, asked
    await runner.cleanup()


@pytest.fixture
def no_dockerd(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")


async def test_the_version_is_the_daemons(dockerd):
    answers, _ = dockerd
    answers["GET /version"] = (200, {"Version": "28.5.1"})
    assert await DockerEngine().version() == "28.5.1"


@pytest.mark.parametrize(
    ("status", "kept"),
    [
        ([["driver-type", "io.containerd.snapshotter.v1"]], True),
        ([["Backing Filesystem", "extfs"]], False),
        (None, False),
    ],
)
async def test_the_daemon_says_where_it_keeps_its_images(dockerd, status, kept):
    answers, _ = dockerd
    answers["GET /info"] = (200, {"DriverStatus": status})
    assert await keeps_images_in_containerd() is kept


async def test_without_a_daemon_nothing_is_kept_in_containerd(no_dockerd):
    assert await keeps_images_in_containerd() is False


async def test_a_pull_is_by_name_and_tag_or_digest(dockerd):
    answers, asked = dockerd
    answers["POST /images/create"] = (200, [{"status": "Pulling"}, {"status": "Done"}])
    await DockerEngine().pull("docker.io/library/a", "sha256:ab")
    assert asked == ["POST /images/create?fromImage=docker.io/library/a&tag=sha256:ab"]


async def test_a_pull_that_fails_midway_says_why(dockerd):
    answers, _ = dockerd
    answers["POST /images/create"] = (200, [{"status": "Pulling"}, {"error": "manifest unknown"}])
    with pytest.raises(Unavailable, match="manifest unknown"):
        await DockerEngine().pull("a", "1")


async def test_a_pull_that_is_refused_says_why(dockerd):
    with pytest.raises(Unavailable, match="404: no such thing"):
        await DockerEngine().pull("a", "1")


async def test_removing_what_is_not_there_is_no_error(dockerd):
    await DockerEngine().remove("p2player.invalid/doctor:1")


async def test_an_image_in_use_is_not_removed_and_told(dockerd):
    answers, _ = dockerd
    answers["DELETE /images/a:1"] = (409, {"message": "in use"})
    with pytest.raises(Unavailable, match="in use"):
        await DockerEngine().remove("a:1")


async def test_no_daemon_is_unreachable(no_dockerd):
    with pytest.raises(DaemonUnreachable, match="no Docker daemon answers"):
        await DockerEngine().version()


async def test_a_remote_daemon_is_not_asked(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    with pytest.raises(DaemonUnreachable, match="not a local socket"):
        await DockerEngine().version()
