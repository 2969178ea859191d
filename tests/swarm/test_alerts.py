import errno

import libtorrent as lt

from p2player.errors import DiskFull, StorageError
from p2player.swarm.alerts import _disk_error


class FileError:
    def __init__(self, code):
        self.error = lt.error_code(code, lt.generic_category())

    def filename(self):
        return "/data/staging/1/abc"


def test_a_full_disk_is_told_from_a_broken_one():
    full, broken = _disk_error(FileError(errno.ENOSPC)), _disk_error(FileError(errno.EIO))
    assert type(full) is DiskFull
    assert full.hint
    assert type(broken) is StorageError
    assert "/data/staging/1/abc" in broken.message
