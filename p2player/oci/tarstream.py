"""Reading a tar from front to back, as a pipe gives it, and believing nothing about it."""

import gzip
import posixpath
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Protocol, Self, cast

from p2player.errors import InvalidArchive
from p2player.oci.compression import Compression

CHUNK = 64 * 1024  # measured: from 128 KiB on, the allocator maps each buffer anew and reading takes four times as long
_MAX_LINKS = 16
_MAX_HEADER = 1024 * 1024  # tarfile reads what describes an entry (a long name, pax) into memory
_DESCRIBING = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}


class ByteStream(Protocol):
    """What bytes can be read from, once, in order."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to size bytes, all that are left if it is negative, and b"" only at the end."""
        ...


class Peekable:
    """A stream whose next bytes can be seen before they are read."""

    def __init__(self, source: ByteStream) -> None:
        self._source = source
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """Return the next bytes, at least size of them or all that are left; the next read returns them again."""
        # A short read here would leave every later one astride two of tarfile's buffers, which it then has to join.
        while len(self._ahead) < size and (data := self._source.read(CHUNK)):
            self._ahead += data
        return self._ahead

    def read(self, size: int = -1, /) -> bytes:
        """Return up to size bytes, all that are left if it is negative."""
        if not self._ahead:
            return self._source.read(size)
        if size < 0:
            ahead, self._ahead = self._ahead, b""
            return ahead + self._source.read(-1)
        ahead, self._ahead = self._ahead[:size], self._ahead[size:]
        return ahead


@dataclass(frozen=True, slots=True)
class TarFile:
    """A regular file, whose content can be read until the next entry is asked for."""

    name: str
    size: int
    content: Peekable


@dataclass(frozen=True, slots=True)
class TarLink:
    """A hard or symbolic link; target is a name in the archive."""

    name: str
    target: str


def read_tar(source: ByteStream) -> Iterator[TarFile | TarLink]:
    """Yield the files and links of a tar, plain or in gzip, in their order and with normalised names.

    Raises InvalidArchive for what is no tar, is cut off, or holds a name or link that points out of it.
    """
    stream = Peekable(source)
    with _damage_reported():
        if Compression.of(stream.peek(4)) is Compression.GZIP:
            unzipped: ByteStream = gzip.GzipFile(fileobj=cast("IO[bytes]", stream))
        else:
            unzipped = stream
        with tarfile.open(fileobj=cast("IO[bytes]", unzipped), mode="r|", bufsize=CHUNK, tarinfo=_Header) as archive:
            for member in archive:
                name = _inside("", member.name)
                if member.isreg() and not member.issparse():
                    content = Peekable(_Content(cast("IO[bytes]", archive.extractfile(member))))
                    yield TarFile(name, member.size, content)
                    # tarfile would skip what is left without a look at whether there is anything, and without an end.
                    while content.read(CHUNK):
                        pass
                elif member.issym():
                    yield TarLink(name, _inside(posixpath.dirname(name), member.linkname))
                elif member.islnk():
                    yield TarLink(name, _inside("", member.linkname))
                elif not member.isdir():
                    raise InvalidArchive(f"neither file nor link in an image archive: {name[:200]!r}")


def follow(name: str, links: Mapping[str, str]) -> str:
    """Return the name of the file that name leads to through links, or raise InvalidArchive if they go in a circle."""
    for _ in range(_MAX_LINKS):
        if name not in links:
            return name
        name = links[name]
    raise InvalidArchive(f"a link in an image archive that leads nowhere: {name[:200]!r}")


class _Header(tarfile.TarInfo):
    """The header of an entry. Its size is of this world."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Return the header that a block holds."""
        header = super().frombuf(buf, encoding, errors)
        if header.size < 0 or (header.type in _DESCRIBING and header.size > _MAX_HEADER):
            raise tarfile.ReadError(f"a header of {header.size} bytes")
        return header


class _Content:
    """The bytes of one member; they are read outside read_tar's frame, so they report damage themselves."""

    def __init__(self, member: IO[bytes]) -> None:
        self._member = member

    def read(self, size: int = -1, /) -> bytes:
        with _damage_reported():
            return self._member.read(min(size, CHUNK))


def _inside(folder: str, name: str) -> str:
    path = posixpath.normpath(posixpath.join(folder, name))
    if path.startswith("/") or path.split("/")[0] == "..":
        raise InvalidArchive(f"a name that points out of the archive: {name[:200]!r}", hint="do not trust its author")
    return path


@contextmanager
def _damage_reported() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, OverflowError) as error:
        raise InvalidArchive(f"not a tar archive, or a damaged one: {error}") from error
