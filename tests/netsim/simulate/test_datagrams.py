import pytest

from netsim.simulate.datagrams import size_of
from p2player.dht.wire import Address, Codec, FindName, FindProviders, ListNames, Message, Neighbour, Reply, Store
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret
from tests.dht.messages import BODIES, HERE, KEY

NEIGHBOURS = tuple(Neighbour(bytes([number]) * 20, Address("10.0.0.9", 7400)) for number in range(17))


@pytest.mark.parametrize(
    "body",
    [
        *BODIES,
        FindProviders(KEY, 1 << 31, 200),
        FindProviders(KEY, 1 << 15),
        ListNames(KEY, "n" * 40),
        FindName(KEY, "n" * 280),
        Store(bytes(200)),
        Store(bytes(300)),
        Reply(HERE),
        Reply(HERE, NEIGHBOURS, (bytes(250), bytes(260)), 256),
    ],
)
def test_a_datagram_that_is_not_packed_is_as_long_as_one_that_is(body):
    message = Message(bytes(8), bytes(32), 1_800_000_000_000, body)

    assert size_of(message) == len(Codec(Keyring.of(ClusterSecret(b"sixteen bytes or more"))).encode(message))
