import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidConfig
from p2player.registry.tokens import MIN_TOKEN, TokenFile, parse_tokens

OLD, NEW = b"old-token-0123456789", b"new-token-0123456789"

tokens = st.lists(
    st.binary(min_size=MIN_TOKEN, max_size=40)
    .map(lambda raw: bytes(0x21 + each % 94 for each in raw))
    .filter(lambda token: not token.startswith(b"#")),
    min_size=1,
    max_size=5,
)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "tokens"
    path.write_bytes(OLD + b"\n")
    return path


@given(tokens, st.sampled_from([b"\n", b"\r\n"]))
def test_the_tokens_of_a_file_are_its_lines_but_comments_and_empty_ones(tokens, end):
    lines = [b"# ours", b"", *(b" " + token for token in tokens), b"\t"]
    assert parse_tokens(end.join(lines), "file") == tokens


@given(st.binary(max_size=80))
def test_any_file_has_good_tokens_or_is_refused(raw):
    try:
        found = parse_tokens(raw, "file")
    except InvalidConfig:
        return
    assert all(len(token) >= MIN_TOKEN and token.isascii() and b" " not in token for token in found)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no token"),
        (b"# none\n", "no token"),
        (OLD + b"\nshort\n", "line 2"),
        (b"a token with spaces in it\n", "line 1"),
        ("schlüssel-0123456789\n".encode(), "line 1"),
    ],
)
def test_what_is_no_token_is_refused_with_its_line_and_is_not_shown(raw, said):
    with pytest.raises(InvalidConfig, match=said) as refused:
        parse_tokens(raw, "file")
    assert "short" not in refused.value.message
    assert "openssl" in refused.value.hint


def test_a_missing_or_endless_file_is_refused(tmp_path, path):
    with pytest.raises(InvalidConfig, match="cannot read"):
        TokenFile(tmp_path / "none")
    path.write_bytes(b"#" * (2 << 20))
    with pytest.raises(InvalidConfig, match="too large"):
        TokenFile(path)


def test_only_what_is_in_the_file_is_good(path):
    file = TokenFile(path)
    assert file.accepts(OLD)
    for wrong in (b"", OLD[:-1], OLD + b"x", OLD.upper(), b"\xff"):
        assert not file.accepts(wrong)


def test_a_token_is_replaced_without_a_gap_and_without_a_restart(path):
    file = TokenFile(path)
    path.write_bytes(OLD + b"\n" + NEW + b"\n")
    assert file.accepts(OLD)
    assert file.accepts(NEW)
    path.write_bytes(NEW + b"\n")
    assert file.accepts(NEW)
    assert not file.accepts(OLD)


@pytest.mark.parametrize(
    "spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"x\n")]
)
def test_a_file_that_is_spoilt_changes_nothing_and_is_told_of_once(path, caplog, spoil):
    file = TokenFile(path)
    spoil(path)
    with caplog.at_level(logging.ERROR):
        assert file.accepts(OLD)
        assert not file.accepts(NEW)
    assert len(caplog.records) == 1
    path.write_bytes(NEW + b"\n")
    assert file.accepts(NEW)
    assert not file.accepts(OLD)
