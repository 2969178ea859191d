import contextlib
import json
import signal
import subprocess
import sys

import pytest

from p2player.oci.digest import Digest


@pytest.fixture
def serve(tmp_path):
    """Start real nodes, each in a process and data directory of its own, and end those that still run at last."""
    with contextlib.ExitStack() as cleanup:

        def start(name, *arguments):
            process = subprocess.Popen(
                [sys.executable, "-m", "p2player", "serve", "--data-dir", tmp_path / name, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            cleanup.callback(end, process)
            return process

        def end(process):
            process.kill()
            process.communicate()

        yield start


FREE_PORTS = ("--registry", "127.0.0.1:0", "--cluster", "127.0.0.1:0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_node_says_that_it_is_ready_and_stops_when_told(serve, tmp_path, number):
    node = serve("a", "--json", *FREE_PORTS)
    ready = json.loads(node.stdout.readline())
    assert ready["event"] == "ready"
    assert not ready["registry"].endswith(":0")
    node.send_signal(number)
    _, log = node.communicate(timeout=20)
    assert (node.returncode, log) == (0, "")
    assert not (tmp_path / "a/control.sock").exists()


def test_people_are_told_how_to_pull_through_it(serve):
    node = serve("a", *FREE_PORTS)
    lines = [node.stdout.readline() for _ in range(16)]
    node.send_signal(signal.SIGTERM)
    text = "".join([*lines, node.communicate(timeout=20)[0]])
    registry = next(line.split()[1] for line in lines if line.startswith("registry"))
    assert f'{{"registry-mirrors": ["http://{registry}"]}}' in text
    assert all(f"\n{runtime}" in text for runtime in ("docker", "containerd", "podman"))
    assert "so other machines are kept out" in text


def test_an_address_in_use_exits_5_and_names_it(serve):
    first = serve("a", "--json", *FREE_PORTS)
    registry = json.loads(first.stdout.readline())["registry"]
    second = serve("b", "--registry", registry, "--cluster", "127.0.0.1:0")
    _, told = second.communicate(timeout=20)
    assert second.returncode == 5
    assert registry in told


def test_a_data_directory_in_use_exits_6(serve):
    first = serve("a", "--json", *FREE_PORTS)
    first.stdout.readline()
    second = serve("a", *FREE_PORTS)
    _, told = second.communicate(timeout=20)
    assert second.returncode == 6
    assert "Traceback" not in told


def test_a_blob_goes_from_one_node_to_a_command_without_a_daemon(serve, run, tmp_path):
    node = serve("a", "--json", *FREE_PORTS)
    ready = json.loads(node.stdout.readline())
    (tmp_path / "file").write_bytes(b"content" * 100_000)
    assert run("seed", tmp_path / "file", "--data-dir", ready["data_dir"]).code == 0
    digest = Digest.of(b"content" * 100_000)
    told = run(
        "fetch",
        digest,
        "--join",
        ready["cluster"],
        "--data-dir",
        tmp_path / "none",
        "--output",
        tmp_path / "out",
        "--json",
    )
    *_, last, pulled, written = told.objects
    assert (told.code, pulled["root"], written["output"]) == (0, str(digest), str(tmp_path / "out"))
    assert (last["state"], [peer for peer, _ in last["by_peer"]]) == ("done", [ready["node_id"][:8]])
    assert (tmp_path / "out").read_bytes() == b"content" * 100_000
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a", "file", "out"]
    (why,) = run("why", digest, "--data-dir", ready["data_dir"], "--json").objects
    assert (why["held"], why["providers"]) == (True, []), "the node of the command is still announced"
