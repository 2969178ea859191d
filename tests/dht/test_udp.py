import asyncio
import socket

import pytest

from p2player.dht.udp import _interface_addresses, host_seen_elsewhere, open_udp


class Mailbox(asyncio.DatagramProtocol):
    def __init__(self):
        self.received = asyncio.Queue()
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.received.put_nowait((data, addr))


@pytest.fixture
async def mailbox():
    boxes = []

    async def opened(host):
        box = Mailbox()
        boxes.append(box)
        return box, await open_udp(box, host, 0)

    yield opened
    for box in boxes:
        box.transport.close()


async def test_port_zero_picks_one_and_datagrams_go_both_ways(mailbox):
    (one, at_one), (two, at_two) = await mailbox("127.0.0.1"), await mailbox("127.0.0.1")
    assert at_one.port not in {0, at_two.port}
    one.transport.sendto(b"hello", at_two)
    assert await two.received.get() == (b"hello", at_one)
    two.transport.sendto(b"hello back", at_one)
    assert await one.received.get() == (b"hello back", at_two)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
async def test_socket_on_all_addresses_talks_to_ipv4_nodes_under_their_own_addresses(mailbox):
    try:
        both, at_both = await mailbox("::")
    except OSError:
        pytest.skip("no IPv6 here")
    four, at_four = await mailbox("127.0.0.1")
    four.transport.sendto(b"hello", ("127.0.0.1", at_both.port))
    assert await both.received.get() == (b"hello", at_four)
    both.transport.sendto(b"hello back", at_four)
    assert await four.received.get() == (b"hello back", ("127.0.0.1", at_both.port))


async def test_port_in_use_is_an_os_error(mailbox):
    _, address = await mailbox("127.0.0.1")
    with pytest.raises(OSError):
        await open_udp(Mailbox(), *address)


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])
def test_host_seen_elsewhere_is_an_address_one_can_dial(bound):
    host = host_seen_elsewhere(bound)
    assert host not in {"0.0.0.0", "::"}
    socket.getaddrinfo(host, 7400, flags=socket.AI_NUMERICHOST)


def test_interface_addresses_are_local_and_not_loopback():
    for address in _interface_addresses():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
        assert not address.startswith("127.")
