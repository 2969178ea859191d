import pytest

from netsim.simulate.datagrams import size_of
from p2player.dht.wire import (
    Address,
    Codec,
    FindName,
    FindNodes,
    FindProviders,
    ListNames,
    Message,
    Neighbour,
    Ping,
    Reply,
    Store,
    WrongTime,
)
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret

KEY = bytes(range(20))
SEEN = Address("10.0.0.1", 7400)
NEIGHBOURS = tuple(Neighbour(bytes([number]) * 20, Address("10.0.0.9", 7400)) for number in range(17))


@pytest.mark.parametrize(
    "body",
    [
        Ping(),
        FindNodes(KEY),
        FindProviders(KEY, 0),
        FindProviders(KEY, 1 << 31, 200),
        FindProviders(KEY, 1 << 15),
        FindName(KEY, "latest"),
        ListNames(KEY, ""),
        ListNames(KEY, "n" * 40),
        FindName(KEY, "n" * 280),
        Store(bytes(200)),
        Store(bytes(300)),
        Reply(SEEN),
        Reply(SEEN, NEIGHBOURS, (bytes(250), bytes(260)), 256),
        WrongTime(SEEN),
    ],
)
def test_a_datagram_that_is_not_packed_is_as_long_as_one_that_is(body):
    message = Message(bytes(8), bytes(32), 1_800_000_000_000, body)

    assert size_of(message) == len(Codec(Keyring.of(ClusterSecret(b"sixteen bytes or more"))).encode(message))
