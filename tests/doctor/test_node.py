import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from p2player.control.messages import Certificates, Greeting
from p2player.doctor.node import certificate_finding, cluster_finding, disk_finding, peers_finding, ports_finding
from p2player.errors import PeerUnreachable
from tests.doctor.conftest import answering


async def test_ports_are_tried(status, closed):
    async with answering() as address:
        assert (await ports_finding(replace(status, cluster=address, swarm=address))).state == "ok"
        finding = await ports_finding(replace(status, cluster=address, swarm=closed))
    assert finding.state == "fail"
    assert closed in finding.message
    assert address not in finding.message


@pytest.mark.parametrize(
    ("cluster", "secret", "peers", "state", "fix"),
    [
        ("10.0.0.1:7400", True, 3, "ok", ""),
        ("10.0.0.1:7400", True, 0, "warn", "--join"),
        ("10.0.0.1:7400", False, 3, "warn", "--secret-file"),
        ("127.0.0.1:7400", False, 0, "warn", "--secret-file"),
        ("127.0.0.1:7400", True, 0, "warn", "--cluster 127.0.0.1:7400"),
    ],
)
async def test_a_node_has_company_and_a_secret(status, cluster, secret, peers, state, fix):
    finding = cluster_finding(replace(status, cluster=cluster, secret=secret, peers=peers))
    assert finding.state == state
    assert fix in finding.fix


@pytest.mark.parametrize(("free", "state"), [(50 * 10**9, "ok"), (500 * 10**6, "warn"), (10**6, "fail")])
async def test_room_on_the_disk_is_looked_at(status, monkeypatch, free, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert disk_finding(status).state == state


@pytest.mark.parametrize(
    ("ahead", "state", "direction"),
    [(2, "ok", ""), (-100, "warn", "behind"), (100, "warn", "ahead of"), (1000, "fail", "")],
)
def test_clocks_are_compared(ahead, state, direction):
    finding = peers_finding([Greeting("10.0.0.1:7400", ahead, "")])
    assert finding.state == state
    assert direction in finding.message


async def test_nodes_that_do_not_answer_are_told_of_with_the_reason(client, daemon):
    daemon.peers.skews["192.0.2.1"] = PeerUnreachable("192.0.2.1:7400 did not answer", hint="same secret?")
    silent = await client.greetings()
    finding = peers_finding(silent)
    assert finding.state == "fail"
    assert "same secret?" in finding.message
    finding = peers_finding([*silent, Greeting("10.0.0.1:7400", 0.5, "")])
    assert finding.state == "warn"
    assert "192.0.2.1:7400" in finding.message


async def test_nodes_that_are_banned_are_not_asked(client, daemon):
    assert len(await client.greetings()) == 1
    daemon.store.ban(bytes(20), "it lied")
    assert await client.greetings() == ()


def test_no_nodes_are_not_asked():
    assert peers_finding([]).state == "skip"


@pytest.mark.parametrize(("left", "state"), [(31, "ok"), (29, "warn"), (0.5, "warn"), (-1, "fail")])
def test_the_end_of_a_certificate_is_told_in_time_and_with_the_next_step(left, state):
    finding = certificate_finding(Certificates("ca", 1_800_000_000), 1_800_000_000 - left * 86400)
    assert finding.state == state
    assert "2027-01-15" in finding.message
    assert ("p2player ca issue" in finding.fix) == (state != "ok")


@pytest.mark.parametrize("mode", ["none", "secret"])
def test_certificates_without_an_end_are_not_spoken_of(mode):
    assert certificate_finding(Certificates(mode, None), 0) is None
