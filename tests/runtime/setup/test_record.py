import pytest

from p2player.errors import InvalidConfig
from p2player.runtime.setup.access import Access
from p2player.runtime.setup.record import Record, record_path
from p2player.runtime.setup.tree import MemoryTree


def test_a_record_is_read_as_it_was_written():
    record = Record(
        "127.0.0.1:5050", {"/etc/x": "ab"}, ("/etc/y",), ("a.example",), ("tls", "token"), Access("/token", "", "/cert")
    )
    assert Record.of(MemoryTree({record_path("docker"): record.to_bytes()}), "docker") == record


def test_no_record_means_nothing_was_set_up():
    assert Record.of(MemoryTree({}), "docker") is None


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"endpoint": 1}', b'{"endpoint": "a", "files": {"x": 1}}'])
def test_a_damaged_record_is_told_by_its_place(raw):
    with pytest.raises(InvalidConfig, match=r"docker\.json"):
        Record.of(MemoryTree({record_path("docker"): raw}), "docker")


def test_the_record_of_an_earlier_version_knows_of_no_token():
    raw = b'{"endpoint": "127.0.0.1:5050", "files": {}, "directories": [], "registries": []}'
    record = Record.of(MemoryTree({record_path("docker"): raw}), "docker")
    assert (record.asks, record.access, record.url) == ((), Access(), "http://127.0.0.1:5050")
