import os
import signal
import subprocess
import sys
import time

import pytest


def start(daemon, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "p2player", *arguments, "--data-dir", daemon.config.data_dir],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupt(process):
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in told


@pytest.fixture
def eventually():
    def wait(condition):
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end

    return wait


def test_an_interrupted_fetch_leaves_no_pull_and_no_file(daemon, layout, tmp_path, eventually):
    daemon.images.gate.clear()
    process = start(daemon, "fetch", "app:1", "--output", f"docker-archive:{tmp_path / 'out.tar'}")
    assert "fetching" in process.stdout.readline()
    interrupt(process)
    eventually(lambda: daemon.images.under_way == 0)
    assert not list(tmp_path.glob("*out.tar*"))


def test_an_interrupted_seed_leaves_nothing_in_the_store(daemon, tmp_path, eventually):
    staging = daemon.config.data_dir / "staging"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = start(daemon, "seed", str(pipe))
    with pipe.open("wb") as writing:
        writing.write(bytes(3_000_000))
        writing.flush()
        assert "sending" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        eventually(lambda: not list(staging.iterdir()))
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert daemon.store.blobs() == []
