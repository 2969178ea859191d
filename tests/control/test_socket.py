from pathlib import Path

import pytest

from p2player.control.socket import MAX_PATH, control_socket
from p2player.errors import InvalidConfig


def directory_with_socket_path_of(length):
    return Path("/" + "d" * (length - len("//control.sock")))


def test_the_longest_path_linux_allows_is_fine():
    assert len(str(control_socket(directory_with_socket_path_of(MAX_PATH)))) == MAX_PATH


def test_a_longer_path_is_refused_with_both_lengths():
    with pytest.raises(InvalidConfig, match=r"108 bytes.* 107") as refused:
        control_socket(directory_with_socket_path_of(MAX_PATH + 1))
    assert "shorter" in refused.value.hint


def test_bytes_count_not_characters():
    with pytest.raises(InvalidConfig):
        control_socket(Path("/" + "ü" * 60))
