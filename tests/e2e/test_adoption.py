"""What runtimes have already, offered to other nodes, and followed."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

from netsim.emulate.daemons import Daemon
from netsim.emulate.processes import ProgramError, enclosed, run, wait_until
from netsim.emulate.registry import Registry
from netsim.emulate.runtimes import Containerd, Dockerd, Podman
from netsim.image import Image, ImageWriter, add_file
from tests.wrongbytes import require_same

APP = "registry.example/team/app:1"
SOON = 15


@pytest.fixture
def small(directory):
    """An image of one layer that is too large for the peer interface."""
    writer = ImageWriter(directory / "layout")
    with writer.layer() as layer:
        add_file(layer, "data", os.urandom(2_000_000))
    return writer.finish(APP, ["/data"])


@pytest.fixture
def secret(directory):
    path = directory / "secret"
    path.write_text("of-a-cluster-whose-nodes-may-have-each-others-private-images")
    path.chmod(0o600)
    return path


@pytest.fixture
def archive(small, directory):
    path = directory / "app.tar"
    run(["tar", "--create", "--file", str(path), "--directory", str(small.layout), "."])
    return path


@pytest.fixture
def containerd(require, directory):
    require("containerd", "ctr")
    root = directory / "containerd"
    root.mkdir()
    with Containerd(root) as runtime:
        yield runtime


def test_a_blob_of_containerds_is_fetched_from_where_it_lies_until_it_is_removed_there(
    containerd, small, archive, secret, directory
):
    root = directory / "containerd/root"
    theirs = root / "io.containerd.content.v1.content/blobs/sha256"
    layer = max(small.sizes, key=small.sizes.get)
    arguments = ("--secret-file", str(secret))
    environment = {"CONTAINERD_ADDRESS": str(directory / "containerd/containerd.sock")}
    with (
        Daemon(directory / "owner", *arguments, "--adopt", f"containerd={root}", env=environment) as owner,
        Daemon(directory / "other", *arguments, join=[owner.cluster]) as other,
        Daemon(directory / "late", *arguments, join=[owner.cluster]) as late,
    ):
        containerd.ctr("images", "import", "--no-unpack", str(archive))
        place = owner.data_dir / "store/blobs/sha256" / layer.removeprefix("sha256:")
        wait_until(lambda: place.is_symlink() or None, "the layer is adopted", timeout=SOON)
        assert place.readlink() == theirs / place.name
        wait_until(
            lambda: len(json.loads(other.p2player("why", layer, "--json"))["providers"]) or None,
            "it is announced",
            timeout=SOON,
        )
        other.p2player("fetch", layer, "--output", str(directory / "layer"))
        require_same((directory / "layer").read_bytes(), small.path(layer).read_bytes())
        assert other.status().peer == small.sizes[layer]

        other.stop()
        containerd.ctr("images", "remove", "--sync", APP)
        wait_until(lambda: None if (theirs / place.name).exists() else True, "containerd removes it", timeout=SOON)
        wait_until(lambda: None if place.is_symlink() else True, "it is withdrawn", timeout=SOON)
        with pytest.raises(ProgramError, match="no node"):
            late.p2player("fetch", layer, "--output", str(directory / "nothing"))
        assert owner.status().blobs == 0


def holders(daemon, digest):
    return json.loads(daemon.p2player("why", digest, "--json"))["providers"]


def test_what_containerd_pulled_is_shown_to_all_by_a_configured_registry(require, containerd, small, directory):
    require("docker-registry", "skopeo")
    root = directory / "registry"
    root.mkdir()
    environment = {"CONTAINERD_ADDRESS": str(directory / "containerd/containerd.sock")}
    adopt = ("--adopt", f"containerd={directory}/containerd/root")
    layer = max(small.sizes, key=small.sizes.get)
    with Registry(root) as registry:
        registry.fill(small, "team/app:1")
        upstream = ("--upstream", f"{registry.name}={registry.url}")
        with (
            # without a secret, what is private never leaves a node
            Daemon(directory / "owner", *adopt, *upstream, env=environment) as owner,
            Daemon(directory / "closed", *adopt, join=[owner.cluster], env=environment) as closed,
            Daemon(directory / "other", join=[owner.cluster]) as other,
        ):
            containerd.pull(f"{registry.name}/team/app:1")
            for digest in small.sizes:
                wait_until(lambda digest=digest: holders(other, digest) or None, "it is announced", timeout=SOON)
            registry.stop()
            wait_until(lambda: closed.status().blobs == len(small.sizes) or None, "it is adopted", timeout=SOON)
            (holder,) = holders(other, layer)
            assert owner.status().node_id.startswith(holder["node"][:8])
            other.p2player("fetch", small.digest, "--output", f"oci:{directory / 'fetched'}")
            require_same(Image.open(directory / "fetched").digest, small.digest)
            assert other.status().upstream == 0


@pytest.fixture
def following():
    """Run `p2player seed --all --follow` beside a daemon, until the test is over."""
    running = []

    def follow(daemon, engine, env):
        command = [sys.executable, "-m", "p2player", "seed", "--all", "--follow", engine]
        process = subprocess.Popen([*command, "--data-dir", str(daemon.data_dir)], env={**os.environ, **env})
        running.append(process)
        return process

    yield follow
    for process in running:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.fixture
def pair(directory):
    with (
        Daemon(directory / "owner") as owner,
        Daemon(directory / "other", join=[owner.cluster]) as other,
    ):
        yield owner, other


def names(daemon):
    return [json.loads(line)["name"] for line in daemon.p2player("ls", "--json").splitlines()]


def is_offered(daemon, name):
    wait_until(lambda: name in names(daemon) or None, f"{name} is offered", timeout=SOON)


def is_withdrawn(daemon, name):
    wait_until(lambda: name not in names(daemon) or None, f"{name} is withdrawn", timeout=SOON)


def cannot_be_fetched(daemon, name, directory):
    with pytest.raises(ProgramError, match="no node"):
        daemon.p2player("fetch", name, "--output", f"oci:{directory / 'nothing'}")


def test_images_of_dockerds_are_offered_by_name_and_followed(require, skopeo, small, pair, following, directory):
    require("dockerd", "docker", "containerd", "runc")
    owner, other = pair
    root = directory / "docker"
    root.mkdir()
    with Dockerd(root) as runtime:
        archive = directory / "docker.tar"
        skopeo("copy", f"oci:{small.layout}:{APP}", f"docker-archive:{archive}:{APP}")
        runtime.docker("load", "--input", str(archive))
        follower = following(owner, "docker", {"DOCKER_HOST": runtime.host})
        is_offered(owner, APP)
        other.p2player("fetch", APP, "--output", f"oci:{directory / 'fetched'}")

        runtime.docker("tag", APP, "registry.example/team/app:2")
        is_offered(owner, "registry.example/team/app:2")
        runtime.docker("image", "rm", "registry.example/team/app:2")
        is_withdrawn(owner, "registry.example/team/app:2")
        assert names(owner) == [APP]
        runtime.docker("image", "rm", APP)
        is_withdrawn(owner, APP)
        assert follower.poll() is None
    assert owner.status().blobs == 0
    other.p2player("rm", APP)
    cannot_be_fetched(other, APP, directory)


def in_path(podman, root):
    """Return a directory whose `podman` is the one of these settings."""
    programs = root / "bin"
    programs.mkdir()
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in podman._environment.items())
    # without the tie to the thread that starts it, which ends before what podman saves is read
    command = shlex.join(enclosed([shutil.which("podman"), *podman._storage, *podman._engine])[3:])
    (programs / "podman").write_text(f'#!/bin/sh\n{exports}exec {command} "$@"\n')
    (programs / "podman").chmod(0o755)
    return programs


def test_images_of_podmans_are_offered_by_name_and_followed(require, small, pair, following, directory):
    require("podman", "skopeo")
    owner, other = pair
    root = directory / "podman"
    root.mkdir()
    podman = Podman(root)
    podman.load(small.layout, APP)
    following(owner, "podman", {"PATH": f"{in_path(podman, root)}:{os.environ['PATH']}"})
    is_offered(owner, APP)
    other.p2player("fetch", APP, "--output", f"oci:{directory / 'fetched'}")

    podman.podman("tag", APP, "registry.example/team/app:2")
    is_offered(owner, "registry.example/team/app:2")
    podman.podman("untag", APP, APP)
    is_withdrawn(owner, APP)
    assert names(owner) == ["registry.example/team/app:2"]


def test_images_of_containerds_are_offered_by_name_when_that_is_asked_for(containerd, small, archive, pair, directory):
    owner, other = pair
    containerd.ctr("images", "import", "--no-unpack", str(archive))
    environment = {"CONTAINERD_ADDRESS": str(directory / "containerd/containerd.sock")}
    command = [sys.executable, "-m", "p2player", "seed", "--all", "containerd", "--data-dir", str(owner.data_dir)]
    run(command, env=environment)
    other.p2player("fetch", APP, "--output", f"oci:{directory / 'fetched'}")
    require_same(Image.open(directory / "fetched").digest, small.digest)
