"""Each runtime as `p2player setup` configures it, and what `p2player doctor` says of it."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from netsim.emulate.certificates import Authority
from netsim.emulate.daemons import Daemon
from netsim.emulate.packages import search_path
from netsim.emulate.processes import ProgramError, enclosed, run
from netsim.emulate.runtimes import Containerd, Dockerd, has_overlay
from netsim.image import ImageWriter, add_file

TINY = "registry.example/team/tiny:1"
HUB_TINY = "docker.io/library/tiny:1"


class Machine:
    """A machine's configuration below a directory, and p2player run for it."""

    def __init__(self, directory, node, programs=None):
        self.root = directory / "machine"
        (self.root / "etc").mkdir(parents=True)
        self.node = node
        self.environment = {"PATH": f"{search_path(programs)}:{os.environ['PATH']}"} if programs else {}

    def p2player(self, verb, *arguments):
        return run(self._argv(verb, *arguments), env=self.environment)

    def doctor(self, name):
        argv = self._argv("doctor", "--runtime", name, "--json")
        done = subprocess.run(argv, env=os.environ | self.environment, capture_output=True, text=True, check=False)
        findings = {finding["check"]: finding for finding in map(json.loads, done.stdout.splitlines())}
        return done.returncode, findings

    def files(self):
        return {path: path.read_bytes() for path in self.root.rglob("*") if path.is_file()}

    def _argv(self, verb, *arguments):
        where = ("--root", str(self.root), "--data-dir", str(self.node.data_dir))
        return [sys.executable, "-m", "p2player", verb, *arguments, *where]


def pulls(case):
    try:
        case.pull()
    except ProgramError:
        return False
    return True


class DockerCase:
    name = "docker"
    setup = ("docker",)

    def __init__(self, directory, machine, programs=None):
        self.machine = machine
        root = directory / "docker"
        root.mkdir()
        self.runtime = Dockerd(root, programs=programs, containerd_store=programs is not None)
        self.tiny = TINY if programs else HUB_TINY
        self.state = root
        machine.environment["DOCKER_HOST"] = self.runtime.host
        (machine.root / "etc/docker").symlink_to(root / "etc")

    def running(self):
        # they are killed, and would not start again where their old numbers are others' now
        for pid_file in self.state.rglob("*.pid"):
            pid_file.unlink()
        return self.runtime

    def pull(self):
        self.runtime.docker("pull", self.tiny)

    def asks_the_node(self):
        # a pull from Docker Hub itself would leave this machine
        return self.machine.node.registry in self.runtime.docker("info") or (self.tiny == TINY and pulls(self))

    def left(self):
        return self.runtime.docker("images", "--quiet").split()


class ContainerdCase:
    name = "containerd"
    setup = ("containerd",)

    def __init__(self, directory, machine, programs=None):
        self.machine = machine
        root = directory / "containerd"
        root.mkdir()
        self.runtime = Containerd(root, programs=programs)
        self.hosts = machine.root / "etc/containerd/certs.d"
        machine.environment["CONTAINERD_ADDRESS"] = str(root / "containerd.sock")

    def running(self):
        return self.runtime

    def pull(self):
        self.runtime.ctr("content", "fetch", "--hosts-dir", str(self.hosts), TINY)

    def asks_the_node(self):
        return pulls(self)

    def left(self):
        return self.runtime.ctr("namespaces", "list", "--quiet").split()


class PodmanCase:
    name = "podman"
    setup = ("podman", "--registry", "registry.example")

    def __init__(self, directory, machine, programs=None):
        self.machine = machine
        etc, root, bin_directory = machine.root / "etc/containers", directory / "podman", directory / "bin"
        shutil.copytree("/etc/containers", etc)
        bin_directory.mkdir()
        storage = ("--root", f"{root}/storage", "--runroot", f"{root}/run", "--tmpdir", f"{root}/tmp")
        driver = ("--storage-driver", "overlay" if has_overlay(directory) else "vfs")
        bind = ("sh", "-c", f'mount --bind {etc} /etc/containers && exec "$@"', "sh")
        command = enclosed([*bind, shutil.which("podman"), *storage, *driver])
        script = bin_directory / "podman"
        script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        script.chmod(0o755)
        machine.environment["PATH"] = f"{bin_directory}:{os.environ['PATH']}"
        self.podman = str(script)

    def running(self):
        return nullcontext()

    def pull(self):
        run([self.podman, "pull", TINY])

    def asks_the_node(self):
        run([self.podman, "rmi", "--all"])
        return pulls(self)

    def left(self):
        return run([self.podman, "images", "--quiet"]).split()


