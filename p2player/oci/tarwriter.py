"""Writing a tar whose members' sizes are known only when they have been written, or that never come to be."""

import os
import tarfile
from typing import BinaryIO

_BLOCK = tarfile.BLOCKSIZE


class TarWriter:
    """A tar in a seekable file, one member at a time. The same members give the same bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._name = ""
        self._start = 0
        self.names: set[str] = set()

    def add(self, name: str, data: bytes) -> None:
        """Write a whole member."""
        self.begin(name)
        self.write(data)
        self.keep()

    def begin(self, name: str) -> None:
        """Start a member; the one before must have ended."""
        if self._name:
            raise RuntimeError(f"{self._name} is still being written")
        self._name = name
        self._start = self._file.tell()
        self._file.write(_header(name, 0))

    def write(self, data: bytes, /) -> None:
        """Append data to the member."""
        self._file.write(data)

    def keep(self) -> None:
        """End the member, and note its size in its header."""
        end = self._file.tell()
        size = end - self._start - len(_header(self._name, 0))
        self._file.write(bytes(-size % _BLOCK))
        self._file.seek(self._start)
        self._file.write(_header(self._name, size))
        self._file.seek(0, os.SEEK_END)
        self.names.add(self._name)
        self._name = ""

    def drop(self) -> None:
        """Take the member back, as if it had never been started."""
        self._file.seek(self._start)
        self._file.truncate()
        self._name = ""

    def finish(self) -> None:
        """Write what marks the end of a tar."""
        self._file.write(bytes(2 * _BLOCK))


def _header(name: str, size: int) -> bytes:
    """Return a member's header. GNU's form has one length for every size, so that it can be written again in place."""
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(format=tarfile.GNU_FORMAT)
