"""How whoever waits is told how far something is."""

import sys
import time
from collections.abc import Callable

Tell = Callable[[str], None]
"""Takes a line about how far it is."""


def teller(*, digits: int) -> Tell:
    """Return what writes lines to stderr, each after the seconds since now with so many digits."""
    began = time.monotonic()

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began:6.{digits}f} s  {what}", file=sys.stderr, flush=True)

    return tell