@pytest.fixture(scope="module")
def tiny_node(require):
    """A node with an image of one file, under a name of a registry that does not exist, and one of Docker Hub's."""
    require("dockerd", "docker", "containerd", "ctr", "podman", "runc")
    with tempfile.TemporaryDirectory(prefix="p2e-") as directory, Daemon(Path(directory) / "node") as daemon:
        seed_tiny(daemon, Path(directory))
        yield daemon


def seed_tiny(daemon, directory):
    writer = ImageWriter(directory / "image")
    with writer.layer() as layer:
        add_file(layer, "hello", b"hello")
    image = writer.finish("1", ["/hello"])
    for name in (TINY, HUB_TINY):
        daemon.p2player("seed", f"oci:{image.layout}", "--as", name)


@pytest.fixture(
    params=[
        pytest.param((DockerCase, False), id="dockerd-20.10", marks=pytest.mark.faults),
        pytest.param((DockerCase, True), id="dockerd-28.5"),
        pytest.param((ContainerdCase, False), id="containerd-1.6", marks=pytest.mark.faults),
        pytest.param((ContainerdCase, True), id="containerd-2.1"),
        pytest.param((PodmanCase, False), id="podman-4.3"),
    ]
)
def case(request, directory, tiny_node):
    make, current = request.param
    programs = request.getfixturevalue("programs") if current else None
    return make(directory, Machine(directory, tiny_node, programs), programs)


def test_after_setup_images_come_through_the_node_and_after_removal_no_more(case):
    machine = case.machine
    before = machine.files()
    machine.p2player("setup", *case.setup)
    with case.running():
        code, findings = machine.doctor(case.name)
        assert (code, findings[f"{case.name} pull"]["state"]) == (0, "ok")
        assert case.left() == []
        served = machine.node.status().local
        case.pull()
        assert machine.node.status().local > served
    assert json.loads(machine.p2player("setup", *case.setup, "--json"))["changes"] == []
    assert "doctor" not in machine.node.p2player("ls")

    machine.p2player("setup", case.name, "--remove")
    after = machine.files()
    assert before.items() <= after.items()
    assert not [path for path, data in after.items() if b"p2player" in data or "p2player" in str(path.name)]
    with case.running():
        code, findings = machine.doctor(case.name)
        assert (code, findings[f"{case.name} configuration"]["state"]) == (5, "fail")
        assert f"{case.name} pull" not in findings
        assert not case.asks_the_node()


def test_a_runtime_that_was_not_told_of_its_configuration_fails_with_what_to_do(directory, tiny_node):
    machine = Machine(directory, tiny_node)
    case = DockerCase(directory, machine)
    with case.running():
        machine.p2player("setup", "docker")
        code, findings = machine.doctor("docker")
    assert code == 5
    assert findings["docker pull"]["state"] == "fail"
    assert "systemctl reload docker" in findings["docker pull"]["fix"]


def test_containerd_accepts_its_config_after_setup(directory, tiny_node):
    machine = Machine(directory, tiny_node)
    config = machine.root / "etc/containerd/config.toml"
    config.parent.mkdir()
    config.write_text(run(["containerd", "config", "default"]))
    machine.p2player("setup", "containerd")
    dumped = tomllib.loads(run(["containerd", "--config", str(config), "config", "dump"]))
    registry = dumped["plugins"]["io.containerd.grpc.v1.cri"]["registry"]
    assert registry["config_path"] == "/etc/containerd/certs.d"


TOKEN, WRONG = "token-of-this-test-0123456789", "wrong-of-this-test-0123456789"


@pytest.fixture
def guarded(require, directory):
    """A node with the image of one file, and what it needs of its clients: its endpoint asks for a token, over TLS."""
    require("containerd", "ctr", "podman", "runc")
    for name, text in (("good", TOKEN), ("wrong", WRONG)):
        (directory / name).write_text(text)
    (directory / "authority").mkdir()
    authority = Authority(directory / "authority")
    certificate, key = authority.issue("127.0.0.1")
    files = {"token-file": directory / "good", "cert": certificate, "key": key}
    flags = [part for name, file in files.items() for part in (f"--registry-{name}", str(file))]
    with Daemon(directory / "node", *flags) as daemon:
        seed_tiny(daemon, directory)
        yield SimpleNamespace(node=daemon, ca=authority.ca, tokens=directory)


