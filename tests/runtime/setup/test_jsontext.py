import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidConfig
from p2player.runtime.setup.jsontext import parse_object, with_first, without

KEY = "registry-mirrors"
VALUE = "http://127.0.0.1:5050"

scalars = st.none() | st.booleans() | st.integers() | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
mirrors = st.lists(st.text() | st.just(VALUE), max_size=4)
objects = st.dictionaries(st.text() | st.just("a"), values, max_size=4).flatmap(
    lambda members: st.just(members) | mirrors.map(lambda some: {**members, KEY: some})
)
forms = st.sampled_from([{}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}, {"ensure_ascii": False}])


@given(objects, forms, st.sampled_from(["", "\n", " \r\n"]))
def test_ours_comes_first_once_and_nothing_else_changes(members, form, space):
    text = space + json.dumps(members, **form) + space
    after = json.loads(with_first(text, KEY, VALUE))
    others = [each for each in members.get(KEY) or [] if each != VALUE]
    assert after == {**members, KEY: [VALUE, *others]}
    assert list(after)[-len(members) :] == list(members) or not members


@given(objects, forms)
def test_taking_it_out_leaves_every_other_byte(members, form):
    members = {key: value for key, value in members.items() if key != KEY}
    text = json.dumps(members, **form)
    back = without(with_first(text, KEY, VALUE), KEY, VALUE)
    assert json.loads(back) == members
    assert back == text or not members


@given(mirrors.filter(lambda some: some and VALUE not in some), forms)
def test_taking_it_out_leaves_the_other_mirrors(others, form):
    text = json.dumps({"debug": True, KEY: others, "x": 1}, **form)
    assert without(with_first(text, KEY, VALUE), KEY, VALUE) == text


def test_the_form_of_the_file_is_kept():
    text = '{\n    "debug" : true,\n    "registry-mirrors": [\n        "https://m"\n    ]\n}\n'
    assert with_first(text, KEY, VALUE) == text.replace('"https', f'"{VALUE}",\n        "https')


def test_no_file_becomes_one():
    assert with_first("", KEY, VALUE) == f'{{\n  "{KEY}": ["{VALUE}"]\n}}\n'


def test_null_counts_as_no_list():
    assert json.loads(with_first(f'{{"{KEY}": null}}', KEY, VALUE)) == {KEY: [VALUE]}


def test_what_is_not_there_cannot_be_taken_out():
    for text in ("{}", f'{{"{KEY}": []}}', f'{{"{KEY}": ["x"]}}'):
        assert without(text, KEY, VALUE) == text


@pytest.mark.parametrize("text", ['{\n  "a": 1,\n}', '{\n"a": 1 /* why */\n}', '{\n"a"'])
def test_what_is_broken_is_told_with_its_line(text):
    with pytest.raises(InvalidConfig, match=r"^/etc/x\.json, line [123]: not JSON"):
        parse_object(text, "/etc/x.json")


def test_what_is_no_object_is_refused():
    with pytest.raises(InvalidConfig, match="not a JSON object"):
        parse_object("[]", "/etc/x.json")
