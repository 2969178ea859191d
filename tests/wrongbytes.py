"""What no test may see, not even once."""

import reprlib


class WrongBytes(AssertionError):
    """A reader was given something else than it asked for, and could not tell. Who sees this is not tried again."""


def require_same(given, true):
    """Require that a reader was given what it asked for, all of it: bytes, or a digest of them."""
    if given != true:
        pairs = enumerate(zip(given, true, strict=False))
        at = next((at for at, (one, other) in pairs if one != other), min(len(given), len(true)))
        raise WrongBytes(f"a reader was given {reprlib.repr(given)} for {reprlib.repr(true)}, other from {at} on")
