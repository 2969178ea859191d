from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.dht.packing import pack, unpack
from p2player.dht.records import (
    MAX_LIFETIME_MS,
    MAX_RECORD,
    NameRecord,
    NodeAddress,
    Provider,
    RecordError,
    key_of_digest,
    key_of_scope,
    unpack_record,
)
from p2player.oci.digest import Digest
from p2player.peer.identity import Identity

SIGNER = Identity.from_seed(bytes(32))
EPOCH = 1_800_000_000_000
RECORD = Provider.make(
    SIGNER,
    digest=Digest.of(b"layer"),
    size=1,
    root=b"",
    address=NodeAddress("10.0.0.1", 1, 2),
    complete=True,
    issued=EPOCH,
    expires=EPOCH + 1,
)
times = st.integers(0, 2**50)
ports = st.integers(1, 65535)
digests = st.builds(Digest.of, st.binary(max_size=8), st.sampled_from(["sha256", "sha384", "sha512"]))
addresses = st.builds(NodeAddress, st.ip_addresses().map(str), ports, ports)
texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=128)


@given(
    digests, st.integers(0, 2**60), st.sampled_from([b"", b"r" * 32]), addresses, times, st.tuples(*[st.booleans()] * 3)
)
def test_provider_record_comes_back_from_its_packed_form(digest, size, root, address, issued, flags):
    complete, withdrawn, private = flags
    record = Provider.make(
        SIGNER,
        digest=digest,
        size=size,
        root=root,
        address=address,
        complete=complete,
        issued=issued,
        expires=issued + 1000,
        withdrawn=withdrawn,
        private=private,
    )
    assert Provider.unpack(record.pack()) == record
    assert record.node_id == SIGNER.node_id
    assert record.private is private
    assert len(record.pack()) <= MAX_RECORD


@given(texts, texts, digests, texts, st.integers(0, 2**60), times, st.booleans(), st.booleans())
def test_name_record_comes_back_from_its_packed_form(scope, name, digest, media_type, size, issued, withdrawn, seen):
    record = NameRecord.make(
        SIGNER,
        scope=scope,
        name=name,
        digest=digest,
        media_type=media_type,
        size=size,
        issued=issued,
        withdrawn=withdrawn,
        upstream=seen,
    )
    assert NameRecord.unpack(record.pack()) == record
    assert record.upstream is seen


def test_node_that_fetches_upstream_says_so_without_root_or_size(provider):
    record = provider(size=0, root=b"", complete=False)
    assert Provider.unpack(record.pack()) == record


def test_longest_name_record_fits_a_datagram(named):
    longest = named(
        scope="s" * 300, name="n" * 200, media_type="m" * 128, digest=Digest.of(b"", "sha512"), size=2**62 - 1
    )
    assert NameRecord.unpack(longest.pack()) == longest


@given(st.binary(max_size=400))
def test_random_bytes_are_no_record(raw):
    with pytest.raises(RecordError):
        unpack_record(raw)


@given(st.data())
def test_any_changed_byte_is_noticed(data):
    raw = RECORD.pack()
    position = data.draw(st.integers(0, len(raw) - 1))
    changed = bytearray(raw)
    changed[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RecordError):
        unpack_record(bytes(changed))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**63) | st.binary(max_size=40) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=14) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(values, st.binary(min_size=64, max_size=64))
def test_well_formed_msgpack_of_the_wrong_shape_is_no_record(value, signature):
    with pytest.raises(RecordError):
        unpack_record(pack(value) + signature)


@given(st.data())
def test_record_with_one_field_of_any_other_value_is_refused(data):
    fields = unpack(RECORD.pack()[:-64])
    position = data.draw(st.integers(0, len(fields) - 1))
    value = data.draw(values.filter(lambda value: value != fields[position]))
    fields[position] = value
    with pytest.raises(RecordError):
        unpack_record(pack(fields) + RECORD.signature)


def test_second_spelling_of_the_same_record_is_refused(provider):
    raw = provider(size=5).pack()
    assert raw[0] == 0x9E
    respelled = b"\xdc\x00\x0e" + raw[1:]
    assert unpack(respelled[:-64]) == unpack(raw[:-64])
    with pytest.raises(RecordError, match="canonical"):
        unpack_record(respelled)


def test_record_signed_by_another_key_is_refused(provider):
    forged = replace(provider(node=1), public_key=provider(node=2).public_key)
    with pytest.raises(RecordError, match="signature"):
        Provider.unpack(forged.pack())


def test_kinds_of_record_are_not_taken_for_each_other(provider, named):
    with pytest.raises(RecordError):
        NameRecord.unpack(provider().pack())
    with pytest.raises(RecordError):
        Provider.unpack(named().pack())


@pytest.mark.parametrize("lifetime", [0, -1, MAX_LIFETIME_MS + 1])
def test_lifetime_must_be_positive_and_bounded(provider, lifetime):
    with pytest.raises(RecordError):
        Provider.unpack(provider(issued=EPOCH, expires=EPOCH + lifetime).pack())


@pytest.mark.parametrize("root", [b"r", b"r" * 31, b"r" * 33])
def test_root_is_absent_or_32_bytes(provider, root):
    with pytest.raises(RecordError):
        Provider.unpack(provider(root=root).pack())


@pytest.mark.parametrize("name", ["", "tab\t", "new\nline", "ünïcode", "x" * 201])
def test_names_are_short_printable_ascii(named, name):
    with pytest.raises(RecordError):
        NameRecord.unpack(named(name=name).pack())


@pytest.mark.parametrize("host", ["localhost", "10.0.0.01", "::0001", "", "10.0.0.1:7400"])
def test_address_is_a_canonical_ip_literal(host):
    with pytest.raises(ValueError):
        NodeAddress(host, 1, 1)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_address_has_real_ports(port):
    with pytest.raises(RecordError):
        NodeAddress("10.0.0.1", port, 1)
    with pytest.raises(RecordError):
        NodeAddress("10.0.0.1", 1, port)


def test_provider_is_alive_until_it_expires_or_is_withdrawn(provider, epoch):
    record = provider(expires=epoch + 100)
    assert record.alive(epoch + 99)
    assert not record.alive(epoch + 100)
    assert not replace(record, withdrawn=True).alive(epoch)


def test_greater_signature_ranks_records_of_the_same_time(named):
    one, two = named(node=1), named(node=2)
    assert (one.rank > two.rank) == (one.signature > two.signature)
    assert named(issued=2).rank > named(issued=1).rank


def test_keys_of_digests_and_scopes_do_not_meet():
    digest = Digest.of(b"layer")
    assert len(key_of_digest(digest)) == len(key_of_scope(str(digest))) == 20
    assert key_of_digest(digest) != key_of_scope(str(digest))


def test_record_presented_again_is_not_verified_again(provider):
    raw = provider(size=77).pack()
    assert unpack_record(raw) is unpack_record(bytes(raw))
