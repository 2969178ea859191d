import os

import pytest

from p2player.errors import StoreLocked
from p2player.store.lock import DirectoryLock


def test_lock_is_refused_with_the_pid_of_its_holder_until_released(tmp_path):
    held = DirectoryLock(tmp_path / "lock")
    with pytest.raises(StoreLocked, match=rf"in use by another process \(pid {os.getpid()}\)"):
        DirectoryLock(tmp_path / "lock")
    held.release()
    DirectoryLock(tmp_path / "lock").release()


def test_lock_of_a_process_that_died_is_free(tmp_path):
    child = os.fork()
    if not child:
        DirectoryLock(tmp_path / "lock")
        os._exit(0)
    os.waitpid(child, 0)
    assert (tmp_path / "lock").read_text() == f"{child}\n"
    DirectoryLock(tmp_path / "lock").release()
