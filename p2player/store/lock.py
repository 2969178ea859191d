"""One process a data directory."""

import fcntl
import os
from pathlib import Path

from p2player.errors import StoreLocked


class DirectoryLock:
    """Held from construction to `release`; the system lets go of it when the process dies, however it dies."""

    def __init__(self, path: Path) -> None:
        """Take the lock, or raise StoreLocked with the process that has it."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._descriptor, 20).decode(errors="replace").strip() or "unknown"
            self.release()
            raise StoreLocked(
                f"{path.parent} is in use by another process (pid {holder})",
                hint="stop it, or choose another directory with --data-dir",
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let go. The file stays: removing it would let two processes lock two files of the same name."""
        os.close(self._descriptor)
