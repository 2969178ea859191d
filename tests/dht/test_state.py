import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.dht.packing import pack
from p2player.dht.state import State, _parse
from p2player.dht.wire import Address


def test_saved_state_comes_back(tmp_path):
    path = tmp_path / "dht"
    state = State((Address("10.0.0.1", 7400), Address("::1", 7401)), (b"record", b"another"))
    state.save(path)
    assert State.load(path) == state
    assert [file.name for file in tmp_path.iterdir()] == ["dht"]


def test_no_file_is_an_empty_state(tmp_path):
    assert State.load(tmp_path / "absent") == State()


@pytest.mark.parametrize(
    "content",
    [b"", b"\xc1", pack([]), pack([[], []]) + b"x", pack([[["host"]], []]), pack([[["h", 0]], []]), pack([[], [1]])],
)
def test_damaged_file_is_an_empty_state(tmp_path, content):
    path = tmp_path / "dht"
    path.write_bytes(content)
    assert State.load(path) == State()


values = st.recursive(st.none() | st.integers() | st.binary() | st.text(), lambda inner: st.lists(inner, max_size=3))


@given(values)
def test_any_value_is_a_state_or_refused(value):
    try:
        state = _parse(value)
    except ValueError:
        return
    assert isinstance(state, State)
