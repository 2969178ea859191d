import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def doctor(run, tmp_path, monkeypatch):
    """Run the verb on a machine without any runtime."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")

    def doctor(*arguments):
        return run("doctor", "--data-dir", tmp_path / "data", "--root", tmp_path, *arguments)

    return doctor


def test_no_daemon_exits_5_with_what_to_do(doctor):
    told = doctor()
    assert told.code == 5
    first, fix = told.out.splitlines()
    assert first.startswith("fail  daemon: no daemon answers")
    assert "p2player serve" in fix


def test_programs_get_an_object_for_each_check(doctor, daemon):
    told = doctor("--json")
    assert {found["event"] for found in told.objects} == {"check"}
    checks = {found["check"]: found["state"] for found in told.objects}
    assert checks["daemon"] == "ok"
    assert {checks[name] for name in ("docker", "containerd", "podman", "crio")} == {"skip"}


def test_only_the_runtimes_that_are_named_are_looked_at(doctor, daemon):
    told = doctor("--json", "--runtime", "podman")
    assert told.objects[-1]["check"] == "podman"
    assert not any(found["check"] == "docker" for found in told.objects)


def test_an_unknown_runtime_exits_2(doctor):
    assert doctor("--runtime", "rkt").code == 2


def test_an_interrupt_while_a_runtime_pulls_leaves_nothing(run, daemon, tmp_path):
    root, programs, started = tmp_path / "root", tmp_path / "bin", tmp_path / "started"
    for directory in (root, programs):
        directory.mkdir()
    os.mkfifo(started)
    run("setup", "podman", "--root", root, "--data-dir", daemon.config.data_dir)
    script = programs / "podman"
    script.write_text(
        '#!/bin/sh\ncase "$1" in\n  --version) echo podman version 5 ;;\n'
        f'  pull) echo $$ >{started}; exec sleep 60 ;;\n  rmi) echo gone >"$0.removed" ;;\nesac\n'
    )
    script.chmod(0o755)
    argv = [sys.executable, "-m", "p2player", "doctor", "--runtime", "podman", "--root", str(root)]
    process = subprocess.Popen(
        [*argv, "--data-dir", daemon.config.data_dir],
        env=os.environ | {"PATH": f"{programs}:/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    pulling = int(started.read_text())
    assert len(daemon.store.blobs()) == 3
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (130, "")
    assert (programs / "podman.removed").exists()
    assert not Path(f"/proc/{pulling}").exists()
    assert daemon.store.blobs() == []
