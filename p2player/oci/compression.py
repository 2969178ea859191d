"""Layers as they travel, and as the image's config counts them: uncompressed."""

import zlib
from collections.abc import Callable
from enum import Enum
from types import SimpleNamespace
from typing import IO, cast

import zstandard

from p2player.errors import InvalidArchive

_OUTPUT = 1024 * 1024  # no layer, however well it compresses, makes more than this of memory at a time


class Compression(Enum):
    """How a layer is compressed. The value is what its OCI media type ends in."""

    NONE = ""
    GZIP = "+gzip"
    ZSTD = "+zstd"

    @classmethod
    def of(cls, head: bytes) -> "Compression":
        """Return what a blob that begins with head is compressed with; four bytes are enough to tell."""
        if head.startswith(b"\x1f\x8b"):
            return cls.GZIP
        if head.startswith(b"\x28\xb5\x2f\xfd"):
            return cls.ZSTD
        return cls.NONE


class Decompressor:
    """Takes a layer in chunks as it comes and passes on the uncompressed bytes, in chunks of at most 1 MiB."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self._sink = sink
        self._head = b""
        self._decoder: _Plain | _Gzip | _Zstd | None = None

    def write(self, data: bytes) -> None:
        """Take the next bytes of the layer. Raises InvalidArchive if they are not what its head promised."""
        if self._decoder is None:
            self._head += data
            if len(self._head) < 4:  # the longest magic number
                return
            self._decoder, data = _DECODERS[Compression.of(self._head)](self._sink), self._head
        self._decoder.write(data)

    def finish(self) -> None:
        """Take the end of the layer. Raises InvalidArchive if it is cut off."""
        if self._decoder is None:
            self._decoder = _Plain(self._sink)
            self._decoder.write(self._head)
        self._decoder.finish()


class _Plain:
    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self.write = sink

    def finish(self) -> None:
        pass


class _Gzip:
    """Any number of gzip members, as parallel compressors write; zero padding behind the last is not content."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self._sink = sink
        self._member = _gzip_member()
        self._inside = False

    def write(self, data: bytes) -> None:
        while data:
            if not self._inside:
                data = data.lstrip(b"\0")
                self._inside = bool(data)
            try:
                plain = self._member.decompress(data, _OUTPUT)
            except zlib.error as error:
                raise InvalidArchive(f"a damaged gzip layer: {error}") from error
            if plain:
                self._sink(plain)
            data = self._member.unconsumed_tail
            if self._member.eof:
                data = self._member.unused_data
                self._member = _gzip_member()
                self._inside = False

    def finish(self) -> None:
        if self._inside:
            raise InvalidArchive("a gzip layer that is cut off")


class _Zstd:
    """Any number of zstd frames. A cut is not seen here, it shows in the diff id of what came out."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        target = cast("IO[bytes]", SimpleNamespace(write=sink))  # of a file, only write is called
        self._writer = zstandard.ZstdDecompressor().stream_writer(target, write_size=_OUTPUT, closefd=False)

    def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
        except zstandard.ZstdError as error:
            raise InvalidArchive(f"a damaged zstd layer: {error}") from error

    def finish(self) -> None:
        pass


def _gzip_member() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: with a gzip header


_DECODERS: dict[Compression, type[_Plain | _Gzip | _Zstd]] = {
    Compression.NONE: _Plain,
    Compression.GZIP: _Gzip,
    Compression.ZSTD: _Zstd,
}
