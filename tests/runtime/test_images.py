import asyncio
import json
import stat
from contextlib import aclosing
from types import SimpleNamespace

import pytest
from aiohttp import web

from p2player.errors import DaemonUnreachable
from p2player.oci.reference import Reference
from p2player.runtime.images import ENGINES

DOCKER, PODMAN, CONTAINERD = ENGINES["docker"], ENGINES["podman"], ENGINES["containerd"]
APP = Reference.parse("app:1")


@pytest.fixture
async def docker(tmp_path, monkeypatch):
    """A Docker daemon; `events` are those that it will tell, None the end of them."""

    told = SimpleNamespace(events=asyncio.Queue(), filters=[])

    async def images(_):
        return web.json_response(
            [
                {"Id": "sha256:aa", "RepoTags": ["app:1", "localhost:5000/a/b:2"]},
                {"Id": "sha256:bb", "RepoTags": ["<none>:<none>"]},
                {"Id": "sha256:cc", "RepoTags": None},
            ]
        )

    async def events(request):
        told.filters.append(json.loads(request.query["filters"]))
        response = web.StreamResponse()
        await response.prepare(request)
        while (event := await told.events.get()) is not None:
            await response.write(json.dumps(event).encode() + b"\n")
        return response

    app = web.Application()
    app.add_routes([web.get("/images/json", images), web.get("/events", events)])
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "docker.sock")).start()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    yield told
    await runner.cleanup()


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put a shell script in a program's place."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")

    def install(name, script):
        path = programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return install


async def test_docker_tells_its_tags(docker):
    assert DOCKER.is_here()
    assert await DOCKER.images() == {
        APP: ("sha256:aa", "docker-daemon:docker.io/library/app:1"),
        Reference.parse("localhost:5000/a/b:2"): ("sha256:aa", "docker-daemon:localhost:5000/a/b:2"),
    }


async def test_docker_tells_when_it_listens_and_of_every_event(docker):
    async with aclosing(DOCKER.changes()) as changes:
        await anext(changes)
        assert docker.filters == [{"type": ["image"]}]
        docker.events.put_nowait({"Action": "tag"})
        await anext(changes)
        docker.events.put_nowait(None)
        with pytest.raises(DaemonUnreachable, match="ended"):
            await anext(changes)


async def test_docker_may_be_away(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert not DOCKER.is_here()
    with pytest.raises(DaemonUnreachable, match="no Docker daemon"):
        await DOCKER.images()


async def test_podman_tells_its_tags(program):
    images = [{"Id": "aa", "Names": ["docker.io/library/app:1"]}, {"Id": "bb", "Names": None}, {"Id": "cc"}]
    program("podman", f"[ \"$*\" = 'images --format json' ] && echo '{json.dumps(images)}'")
    assert PODMAN.is_here()
    assert await PODMAN.images() == {APP: ("sha256:aa", "podman:docker.io/library/app:1")}


async def test_podman_without_images_has_none(program):
    program("podman", "echo null")
    assert await PODMAN.images() == {}


async def test_podman_tells_when_it_listens_and_of_every_event(program):
    program("podman", '[ "$1" = events ] && echo tag && echo untag')
    seen = 0
    async with aclosing(PODMAN.changes()) as changes:
        for _ in range(3):
            await anext(changes)
            seen += 1
        with pytest.raises(DaemonUnreachable, match="ended"):
            await anext(changes)


async def test_containerd_tells_the_tags_of_all_namespaces(program, tmp_path, monkeypatch):
    program(
        "ctr",
        'case "$*" in\n'
        '"namespaces list --quiet") echo default; echo k8s.io;;\n'
        '"--namespace default images list") echo "REF TYPE DIGEST SIZE"; echo "docker.io/library/app:1 type sha256:aa 1";;\n'
        '"--namespace k8s.io images list") echo "REF TYPE DIGEST SIZE"; echo "sha256:bb type sha256:bb 1"\n'
        f'echo "registry.example/x@sha256:{"b" * 64} type sha256:bb 1"; echo "registry.example/x:2 type sha256:bb 1";;\n'
        "esac",
    )
    (tmp_path / "containerd.sock").touch()
    monkeypatch.setenv("CONTAINERD_ADDRESS", str(tmp_path / "containerd.sock"))
    assert CONTAINERD.is_here()
    assert await CONTAINERD.images() == {
        APP: ("sha256:aa", "containerd@default:docker.io/library/app:1"),
        Reference.parse("registry.example/x:2"): ("sha256:bb", "containerd@k8s.io:registry.example/x:2"),
    }


async def test_containerd_tells_of_events_of_images_only(program):
    program("ctr", "echo '2026-01-01 default /tasks/start {}'; echo '2026-01-01 default /images/create {}'")
    async with aclosing(CONTAINERD.changes()) as changes:
        await anext(changes)
        await anext(changes)
        with pytest.raises(DaemonUnreachable, match="ended"):
            await anext(changes)


async def test_none_of_them_need_be_here(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CONTAINERD_ADDRESS", str(tmp_path / "none.sock"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert [engine.name for engine in ENGINES.values() if engine.is_here()] == []
