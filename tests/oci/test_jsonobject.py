import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidArchive, InvalidManifest
from p2player.oci.jsonobject import JsonObject, parse_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def parse(value):
    return JsonObject.parse(json.dumps(value).encode(), "config", InvalidArchive)


@given(json_values)
def test_members_have_the_type_asked_for_or_are_refused(value):
    try:
        members = parse({"a": value})
        answers = [members.text_or("a"), members.texts("b"), members.text_pairs("c"), members.integer("a")]
    except InvalidArchive:
        return
    assert [type(answer) for answer in answers] == [str, tuple, tuple, int]


@given(st.binary())
def test_any_bytes_parse_or_are_refused(raw):
    with suppress(InvalidManifest):
        parse_json(raw, "config", InvalidManifest)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff",
        '{"a":1}'.encode("utf-16"),
        b"[" * 100_000,
        b'{"a":"\\ud800"}',
        b"1" * 5000,
    ],
)
def test_what_cannot_be_read_or_stored_as_text_is_refused(raw):
    with pytest.raises(InvalidManifest):
        parse_json(raw, "config", InvalidManifest)


def test_null_and_absent_are_the_same():
    members = parse({"a": None})

    assert "a" not in members
    assert members.text_or("a", "x") == members.text_or("b", "x") == "x"
    assert members.texts("a") == members.texts("b") == ()
    assert list(members.objects("a")) == []


@pytest.mark.parametrize("number", [True, 1.0, "1", None])
def test_only_whole_numbers_are_integers(number):
    with pytest.raises(InvalidArchive, match="config: a"):
        parse({"a": number}).integer("a")


def test_errors_name_the_place_inside():
    members = parse({"layers": [{"digest": "x"}, {}]})

    with pytest.raises(InvalidArchive, match=r"config: layers\[1\]: digest is missing"):
        [layer.text("digest") for layer in members.objects("layers")]


def test_arrays_and_maps_of_other_things_than_text_are_refused():
    members = parse({"a": ["x", 1], "b": {"x": 1}})

    with pytest.raises(InvalidArchive):
        members.texts("a")
    with pytest.raises(InvalidArchive):
        members.text_pairs("b")
