import pytest

from p2player.runtime.setup.probe import arguments_of, version_of


@pytest.fixture
def program(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    def program(name, script):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return program


@pytest.mark.parametrize(
    ("runtime", "name", "told", "version"),
    [
        ("docker", "dockerd", "Docker version 20.10.24+dfsg1, build 5d6db84", (20, 10)),
        ("containerd", "containerd", "containerd github.com/containerd/containerd v2.1.4 75cb2b7", (2, 1)),
        ("containerd", "containerd", "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1", (1, 6)),
        ("podman", "podman", "podman version 4.3.1", (4, 3)),
        ("crio", "crio", "crio version 1.30.2", (1, 30)),
        ("crio", "crio", "nothing", None),
    ],
)
def test_the_version_is_read_from_what_the_program_says(program, runtime, name, told, version):
    program(name, f"echo '{told}'")
    assert version_of(runtime) == version


def test_a_program_that_is_not_there_has_none(program):
    assert version_of("docker") is None


def test_the_arguments_of_a_running_program_are_told(tmp_path):
    for number, line in (("1", b"/sbin/init\0"), ("7", b"/usr/sbin/dockerd\0--debug\0-H\0fd://\0"), ("8", b"")):
        (tmp_path / number).mkdir()
        (tmp_path / number / "cmdline").write_bytes(line)
    (tmp_path / "9").mkdir()
    assert arguments_of("dockerd", tmp_path)[:3] == ("--debug", "-H", "fd://")
    assert arguments_of("podman", tmp_path) == ()
