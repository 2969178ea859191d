"""How each container runtime is told to pull through a node."""

from collections.abc import Sequence
from typing import Final

_HOW_TO: Final = """\
to let this machine's runtimes pull through it, names of images unchanged, run as root:
  p2player setup docker        or containerd, podman, crio; --dry-run shows what would change
  p2player doctor              pulls a tiny image through it, and says what to mend
by hand, from any registry:
  docker pull {registry}/ghcr.io/org/app:1"""


_OPTIONS: Final = {
    "tls": "--ca FILE",
    "token": "--token-file FILE",
    "certificate": "--client-cert FILE --client-key FILE",
}


def how_to_pull(registry: str, asks: Sequence[str] = ()) -> list[str]:
    """Return lines that say it, for the node whose registry endpoint is at this address and asks for that."""
    told = _HOW_TO.format(registry=registry).splitlines()
    if asks:
        told.insert(
            2, f"               add {' '.join(_OPTIONS[each] for each in asks)}: the endpoint asks who is there"
        )
    return told
