import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidConfig
from p2player.runtime.setup.hosts import drop_in, mirrored
from p2player.runtime.setup.marks import without_blocks
from p2player.runtime.setup.target import Target

TARGET = Target("127.0.0.1:5050")
PATH = "/etc/containerd/certs.d/a/hosts.toml"

comments = st.sampled_from(["", "# mine\n", "\n", "# [host]\n"])
tops = st.sampled_from(
    [
        "",
        'server = "https://a"\n',
        "server = '''\n[host]\n'''\n",
        'client = [\n  ["a", "b"],\n  ["c", "d"]\n]\n',
        "ca = [\n'x'\n]\n",
    ]
)
tables = st.lists(
    st.sampled_from(
        [
            "[header]\nx = 'y'\n",
            '[host."https://b"]\n',
            "[host.'c']\ncapabilities = ['pull']\n",
            "[host.d.header]\nx = ['1']\n",
        ]
    ),
    unique=True,
)


@given(comments, tops, comments, tables)
def test_our_mirror_comes_first_whatever_else_is_there_and_goes_without_a_trace(comment, top, other, parts):
    text = comment + top + other + other.join(parts)
    before = tomllib.loads(text)
    result = mirrored(text, PATH, TARGET)
    after = tomllib.loads(result)
    assert next(iter(after["host"])) == TARGET.url
    del after["host"][TARGET.url]
    assert {**after, "host": after["host"]} == {**before, "host": before.get("host", {})}
    assert without_blocks(result) == text
    assert mirrored(result, PATH, TARGET) == result


@pytest.mark.parametrize("text", ["host = {}\n", 'host."https://b".capabilities = ["pull"]\n'])
def test_what_cannot_be_added_to_is_left_to_the_user(text):
    with pytest.raises(InvalidConfig, match="cannot be added to safely") as caught:
        mirrored(text, PATH, TARGET)
    assert TARGET.url in caught.value.hint


def test_a_mirror_the_user_put_first_by_hand_is_left_as_it_is():
    text = f'[host."{TARGET.url}"]\n'
    assert mirrored(text, PATH, TARGET) == text


def test_what_the_user_adds_before_ours_goes_behind_it():
    text = mirrored('[host."https://b"]\n', PATH, TARGET)
    moved = mirrored('[host."https://z"]\n' + text, PATH, TARGET)
    assert list(tomllib.loads(moved)["host"]) == [TARGET.url, "https://z", "https://b"]


def test_a_drop_in_keeps_what_others_put_around_ours():
    text = "# above\n" + drop_in(None, "a = 1\n") + "# below\n"
    assert drop_in(text, "a = 1\n") == text
    assert without_blocks(drop_in(text, "a = 2\n")) == "# above\n# below\n"
