"""What is fuzzed: one parser each, with what it may refuse an input with, and inputs that it takes."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.fuzz.shapes import Shape


@dataclass(frozen=True, repr=False)
class Target:
    """A parser of bytes that somebody else wrote. Whatever it raises besides `refuses` is a bug.

    `parse` also asserts what must hold of everything it lets through. The seeds are let through, so what is made of
    them by small changes comes further than the first check.
    """

    name: str
    parse: Callable[[bytes], object]
    refuses: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]
    max_length: int = 4096
    """Bytes of the longest input worth trying."""
    shape: Shape | None = None
    """How to change an input so that its form stays; bytes here and there are changed in any case."""

    def __repr__(self) -> str:
        return self.name

    def accepts(self, data: bytes) -> bool:
        """Tell whether the parser takes data. Raises what it must not raise."""
        try:
            self.parse(data)
        except self.refuses:
            return False
        return True


def as_text(data: bytes) -> str:
    """Return what a header or an argument with these bytes is in Python."""
    return data.decode("utf-8", "surrogateescape")


def as_pairs(data: bytes) -> list[tuple[str, str]]:
    """Return the lines `NAME: VALUE` of data, as headers or query parameters."""
    lines = (as_text(line).partition(": ") for line in data.split(b"\n"))
    return [(name, value) for name, _, value in lines]
