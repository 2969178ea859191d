import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netsim.emulate.daemons import Daemon
from netsim.emulate.links import Hosts, Link
from netsim.emulate.processes import ProgramError, run

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("tc", path="/usr/sbin:/sbin:/usr/bin") is None,
    reason="needs root and the package iproute2",
)

SIZE = 2_000_000
SEND = f"""
import socket
listener = socket.create_server(("0.0.0.0", 5000))
print("ready", flush=True)
connection, _ = listener.accept()
connection.sendall(bytes({SIZE}))
connection.close()
"""
RECEIVE = """
import socket, sys
connection = socket.create_connection((sys.argv[1], 5000))
while connection.recv(65536):
    pass
"""

KNOCK = "import socket, sys; socket.create_connection((sys.argv[1], 5000), timeout=1)"


def transfer(sender, receiver):
    """The seconds that SIZE bytes take from one host to another."""
    command = sender.command([sys.executable, "-c", SEND])
    with subprocess.Popen(command, stdout=subprocess.PIPE) as sending:
        sending.stdout.readline()
        began = time.monotonic()
        run(receiver.command([sys.executable, "-c", RECEIVE, sender.address]))
        return time.monotonic() - began


def children():
    """The processes that this one has started, each of which may hold a namespace."""
    return {pid for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()}


def test_hosts_reach_each_other_and_nothing_else():
    with Hosts(2) as net:
        first, second = net.hosts
        assert transfer(first, second) < 10
        with pytest.raises(ProgramError, match=r"ENETUNREACH|unreachable"):
            run(first.command([sys.executable, "-c", RECEIVE, "192.0.2.1"]))


def test_a_link_lets_through_what_it_is_made_for():
    with Hosts(2, rate_mbit=16) as net:
        assert transfer(*net.hosts) > 0.8  # 1 s, less what the bucket holds
    with Hosts(2) as net:
        assert transfer(*net.hosts) < 0.8


def test_what_crosses_a_link_is_counted_at_both_ends():
    with Hosts(2) as net:
        sender, receiver = net.hosts
        before = sender.traffic(), receiver.traffic()
        transfer(sender, receiver)
        for count in (
            sender.traffic().sent - before[0].sent,
            receiver.traffic().received - before[1].received,
        ):
            assert SIZE <= count < 1.1 * SIZE


def test_a_thread_and_its_programs_can_be_on_a_host_for_a_while():
    def addresses():
        return run(["ip", "-brief", "address"]), Path("/proc/thread-self/net/dev").read_text()

    before = addresses()
    with Hosts(1) as net, net.hosts[0].entered():
        inside = addresses()
    assert net.hosts[0].address in inside[0]
    assert "eth0" in inside[1]
    assert net.hosts[0].address not in before[0]
    assert [line.split(":")[0] for line in addresses()[1].splitlines()] == [
        line.split(":")[0] for line in before[1].splitlines()
    ]


def test_nothing_of_a_network_is_left():
    before = children()
    with Hosts(2):
        assert len(children() - before) == 3
    assert children() == before


def test_nothing_is_left_of_a_network_that_cannot_be_finished(monkeypatch):
    before = children()
    monkeypatch.setattr("netsim.emulate.links._BURST", "some")
    with pytest.raises(ProgramError, match="tc: "), Hosts(2, rate_mbit=1):
        pass
    assert children() == before


def test_a_network_ends_with_the_process_that_made_it():
    script = """
import time
from netsim.emulate.links import Hosts, Link
with Hosts(1) as net:
    print(net.hosts[0].command(["true"])[4], flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        namespace = Path(process.stdout.readline().strip().removeprefix("--net="))
        assert namespace.exists()
        process.kill()
    deadline = time.monotonic() + 10
    while namespace.exists():
        assert time.monotonic() < deadline


def test_daemons_on_hosts_of_their_own_find_each_other(tmp_path):
    with Hosts(2) as net, Daemon(tmp_path / "1", host=net.hosts[0]) as first:
        assert first.cluster == f"{net.hosts[0].address}:7400"
        with Daemon(tmp_path / "2", host=net.hosts[1], join=[first.cluster]) as second:
            (tmp_path / "file").write_bytes(os.urandom(300_000))
            digest = first.p2player("seed", str(tmp_path / "file"), "--json")
            assert digest
            assert second.status().peers == 1


def test_a_host_that_is_unplugged_reaches_nobody_until_it_is_plugged_in_again():
    with Hosts(2) as net:
        first, second = net.hosts
        with first.unplugged(), pytest.raises(ProgramError, match=r"timed out|unreachable|No route"):
            run(second.command([sys.executable, "-c", KNOCK, first.address]))
        assert transfer(first, second) < 10


def knock(sender, receiver):
    """Whether one reaches the other: refused is an answer too."""
    try:
        run(sender.command([sys.executable, "-c", KNOCK, receiver.address]))
    except ProgramError as error:
        return "ECONNREFUSED" in str(error) or "refused" in str(error)
    return True


def test_hosts_that_are_parted_from_others_reach_each_other_only_until_it_ends():
    with Hosts(4) as net:
        first, second, third, fourth = net.hosts
        with net.parted([first, second]):
            assert knock(first, second)
            assert knock(third, fourth)
            assert not knock(first, third)
        assert knock(first, third)
        assert knock(fourth, second)


def test_zones_share_a_link_that_is_slower_than_those_within():
    links = [Link(400, 0), Link(400, 0), Link(400, 1)]
    with Hosts.of(links, between_zones=16) as net:
        near, here, far = net.hosts
        assert transfer(near, here) < 0.8
        assert transfer(near, far) > 0.8
    with Hosts.of(links) as net:
        assert transfer(net.hosts[0], net.hosts[2]) < 0.8


def test_a_link_can_be_made_slower():
    with Hosts(2, rate_mbit=1000) as net:
        first, second = net.hosts
        first.shape(16)
        assert 0.7 < transfer(first, second) * 16 / (SIZE * 8 / 1e6) < 3
