import ctypes
import hashlib
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.store import states
from p2player.store.states import START, STATE_BYTES, lead_on, states_of_file, usable

ROUND_CONSTANTS = (
    "428a2f9871374491b5c0fbcfe9b5dba53956c25b59f111f1923f82a4ab1c5ed5d807aa9812835b01243185be550c7dc3"
    "72be5d7480deb1fe9bdc06a7c19bf174e49b69c1efbe47860fc19dc6240ca1cc2de92c6f4a7484aa5cb0a9dc76f988da"
    "983e5152a831c66db00327c8bf597fc7c6e00bf3d5a7914706ca63511429296727b70a852e1b21384d2c6dfc53380d13"
    "650a7354766a0abb81c2c92e92722c85a2bfe8a1a81a664bc24b8b70c76c51a3d192e819d6990624f40e3585106aa070"
    "19a4c1161e376c082748774c34b0bcb5391c0cb34ed8aa4a5b9cca4f682e6ff3748f82ee78a5636f84c878148cc70208"
    "90befffaa4506cebbef9a3f7c67178f2"
)
K = struct.unpack(">64I", bytes.fromhex(ROUND_CONSTANTS))


def rotate(word, by):
    return (word >> by | word << 32 - by) & 0xFFFFFFFF


def compress(state, block):
    """The compression function, word by word as FIPS 180-4, section 6.2.2 has it."""
    w = list(struct.unpack(">16I", block))
    for t in range(16, 64):
        s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3
        s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10
        w.append((w[t - 16] + s0 + w[t - 7] + s1) & 0xFFFFFFFF)
    before = struct.unpack(">8I", state)
    a, b, c, d, e, f, g, h = before
    for t in range(64):
        s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
        t1 = h + s1 + (e & f ^ ~e & g) + K[t] + w[t]
        t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = (t1 + t2) & 0xFFFFFFFF, a, b, c, (d + t1) & 0xFFFFFFFF, e, f, g
    return struct.pack(">8I", *((x + y) & 0xFFFFFFFF for x, y in zip(before, (a, b, c, d, e, f, g, h), strict=True)))


def slow_states(message, length):
    state, found = START, b""
    for at in range(0, len(message), 64):
        if at % length == 0:
            found += state
        if len(block := message[at : at + 64]) == 64:
            state = compress(state, block)
    return found


@pytest.fixture(params=[0, 1, 63, 64, 65, 128, 300, 640])
def message(request):
    return random.Random(request.param).randbytes(request.param)


def test_states_are_those_of_the_standard(tmp_path, message):
    (tmp_path / "file").write_bytes(message)
    for length in (64, 128):
        assert states_of_file(tmp_path / "file", length) == (
            slow_states(message, length),
            hashlib.sha256(message).digest(),
        )


def test_a_message_begins_at_the_same_state_whatever_it_is(tmp_path):
    (tmp_path / "file").write_bytes(b"anything")
    assert states_of_file(tmp_path / "file", 64)[0] == START


@given(st.binary(max_size=1000), st.integers(0, 15))
def test_from_any_state_on_the_rest_leads_to_the_digest(message, blocks):
    cut = min(blocks * 64, len(message) // 64 * 64)
    state = lead_on(START, 0, message[:cut], is_end=False)
    assert lead_on(state, cut, message[cut:], is_end=True) == hashlib.sha256(message).digest()


def test_another_state_other_bytes_or_another_length_lead_elsewhere():
    message = bytes(200)
    state = lead_on(START, 0, message[:128], is_end=False)
    right = hashlib.sha256(message).digest()
    assert lead_on(START, 128, message[128:], is_end=True) != right
    assert lead_on(state, 128, bytes(71) + b"x", is_end=True) != right
    assert lead_on(state, 64, message[128:], is_end=True) != right


def test_lengths_of_more_than_half_a_gibibyte_are_counted_on():
    # In bits these need the second word of the counter.
    size = (1 << 29) + 64
    hasher, state, done = hashlib.sha256(), START, 0
    chunk = bytes(1 << 20)
    for _ in range(size >> 20):
        hasher.update(chunk)
        state = lead_on(state, done, chunk, is_end=False)
        done += len(chunk)
    hasher.update(bytes(64))
    assert lead_on(state, done, bytes(64), is_end=True) == hasher.digest()


@pytest.fixture
def fresh():
    states._library.cache_clear()
    yield
    states._library.cache_clear()


@pytest.mark.usefixtures("fresh")
def test_where_there_is_no_libcrypto_there_are_no_states(monkeypatch):
    monkeypatch.setattr(states, "_candidates", lambda: iter(["libnothing.so.0", ctypes.util.find_library("c")]))
    assert not usable()
    with pytest.raises(RuntimeError):
        lead_on(START, 0, b"", is_end=True)


@pytest.mark.usefixtures("fresh")
def test_a_libcrypto_that_hashes_otherwise_is_not_used(monkeypatch):
    monkeypatch.setattr(states, "START", bytes(STATE_BYTES))
    monkeypatch.setattr(states._Hash.__init__, "__defaults__", (bytes(STATE_BYTES), 0))
    assert not usable()


def test_here_they_can_be_had():
    assert usable()
