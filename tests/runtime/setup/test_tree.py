import pytest

from p2player.errors import InvalidConfig, StorageError
from p2player.runtime.setup.tree import Changed, DiskTree, MemoryTree, read_text

FILES = {"/etc/a/x": b"1", "/etc/a/b/y": b"2"}


@pytest.fixture(params=["memory", "disk"])
def tree(request, tmp_path):
    if request.param == "memory":
        return MemoryTree(FILES)
    for path, data in FILES.items():
        (tmp_path / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path[1:]).write_bytes(data)
    return DiskTree(tmp_path)


def test_files_are_read_by_their_absolute_paths(tree):
    assert tree.read("/etc/a/x") == b"1"
    assert tree.read("/etc/a/none") is None
    assert tree.read("/etc/a/x/none") is None


def test_a_directory_is_listed_and_what_is_none_is_not(tree):
    assert tree.names("/etc/a") == ["b", "x"]
    assert tree.names("/etc/none") is None
    assert tree.names("/etc/a/x") is None


def test_a_change_shows_without_being_made(tree):
    changed = Changed(tree, {"/etc/a/x": b"9", "/etc/a/b/y": None})
    assert changed.read("/etc/a/x") == b"9"
    assert changed.read("/etc/a/b/y") is None
    assert changed.names("/etc/a/b") is None
    assert changed.names("/etc/a") == ["b", "x"]
    assert tree.read("/etc/a/b/y") == b"2"


def test_what_cannot_be_read_is_told(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(StorageError, match="cannot read /x"):
        DiskTree(tmp_path).read("/x")


def test_text_keeps_its_ends_of_lines_and_is_utf_8():
    assert read_text(MemoryTree({"/x": b"a\r\nb"}), "/x") == "a\r\nb"
    assert read_text(MemoryTree({}), "/x") is None
    with pytest.raises(InvalidConfig, match="/x, line 2: not UTF-8"):
        read_text(MemoryTree({"/x": b"a\n\xff"}), "/x")
