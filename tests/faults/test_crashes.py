import subprocess
import sys
import time

import pytest

from netsim.emulate.daemons import Daemon
from netsim.emulate.processes import wait_until


def files_below(directory):
    return [path for path in directory.rglob("*") if path.is_file()]


@pytest.fixture
def restart(cluster):
    """Start a killed daemon again, on the same data."""
    running = []

    def start(dead):
        daemon = Daemon(dead.data_dir, join=[cluster.nodes[0].cluster])
        daemon.__enter__()
        running.append(daemon)
        return daemon

    yield start
    for daemon in running:
        daemon.stop()


def test_a_fetch_cut_off_by_a_crash_leaves_nothing_half_written_and_can_be_made_again(
    cluster, make_file, begin_pull, restart
):
    file, seed, node = make_file(), cluster.nodes[0], cluster.add()
    seed.p2player("seed", str(file.path))
    begin_pull(node, file)
    node.kill()
    again = restart(node)
    assert again.status().blobs == 0
    assert files_below(node.data_dir / "staging") == []
    assert files_below(node.data_dir / "store" / "blobs") == []
    begin_pull(again, file).finish()
    assert again.status().blobs == 1


def test_a_crash_after_a_fetch_loses_nothing_and_the_blob_is_seeded_again_soon(cluster, make_file, begin_pull, restart):
    file, seed, node, other = make_file(), cluster.add(), cluster.add(), cluster.nodes[0]
    seed.p2player("seed", str(file.path))
    begin_pull(node, file).finish()
    # A reader has it all a moment before the disk has.
    wait_until(lambda: node.status().blobs or None, "the blob is kept")
    node.kill()
    before = time.monotonic()
    again = restart(node)
    assert time.monotonic() - before < 10
    assert again.status().blobs == 1
    again.p2player("verify")
    seed.kill()
    begin_pull(other, file).finish()


def test_a_crash_while_seeding_brings_in_all_or_nothing(cluster, make_file, restart):
    file, node = make_file(), cluster.add()
    command = [sys.executable, "-m", "p2player", "seed", "--data-dir", str(node.data_dir), str(file.path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as seeding:
        while not files_below(node.data_dir / "staging"):
            assert seeding.poll() is None
            time.sleep(0.001)
        node.kill()
        assert seeding.wait(30) != 0
    again = restart(node)
    assert files_below(node.data_dir / "staging") == []
    assert len(files_below(node.data_dir / "store" / "blobs")) == again.status().blobs
    again.p2player("verify")
