import json
import socket

import pytest
from aiohttp import web

from p2player.doctor.image import HUB_NAME, NAME, TinyImage
from p2player.doctor.runtimes import Containerd, Crio, Docker, Podman
from p2player.errors import Unavailable
from p2player.runtime.setup.tree import DiskTree


@pytest.fixture
def image():
    return TinyImage.make()


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put a program first in PATH, which notes its arguments; `program.calls()` are all of them."""
    directory, log = tmp_path / "bin", tmp_path / "calls"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")

    def program(name, script="true"):
        (directory / name).write_text(f'#!/bin/sh\necho "$0 $@" >>{log}\n{script}\n')
        (directory / name).chmod(0o755)

    program.calls = lambda: log.read_text().replace(f"{directory}/", "").splitlines()
    return program


@pytest.fixture
async def dockerd(tmp_path, monkeypatch):
    """Serve a Docker daemon of a version, with or without containerd's store, and return what it is asked."""
    runners = []

    async def dockerd(version, *, store):
        asked = []

        async def answer(request):
            asked.append(f"{request.method} {request.path_qs}")
            driver = [["driver-type", "io.containerd.snapshotter.v1"]] if store else []
            body = {"/version": {"Version": version}, "/info": {"DriverStatus": driver}}.get(request.path, {})
            return web.Response(text=json.dumps(body), content_type="application/json")

        runner = web.ServerRunner(web.Server(answer))
        runners.append(runner)
        await runner.setup()
        await web.UnixSite(runner, str(tmp_path / "d.sock")).start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/d.sock")
        return asked

    yield dockerd
    for runner in runners:
        await runner.cleanup()


async def test_docker_with_containerds_store_pulls_a_name_of_no_registry_by_tag(dockerd, image, tmp_path):
    asked = await dockerd("28.5.1", store=True)
    docker = Docker(DiskTree(tmp_path))
    assert await docker.find() == "28.5.1"
    await docker.pull(image)
    assert asked[-1] == f"POST /images/create?fromImage={NAME}&tag={image.tag}"
    await docker.remove(image)
    assert asked[-1] == f"DELETE /images/{NAME}:{image.tag}"


@pytest.mark.parametrize(("version", "store"), [("28.5.1", False), ("27.5.1", True), ("20.10.24+dfsg1", False)])
async def test_docker_that_mirrors_the_hub_alone_pulls_by_digest(dockerd, image, tmp_path, version, store):
    asked = await dockerd(version, store=store)
    docker = Docker(DiskTree(tmp_path))
    await docker.pull(image)
    assert asked[-1] == f"POST /images/create?fromImage={HUB_NAME}&tag={image.manifest.digest}"
    await docker.remove(image)
    assert asked[-1] == f"DELETE /images/{HUB_NAME}@{image.manifest.digest}"


async def test_containerd_fetches_by_the_directory_that_its_config_names(program, image, tmp_path):
    (tmp_path / "etc/containerd").mkdir(parents=True)
    (tmp_path / "etc/containerd/config.toml").write_text(
        'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/my/certs"\n'
    )
    program("ctr", 'printf "Client:\\n  Version:  1\\n\\nServer:\\n  Version:  1.6.20~ds1\\n"')
    containerd = Containerd(DiskTree(tmp_path))
    assert await containerd.find() == "1.6.20~ds1"
    await containerd.pull(image)
    await containerd.remove(image)
    assert program.calls() == [
        "ctr version",
        f"ctr --namespace p2player-doctor content fetch --hosts-dir {tmp_path}/my/certs {NAME}:{image.tag}",
        f"ctr --namespace p2player-doctor images rm --sync {NAME}:{image.tag}",
        "ctr namespaces rm p2player-doctor",
    ]


async def test_a_namespace_goes_also_when_its_image_does_not(program, image, tmp_path):
    program("ctr", '[ "$1" = namespaces ]')
    with pytest.raises(Unavailable):
        await Containerd(DiskTree(tmp_path)).remove(image)
    assert program.calls()[-1] == "ctr namespaces rm p2player-doctor"


async def test_podman_pulls_and_removes(program, image, tmp_path):
    program("podman", 'echo "podman version 4.3.1"')
    podman = Podman(DiskTree(tmp_path))
    assert await podman.find() == "4.3.1"
    await podman.pull(image)
    await podman.remove(image)
    assert program.calls()[1:] == [
        f"podman pull --quiet {NAME}:{image.tag}",
        f"podman rmi --force {NAME}:{image.tag}",
    ]


async def test_cri_o_is_asked_by_crictl(program, image, tmp_path, monkeypatch):
    path = tmp_path / "crio.sock"
    monkeypatch.setattr("p2player.doctor.runtimes._CRIO_SOCKET", path)
    program(
        "crictl", 'printf "Version:  0.1.0\\nRuntimeName:  cri-o\\nRuntimeVersion:  1.30.2\\nRuntimeApiVersion:  v1\\n"'
    )
    assert await Crio(DiskTree(tmp_path)).find() is None
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        crio = Crio(DiskTree(tmp_path))
        assert await crio.find() == "1.30.2"
        await crio.pull(image)
        await crio.remove(image)
    there = f"crictl --runtime-endpoint unix://{path}"
    assert program.calls() == [
        f"{there} version",
        f"{there} pull {NAME}:{image.tag}",
        f"{there} rmi {NAME}:{image.tag}",
    ]


@pytest.mark.parametrize("kind", [Docker, Containerd, Podman, Crio])
async def test_a_runtime_that_is_not_here_is_not_found(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert await kind(DiskTree(tmp_path)).find() is None
