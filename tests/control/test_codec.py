import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player import errors
from p2player.control.codec import error_from_json, error_to_json, from_json, to_json
from p2player.control.messages import event_from_json
from p2player.errors import BadInput, DiskFull, P2PlayerError
from p2player.oci.digest import Digest
from p2player.oci.platform import Platform
from p2player.oci.reference import Reference
from p2player.peer.identity import NodeId

digests = st.binary().map(Digest.of)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=10,
)


@dataclass(frozen=True)
class Inner:
    digest: Digest
    size: int


@dataclass(frozen=True)
class Outer:
    inner: Inner
    many: tuple[Inner, ...]
    pairs: tuple[tuple[str, int], ...]
    maybe: Digest | None
    state: Literal["up", "down"]
    raw: bytes
    counts: Mapping[str, int]
    seconds: float
    good: bool
    node: NodeId


inners = st.builds(Inner, digests, st.integers())
outers = st.builds(
    Outer,
    inners,
    st.lists(inners).map(tuple),
    st.lists(st.tuples(st.text(), st.integers())).map(tuple),
    st.none() | digests,
    st.sampled_from(["up", "down"]),
    st.binary(),
    st.dictionaries(st.text(), st.integers()),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.binary(min_size=20, max_size=20).map(NodeId),
)


@given(outers)
def test_every_message_comes_back_from_its_json_text(message):
    assert from_json(Outer, json.loads(json.dumps(to_json(message)))) == message


@given(json_values)
def test_any_json_is_a_message_or_bad_input(value):
    with contextlib.suppress(BadInput):
        assert isinstance(from_json(Outer, value), Outer)


@given(outers, st.sampled_from(sorted(Outer.__dataclass_fields__)), json_values)
def test_a_message_with_one_member_replaced_is_a_message_or_bad_input(message, member, value):
    with contextlib.suppress(BadInput):
        assert isinstance(from_json(Outer, to_json(message) | {member: value}), Outer)


@pytest.mark.parametrize(
    "name", [Platform("linux", "arm", "v7"), Reference.parse("alpine:3"), Digest.of(b""), NodeId(bytes(20))]
)
def test_names_are_written_as_people_write_them(name):
    assert to_json(name) == str(name)
    assert from_json(type(name), str(name)) == name


def test_what_has_no_json_form_is_a_bug():
    with pytest.raises(TypeError):
        to_json(object())


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type)])
def test_every_error_comes_back_as_itself(kind):
    if not issubclass(kind, P2PlayerError):
        pytest.skip("not an error")
    again = error_from_json(error_to_json(kind("what", hint="do")))
    assert (type(again), again.message, again.hint) == (kind, "what", "do")


def test_an_error_of_another_version_is_a_plain_one():
    again = error_from_json({"error": "FromTheFuture", "message": "what"})
    assert type(again) is P2PlayerError
    assert not isinstance(again, DiskFull)


@given(st.dictionaries(st.sampled_from(["error", "message", "hint"]), json_values))
def test_an_error_that_lacks_anything_or_has_it_of_another_type_is_bad_input(members):
    if not all(isinstance(members.get(name), str) for name in ("error", "message")):
        with pytest.raises(BadInput):
            error_from_json(members)


@given(json_values)
def test_an_event_of_no_known_name_is_bad_input(name):
    with pytest.raises(BadInput):
        event_from_json({"event": name})
