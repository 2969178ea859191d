"""Configuration files as they are, read from a disk or given by hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from p2player.errors import InvalidConfig, StorageError

AS_ROOT = "run this as root"


class Tree(Protocol):
    """Files by their absolute paths, as the runtimes know them."""

    def read(self, path: str) -> bytes | None:
        """Return a file's content, or None if there is none. Raises StorageError."""
        ...

    def names(self, directory: str) -> list[str] | None:
        """Return what a directory has, sorted, or None if there is no such directory. Raises StorageError."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryTree:
    """Files given by hand; a directory is there if it was named or a file lies in it."""

    files: Mapping[str, bytes]
    directories: frozenset[str] = frozenset()

    def read(self, path: str) -> bytes | None:
        """Return a file's content, or None."""
        return self.files.get(path)

    def names(self, directory: str) -> list[str] | None:
        """Return what a directory has, or None."""
        start = f"{directory}/"
        names = {
            path.removeprefix(start).partition("/")[0]
            for path in (*self.files, *self.directories)
            if path.startswith(start)
        }
        return sorted(names) if names or directory in self.directories else None


@dataclass(frozen=True, slots=True)
class DiskTree:
    """The files below a directory that stands for `/`."""

    root: Path = Path("/")

    def read(self, path: str) -> bytes | None:
        """Return a file's content, or None."""
        try:
            return self.place(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror}", hint=AS_ROOT) from error

    def names(self, directory: str) -> list[str] | None:
        """Return what a directory has, or None."""
        try:
            return sorted(entry.name for entry in self.place(directory).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(f"cannot read {directory}: {error.strerror}", hint=AS_ROOT) from error

    def place(self, path: str) -> Path:
        """Return where a file lies."""
        return self.root / path.lstrip("/")


@dataclass(frozen=True, slots=True)
class Changed:
    """A tree with some files replaced, or (None) gone."""

    under: Tree
    files: Mapping[str, bytes | None] = field(default_factory=dict)

    def read(self, path: str) -> bytes | None:
        """Return a file's content, or None."""
        return self.files[path] if path in self.files else self.under.read(path)

    def names(self, directory: str) -> list[str] | None:
        """Return what a directory has, or None; it goes with the last of its files."""
        names = self.under.names(directory)
        gone = {
            path.rpartition("/")[2]
            for path, data in self.files.items()
            if data is None and path.rpartition("/")[0] == directory
        }
        if not names or not gone:
            return names
        return [name for name in names if name not in gone] or None


def read_text(tree: Tree, path: str) -> str | None:
    """Return a file as text, its ends of lines untouched, or None. Raises InvalidConfig for what is not UTF-8."""
    data = tree.read(path)
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidConfig(
            f"{path}, line {line}: not UTF-8", hint="mend that file first; nothing was written"
        ) from error
