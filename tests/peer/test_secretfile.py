import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidConfig
from p2player.peer.secret import ClusterSecret
from p2player.peer.secretfile import (
    OVERLAP,
    DatedSecret,
    accepted_at,
    parse_secrets,
    read_secrets,
    without_those_over,
)

ONE, TWO, THREE = (ClusterSecret(f"{name}-secret-of-the-test".encode()) for name in ("one", "two", "three"))
BEGINS = 1_796_083_200  # 2026-12-01T00:00:00Z

secrets = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=16, max_size=60).filter(
    lambda text: not text.startswith("#")
)
files = st.dictionaries(st.integers(0, 253_402_300_799), secrets, min_size=1, max_size=5).filter(
    lambda by_time: len(set(by_time.values())) == len(by_time)
)


def parse(text):
    return parse_secrets(text.encode() if isinstance(text, str) else text, "FILE")


@given(files)
def test_secrets_read_back_from_how_they_are_written(by_time):
    dated = tuple(DatedSecret(ClusterSecret(by_time[begins].encode()), begins) for begins in sorted(by_time))
    assert parse("\n".join(map(str, reversed(dated)))) == dated


@given(st.binary(max_size=200) | st.text(st.sampled_from("aZ0+/= #\t\r\nfrom2026-:TZ"), max_size=200).map(str.encode))
def test_any_bytes_are_secrets_or_an_invalid_config_with_the_next_step(raw):
    found, refused = (), None
    try:
        found = parse_secrets(raw, "FILE")
    except InvalidConfig as error:
        refused = error
    assert bool(found) != (refused is not None and "FILE" in refused.message and bool(refused.hint))
    assert all(len(dated.secret.raw) >= 16 for dated in found)
    assert len({dated.begins for dated in found}) == len(found)


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_comments_blank_lines_white_space_and_either_line_ending_are_fine(ending):
    lines = ["# of the lab", "", " \tone-secret-of-the-test ", "two-secret-of-the-test  from 2026-12-01T00:00:00Z"]
    text = (ending or "\n").join(lines) + ending
    assert parse(text) == (DatedSecret(ONE), DatedSecret(TWO, BEGINS))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("fifteen.letters", "15 characters; at least 16"),
        ("a secret of many bytes", "not one secret"),
        ("two-secret-of-the-test until 2026-12-01T00:00:00Z", "not one secret"),
        ("two-secret-of-the-test from", "not one secret"),
        ("two-secret-of-the-tést", "printable ASCII"),
        ("two-secret-of-the-test\0", "printable ASCII"),
        ("two-secret-of-the-test\x1c", "printable ASCII"),
        ("two-secret-of-the-test\xa0", "printable ASCII"),
        ("two-secret-of-the-test from 2026-12-01", "not a time in UTC"),
        ("two-secret-of-the-test from 2026-12-01T00:00:00+00:00", "not a time in UTC"),
        ("two-secret-of-the-test from 2026-02-30T00:00:00Z", "not a time in UTC"),
        ("two-secret-of-the-test from 0000-02-30T00:00:00Z", "not a time in UTC"),
        ("two-secret-of-the-test from ٢٠٢٦-12-01T00:00:00Z", "not a time in UTC"),
        ("two-secret-of-the-test from 1960-12-01T00:00:00Z", "not a time in UTC"),
        ("two-secret-of-the-test", "same time"),
        ("one-secret-of-the-test from 2026-12-01T00:00:00Z", "twice"),
    ],
)
def test_a_wrong_line_is_named_with_its_file_and_without_its_secret(line, message):
    with pytest.raises(InvalidConfig, match=rf"FILE, line 2: .*{message}") as refused:
        parse(f"one-secret-of-the-test\n{line}\n")
    assert refused.value.hint
    assert "two-secret" not in refused.value.message


@pytest.mark.parametrize("content", ["", "\n \n", "# only a comment\n"])
def test_a_file_without_a_secret_is_refused_with_a_way_to_make_one(content):
    with pytest.raises(InvalidConfig, match="no secret in FILE") as refused:
        parse(content)
    assert "p2player secret new" in refused.value.hint


def test_a_file_that_is_something_else_is_refused():
    with pytest.raises(InvalidConfig, match="too long"):
        parse("a" * 100_000)


def test_a_file_that_is_not_there_or_not_a_file_is_named(tmp_path):
    with pytest.raises(InvalidConfig, match=r"no secret file .*absent"):
        read_secrets(tmp_path / "absent")
    with pytest.raises(InvalidConfig, match="cannot read"):
        read_secrets(tmp_path)


def test_a_new_secret_is_accepted_before_it_begins_and_the_old_one_for_a_day_after():
    found = (DatedSecret(ONE), DatedSecret(TWO, BEGINS))
    assert accepted_at(found, BEGINS - 1) == (ONE, TWO)
    assert accepted_at(found, BEGINS) == (TWO, ONE)
    assert accepted_at(found, BEGINS + OVERLAP - 1) == (TWO, ONE)
    assert accepted_at(found, BEGINS + OVERLAP) == (TWO,)


def test_each_secret_is_given_up_a_day_after_its_own_successor_began():
    hour = 3600
    found = (DatedSecret(ONE), DatedSecret(TWO, BEGINS), DatedSecret(THREE, BEGINS + hour))
    assert accepted_at(found, BEGINS + hour) == (THREE, TWO, ONE)
    assert accepted_at(found, BEGINS + OVERLAP) == (THREE, TWO)
    assert accepted_at(found, BEGINS + OVERLAP + hour) == (THREE,)


def test_a_clock_before_all_secrets_takes_the_first():
    assert accepted_at((DatedSecret(ONE, BEGINS), DatedSecret(TWO, BEGINS + 9)), 0.0) == (ONE, TWO)


def test_lines_of_secrets_that_are_over_go_and_all_others_stay_as_they_are():
    raw = b"# of the lab\r\n one-secret-of-the-test\r\n\ntwo-secret-of-the-test\tfrom 2026-12-01T00:00:00Z"
    found = parse(raw)
    assert without_those_over(raw, found, BEGINS + OVERLAP - 1) == raw
    assert without_those_over(raw, found, BEGINS + OVERLAP) == raw.replace(b" one-secret-of-the-test\r\n", b"")
