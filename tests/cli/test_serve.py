import contextlib
import json
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from p2player.cli import serve as serve_verb
from p2player.cli.howto import how_to_pull
from p2player.oci.digest import Digest
from tests.wrongbytes import require_same


@pytest.fixture
def serve(tmp_path):
    """Start real nodes, each in a process and data directory of its own, and end those that still run at last."""
    with contextlib.ExitStack() as cleanup:

        def start(name, *arguments, hard_limit=None):
            limit = ["prlimit", f"--nofile=:{hard_limit}"] if hard_limit else []
            process = subprocess.Popen(
                [*limit, sys.executable, "-m", "p2player", "serve", "--data-dir", tmp_path / name, *arguments],
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


FREE_PORTS = ("--registry", "127.0.0.1:0", "--cluster", "127.0.0.1:0", "--configured-only")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_node_says_that_it_is_ready_and_stops_when_told(serve, tmp_path, number):
    node = serve("a", "--json", *FREE_PORTS)
    ready = json.loads(node.stdout.readline())
    assert ready["event"] == "ready"
    assert not ready["registry"].endswith(":0")
    node.send_signal(number)
    _, log = node.communicate(timeout=60)
    assert (node.returncode, log) == (0, "")
    assert not (tmp_path / "a/control.sock").exists()


@pytest.mark.parametrize(("soft", "hard", "got"), [(256, 4096, 4096), (300, 300, 300)])
def test_a_node_may_open_as_many_files_as_the_system_lets_it(serve, tmp_path, soft, hard, got):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        node = serve("a", "--json", *FREE_PORTS, hard_limit=hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    node.stdout.readline()
    limits = (Path("/proc") / str(node.pid) / "limits").read_text()
    assert re.search(rf"Max open files +{got} +{hard} ", limits)


def test_people_are_told_what_the_endpoint_asks_for():
    assert not [line for line in how_to_pull("127.0.0.1:1") if "asks" in line]
    (line,) = [line for line in how_to_pull("127.0.0.1:1", ("tls", "token")) if "asks" in line]
    assert "--ca FILE --token-file FILE" in line


def test_people_are_told_how_to_pull_through_it(serve):
    node = serve("a", *FREE_PORTS)
    lines = [node.stdout.readline()]
    while not lines[-1].startswith("  docker pull"):
        lines.append(node.stdout.readline())
    node.send_signal(signal.SIGTERM)
    text = "".join([*lines, node.communicate(timeout=60)[0]])
    registry = next(line.split()[1] for line in lines if line.startswith("registry"))
    assert lines[-1] == f"  docker pull {registry}/ghcr.io/org/app:1\n"
    assert "p2player setup docker" in text
    assert "p2player doctor" in text
    assert "so other machines are kept out" in text


def test_an_address_in_use_exits_5_and_names_it(serve):
    first = serve("a", "--json", *FREE_PORTS)
    registry = json.loads(first.stdout.readline())["registry"]
    second = serve("b", "--registry", registry, "--cluster", "127.0.0.1:0")
    _, told = second.communicate(timeout=60)
    assert second.returncode == 5
    assert registry in told


def test_a_data_directory_in_use_exits_6(serve):
    first = serve("a", "--json", *FREE_PORTS)
    first.stdout.readline()
    second = serve("a", *FREE_PORTS)
    _, told = second.communicate(timeout=60)
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
    require_same((tmp_path / "out").read_bytes(), b"content" * 100_000)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a", "file", "out"]
    (why,) = run("why", digest, "--data-dir", ready["data_dir"], "--json").objects
    assert (why["held"], why["providers"]) == (True, []), "the node of the command is still announced"


@pytest.fixture
def given(monkeypatch, run):
    """Run `serve` with these flags as far as its settings, and return them."""

    def given(*flags):
        received = []

        async def serve(output, config):
            received.append(config)

        monkeypatch.setattr(serve_verb, "_serve", serve)
        assert run("serve", *flags).code == 0
        return received[0]

    return given


def test_flags_say_what_is_asked_of_which_registry(given, monkeypatch):
    monkeypatch.delenv("P2PLAYER_CONFIGURED_ONLY")
    plain = given()
    assert (plain.upstreams, plain.configured_only, plain.background, plain.insecure) == ((), False, True, False)
    config = given("--upstream", "a.example=https://a", "--upstream", "a.example=http://b:1", "--configured-only")
    assert [one.urls for one in config.upstreams] == [("https://a", "http://b:1")]
    assert config.configured_only
    assert not given("--no-background").background
