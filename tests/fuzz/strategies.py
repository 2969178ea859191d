"""Inputs that come further than random bytes: seeds with a few changes, as hypothesis draws them."""

from random import Random

from hypothesis import strategies as st

from tests.fuzz.target import Target

TELLING = (
    *(b"", b"\0", b"\n", b" ", b'"', b"\\", b"/", b":", b",", b"=", b"-1", b"%00", b"..", b"\xff", b"\xed\xa0\x80"),
    *(b"99999999999999999999", b"1e999", b"NaN", b"null", b"true", b"[" * 200, b'"\\ud800"', "\u0660\u2028".encode()),
)
"""What has confused parsers before: ends, separators, numbers too large, surrogates, deep nesting, digits that are not ASCII."""

_pieces = st.sampled_from(TELLING) | st.binary(max_size=8)


@st.composite
def _changed(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = start + draw(st.integers(0, 8) | st.integers(0, len(data)))
        other = draw(st.sampled_from(seeds))
        inserted = draw(_pieces | st.just(data[start:stop] * 2) | st.just(other[start:stop]))
        data = data[:start] + inserted + data[stop:]
    return data


def inputs_of(target: Target) -> st.SearchStrategy[bytes]:
    """Return random bytes and, more often, seeds of target that were changed in a few places."""
    kinds = [_changed(target.seeds), _changed(target.seeds), st.binary(max_size=100)]
    if target.shape is not None:
        kinds += [st.builds(target.shape, st.sampled_from(target.seeds), st.integers(0, 1 << 64).map(Random))] * 3
    return st.one_of(kinds).map(lambda data: data[: target.max_length])
