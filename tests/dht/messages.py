"""A message of every kind, as small as it comes."""

from p2player.dht.wire import (
    Address,
    FindName,
    FindNodes,
    FindProviders,
    ListNames,
    Neighbour,
    Ping,
    Reply,
    Store,
    WrongTime,
)

KEY = bytes(range(20))
HERE = Address("10.0.0.1", 7400)

BODIES = (
    Ping(),
    FindNodes(KEY),
    FindProviders(KEY, 3, 0),
    FindName(KEY, "latest"),
    ListNames(KEY, ""),
    Store(b"record"),
    WrongTime(HERE),
    Reply(HERE, (Neighbour(KEY, HERE),), (b"record",), 3),
)
