import os

import pytest

from p2player.errors import BadInput, InvalidConfig, StorageError
from p2player.peer import rotation
from p2player.peer.keyring import Keyring
from p2player.peer.secretfile import OVERLAP, accepted_at, read_secrets

NOW = 1_796_083_200.5  # 2026-12-01T00:00:00.5Z
HOUR = 3600


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "secret"
    rotation.create(path)
    return path


def accepted(path, now):
    return accepted_at(read_secrets(path)[0], now)


def test_a_new_secret_is_long_another_each_time_and_only_for_its_owner(file, tmp_path):
    rotation.create(tmp_path / "other")
    one, other = (Keyring.open(path).current for path in (file, tmp_path / "other"))
    assert one != other
    assert len(one.raw) >= 43
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(list(tmp_path.iterdir())) == 2


def test_a_secret_is_never_written_over(file, tmp_path):
    before = file.read_bytes()
    with pytest.raises(BadInput, match="already") as refused:
        rotation.create(file)
    assert "secret rotate" in refused.value.hint
    dangling = tmp_path / "link"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="already"):
        rotation.create(dangling)
    assert file.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_a_directory_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadInput, match="cannot write"):
        rotation.create(tmp_path / "none" / "secret")


def test_a_rotation_changes_the_secret_when_it_begins_and_ends_the_one_before_a_day_later(file):
    (old,) = accepted(file, NOW)
    entered = rotation.rotate(file, HOUR, NOW)
    assert (entered.begins, entered.previous_until) == (int(NOW) + HOUR, int(NOW) + HOUR + OVERLAP)
    _, new = accepted(file, entered.begins - 1)
    assert accepted(file, entered.begins - 1) == (old, new)
    assert accepted(file, entered.begins) == (new, old)
    assert accepted(file, entered.previous_until) == (new,)


def test_what_is_over_leaves_the_file_with_the_next_rotation(file):
    (first,) = accepted(file, NOW)
    rotation.rotate(file, HOUR, NOW)
    later = NOW + HOUR + OVERLAP
    second, third = accepted(file, later), rotation.rotate(file, HOUR, later)
    assert first not in accepted(file, 0)
    assert accepted(file, later)[:1] == second
    assert accepted(file, third.begins)[0] not in {first, *second}
    assert len(file.read_text().splitlines()) == 2


def test_a_rotation_waits_for_the_one_before_to_begin(file):
    rotation.rotate(file, HOUR, NOW)
    before = file.read_bytes()
    with pytest.raises(BadInput, match="begins only at 2026-12-01T01:00:00Z"):
        rotation.rotate(file, HOUR, NOW + HOUR - 1)
    assert file.read_bytes() == before
    rotation.rotate(file, 0, NOW + HOUR)
    rotation.rotate(file, 0, NOW + HOUR + 1)
    assert len(accepted(file, NOW + HOUR + 2)) == 4


def test_the_file_behind_a_link_is_rotated_and_comments_stay(file, tmp_path):
    file.write_bytes(b"# of the lab\r\n" + file.read_bytes())
    file.chmod(0o644)
    link = tmp_path / "link"
    link.symlink_to(file)
    rotation.rotate(link, HOUR, NOW)
    assert link.is_symlink()
    assert file.read_bytes().startswith(b"# of the lab\r\n")
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_rotated_file_keeps_its_owner(file):
    os.chown(file, 12345, 54321)
    rotation.rotate(file, HOUR, NOW)
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 54321)


def test_a_broken_file_is_not_rotated(file, tmp_path):
    file.write_bytes(b"short")
    with pytest.raises(InvalidConfig, match="line 1"):
        rotation.rotate(file, HOUR, NOW)
    assert file.read_bytes() == b"short"
    with pytest.raises(InvalidConfig, match="no secret file"):
        rotation.rotate(tmp_path / "none", HOUR, NOW)


def test_a_disk_that_fails_leaves_the_file_as_it_was(file, tmp_path, monkeypatch):
    before = file.read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(StorageError):
        rotation.rotate(file, HOUR, NOW)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_disk_without_links_is_no_bug(tmp_path, monkeypatch):
    monkeypatch.setattr("os.link", lambda *_, **__: (_ for _ in ()).throw(OSError(1, "Operation not permitted")))
    with pytest.raises(StorageError, match="not permitted"):
        rotation.create(tmp_path / "secret")
    assert list(tmp_path.iterdir()) == []
