from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.dht.packing import pack
from p2player.dht.records import MAX_RECORD
from p2player.dht.wire import (
    MAX_DATAGRAM,
    Address,
    Codec,
    DatagramError,
    FindName,
    FindNodes,
    FindProviders,
    ListNames,
    Message,
    Neighbour,
    Ping,
    Reply,
    Request,
    Store,
    WrongTime,
    neighbours_that_fit,
    records_that_fit,
)
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret
from tests.dht.messages import BODIES

CODEC = Codec(Keyring.of(ClusterSecret(b"of this cluster")))
OTHER = Codec(Keyring.of(ClusterSecret(b"of another cluster")))
keys = st.binary(min_size=20, max_size=20)
hosts = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6, network="2001:db8::/32").map(str)
addresses = st.builds(Address, hosts, st.integers(1, 65535))
neighbours = st.builds(Neighbour, keys, addresses)
records = st.binary(max_size=200)
requests = st.one_of(
    st.just(Ping()),
    st.builds(FindNodes, keys),
    st.builds(FindProviders, keys, st.integers(0, 2**32), st.integers(0, 300)),
    st.builds(FindName, keys, st.text(max_size=200)),
    st.builds(ListNames, keys, st.text(max_size=200)),
    st.builds(Store, st.binary(max_size=MAX_RECORD)),
)
replies = st.builds(
    Reply,
    addresses,
    st.lists(neighbours, max_size=8).map(tuple),
    st.lists(records, max_size=3).map(tuple),
    st.integers(0, 2**31),
)
messages = st.builds(
    Message,
    st.binary(min_size=8, max_size=8),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**53 - 1),
    st.one_of(requests, replies, st.builds(WrongTime, addresses)),
)


def sealed(plain: bytes) -> bytes:
    return CODEC._current.close(plain)


def opened(datagram: bytes) -> Message:
    message, _ = CODEC.decode(datagram)
    return message


def test_samples_are_of_every_kind():
    assert {type(body) for body in BODIES} == {*get_args(Request), Reply, WrongTime}


@given(messages)
def test_message_comes_back_from_its_datagram(message):
    datagram = CODEC.encode(message)
    assert opened(datagram) == message


@given(messages)
def test_datagram_of_another_cluster_is_not_opened(message):
    with pytest.raises(DatagramError, match="not_sealed_with_our_key"):
        OTHER.decode(CODEC.encode(message))


@given(st.binary(max_size=1500))
def test_random_bytes_are_refused(datagram):
    with pytest.raises(DatagramError):
        CODEC.decode(datagram)


@given(messages, st.data())
def test_any_changed_byte_is_noticed(message, data):
    datagram = bytearray(CODEC.encode(message))
    position = data.draw(st.integers(0, len(datagram) - 1))
    datagram[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DatagramError):
        CODEC.decode(bytes(datagram))


@given(st.binary(min_size=1, max_size=300))
def test_sealed_garbage_is_malformed(plain):
    with pytest.raises(DatagramError, match="malformed"):
        CODEC.decode(sealed(plain))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**63) | st.binary(max_size=40) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(
    st.binary(min_size=8, max_size=8),
    st.binary(min_size=32, max_size=32),
    st.integers(-1, 2**54),
    st.integers(0, 7),
    st.lists(values, max_size=5),
)
def test_sealed_message_of_any_shape_is_parsed_or_malformed(message_id, public_key, time_ms, kind, fields):
    datagram = sealed(pack([message_id, public_key, time_ms, kind, *fields]))
    try:
        message = opened(datagram)
    except DatagramError:
        return
    assert opened(CODEC.encode(message)) == message


@pytest.mark.parametrize("size", [MAX_DATAGRAM + 1, 9000])
def test_longer_datagram_than_we_send_is_refused_unopened(size):
    with pytest.raises(DatagramError, match="too_long"):
        CODEC.decode(b"\x02" * size)


@given(st.lists(st.integers(1, MAX_RECORD), max_size=10), st.lists(neighbours, max_size=30), st.integers(0, 2**32 - 1))
def test_filled_reply_fits_a_datagram(sizes, known, total):
    fitting = records_that_fit([bytes(size) for size in sizes])
    beside = neighbours_that_fit(known, fitting)
    reply = Reply(Address("2001:db8::1", 65535), beside, fitting, total)
    assert len(CODEC.encode(Message(bytes(8), bytes(32), 2**53 - 1, reply))) <= MAX_DATAGRAM
    assert bool(fitting) == bool(sizes)
    assert len(beside) >= min(len(known), 4)


def test_four_ordinary_provider_records_fit_one_reply(provider):
    assert len(records_that_fit([provider(node=n).pack() for n in range(9)])) == 4