@pytest.mark.parametrize(
    "current",
    [
        pytest.param(False, id="containerd-1.6", marks=pytest.mark.faults),
        pytest.param(True, id="containerd-2.1"),
    ],
)
def test_containerd_gets_in_with_the_token_that_setup_gives_it_and_not_with_another(
    request, directory, guarded, current
):
    programs = request.getfixturevalue("programs") if current else None
    machine = Machine(directory, guarded.node, programs)
    case = ContainerdCase(directory, machine, programs)
    with pytest.raises(ProgramError, match="--token-file"):
        machine.p2player("setup", "containerd")
    give = ("setup", "containerd", "--ca", str(guarded.ca), "--token-file")
    with case.running():
        machine.p2player(*give, str(guarded.tokens / "wrong"))
        assert not case.asks_the_node()
        assert machine.doctor("containerd")[0] == 5
        machine.p2player(*give, str(guarded.tokens / "good"))
        code, findings = machine.doctor("containerd")
        assert (code, findings["containerd pull"]["state"]) == (0, "ok")
        served = guarded.node.status().local
        assert case.asks_the_node()
        assert guarded.node.status().local > served
    machine.p2player("setup", "containerd", "--remove")
    assert machine.files() == {}


def test_dockerd_gets_in_with_the_token_that_setup_gives_it_and_not_with_another(directory, guarded, programs, require):
    require("docker")
    machine = Machine(directory, guarded.node, programs)
    case = DockerCase(directory, machine, programs)
    with pytest.raises(ProgramError, match="--token-file"):
        machine.p2player("setup", "docker")
    give = ("setup", "docker", "--ca", str(guarded.ca), "--token-file")
    machine.p2player(*give, str(guarded.tokens / "wrong"))
    with case.running():
        assert not pulls(case)
        assert guarded.node.status().local == 0
        machine.p2player(*give, str(guarded.tokens / "good"))
        case.pull()
        assert guarded.node.status().local > 0
        code, findings = machine.doctor("docker")
        assert (code, findings["docker pull"]["state"]) == (0, "ok")


def test_podman_gets_in_as_whoever_has_logged_in_with_the_token_and_not_with_another(directory, guarded):
    machine = Machine(directory, guarded.node)
    case = PodmanCase(directory, machine)
    token_file = guarded.tokens / "good"
    notes = json.loads(
        machine.p2player("setup", *case.setup, "--ca", str(guarded.ca), "--token-file", str(token_file), "--json")
    )["notes"]
    place = machine.root / "etc/containers/certs.d" / guarded.node.registry
    assert any(str(place).removeprefix(str(machine.root)) in note for note in notes)
    place.mkdir(parents=True)
    shutil.copy(guarded.ca, place / "ca.crt")
    logins = ("--authfile", str(directory / "auth.json"))
    pull = ("pull", "--quiet", *logins, TINY)
    with pytest.raises(ProgramError):
        run([case.podman, *pull])
    with pytest.raises(ProgramError, match=r"(?i)unauthorized|invalid username"):
        run([case.podman, "login", *logins, "--username", "anyone", "--password", WRONG, guarded.node.registry])
    run([case.podman, "login", *logins, "--username", "anyone", "--password", TOKEN, guarded.node.registry])
    run([case.podman, *pull])
    assert len(case.left()) == 1


def test_without_a_token_the_endpoint_answers_nothing_else(require, guarded):
    require("curl")

    def ask(*arguments):
        argv = ["curl", "--silent", "--cacert", str(guarded.ca), "--write-out", "%{http_code}", *arguments]
        return run([*argv, f"https://{guarded.node.registry}/v2/"])

    assert ask().endswith("401")
    assert "UNAUTHORIZED" in ask()
    assert ask("--header", f"P2Player-Token: {TOKEN}") == "{}200"
    assert ask("--user", f"anyone:{TOKEN}") == "{}200"
    assert ask("--user", f"anyone:{WRONG}").endswith("401")
