import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidConfig
from p2player.runtime.setup.marks import appended, block, insertions, lines, parse_toml, table_of, without_blocks

texts = st.text(st.sampled_from('ab [."]=\n\r#é')).filter(lambda text: "# p2player" not in text)


@given(texts, texts)
def test_a_block_between_lines_goes_without_a_trace(before, after):
    before = appended(before, "")
    assert without_blocks(before + block("x = 1\n") + after) == before + after


@given(st.text(st.sampled_from('ab ="#é\r'), min_size=1), st.sampled_from(["", "\n"]))
def test_a_line_that_was_replaced_comes_back(old, end):
    text = block("x = 1\n", old + end)
    assert "x = 1\n" in text
    assert without_blocks(text) == f"{old}\n"


def test_a_part_whose_end_was_taken_out_takes_no_line_of_others_with_it():
    open_part = block("x = 1\n").replace("# p2player: end\n", "")
    text = f"{open_part}mine = 2\n"
    assert without_blocks(text + block("y = 3\n")) == text


@given(texts)
def test_lines_are_all_of_a_text(text):
    assert "".join(lines(text)) == text


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("[host]\n", ("host",)),
        ("  [host.'http://x:1'] # first", ("host", "http://x:1")),
        ('[plugins."io.containerd.grpc.v1.cri".registry]\r\n', ("plugins", "io.containerd.grpc.v1.cri", "registry")),
        ("[ a . b ]", ("a", "b")),
        ("a = 1", None),
        ('["a", "b"],', None),
        ("[broken", None),
        ("# [host]", None),
    ],
)
def test_a_table_is_known_by_its_line(line, keys):
    assert table_of(line) == keys


def test_a_part_may_come_before_each_table_and_at_the_end():
    assert list(insertions("a = 1\n[b]\n[c]", "#\n")) == [
        "a = 1\n#\n[b]\n[c]",
        "a = 1\n[b]\n#\n[c]",
        "a = 1\n[b]\n[c]\n#\n",
    ]


def test_what_is_broken_is_told_with_its_line():
    with pytest.raises(InvalidConfig, match=r"^/etc/x.toml is not TOML: .*line 2"):
        parse_toml("a = 1\nb =\n", "/etc/x.toml")
