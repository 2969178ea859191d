import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

NAME = "docker.io/library/app:1"


@pytest.fixture
def podman(tmp_path, layout, monkeypatch):
    """A podman with the images that `images.json` lists; of whatever name, it saves none."""
    (tmp_path / "images.json").write_text(json.dumps([{"Id": "aa", "Names": [NAME]}]))
    programs = tmp_path / "bin"
    programs.mkdir()
    path = programs / "podman"
    path.write_text(
        "#!/bin/sh\n"
        f'case "$1" in images) cat {tmp_path}/images.json;;\n'
        "events) exec sleep 60;;\n"
        "save) echo 'no space left' >&2; exit 125;;\nesac\n"
    )
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return tmp_path / "images.json"


def here(daemon, podman, layout):
    """Give the daemon the image already, under the id that podman has it by."""
    config = layout.root.content.config.digest
    podman.write_text(json.dumps([{"Id": config.hex, "Names": [NAME]}]))


def test_what_is_there_already_is_told_so(ask, daemon, podman, layout):
    assert ask("seed", layout.spec).code == 0
    here(daemon, podman, layout)
    told = ask("seed", "--all", "podman")
    assert told.code == 0
    assert told.out == f"podman: {NAME}  offered already\n"


def test_programs_get_an_object_for_each_name(ask, daemon, podman, layout):
    assert ask("seed", layout.spec).code == 0
    here(daemon, podman, layout)
    (told,) = ask("seed", "--all", "podman", "--json").objects
    assert told == {"event": "present", "engine": "podman", "name": NAME, "digest": str(layout.root.digest)}


def test_an_image_that_fails_is_told_and_decides_the_exit_code(ask, podman):
    told = ask("seed", "--all", "podman")
    assert told.code == 5
    assert f"{NAME}  failed: podman failed: no space left" in told.out
    assert "no space left" in told.err


@pytest.mark.parametrize(
    "arguments",
    [("--all", "--as", "x:1"), ("--follow",), (), ("--follow", "docker"), ("--all", "lxc")],
)
def test_what_makes_no_sense_exits_2(ask, arguments):
    assert ask("seed", *arguments).code == 2


def test_no_engine_at_all_is_told(ask, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CONTAINERD_ADDRESS", str(tmp_path / "none.sock"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    told = ask("seed", "--all")
    assert told.code == 5
    assert "none of docker, podman, containerd is here" in told.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_following_goes_on_until_it_is_told_to_stop(ask, daemon, podman, layout, number):
    ask("seed", layout.spec)
    here(daemon, podman, layout)
    process = subprocess.Popen(
        [sys.executable, "-m", "p2player", "seed", "--all", "--follow", "podman", "--data-dir", daemon.config.data_dir],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert NAME in process.stdout.readline()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(number)
    _, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (0, "")
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
