"""What this machine has to have, so that what is missing is named before anything begins."""

import os
import shutil
from typing import Final

from p2player.errors import Unavailable

# Debian keeps servers where only root's PATH looks.
_PATH: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
_PACKAGES: Final = {
    "ip": "iproute2",
    "tc": "iproute2",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
"""In which of Debian's packages a tool is, where that has another name."""


class CannotEmulateError(Unavailable):
    """This machine, or this user of it, cannot make networks of its own."""


def find(tool: str) -> str | None:
    """Return where a tool is, None if it is not installed."""
    return shutil.which(tool, path=_PATH)


def missing(*tools: str) -> str:
    """Return which of the tools are not installed, for people; empty if all are there."""
    absent = [tool for tool in tools if find(tool) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def not_root() -> str:
    """Return what is missing to make networks and run container runtimes, for people; empty if nothing is."""
    return "" if os.geteuid() == 0 else "not root"


def require(*tools: str) -> None:
    """Raise CannotEmulateError unless this is root, and the tools are there."""
    if not_root():
        raise CannotEmulateError(
            "only root can make networks of its own",
            hint="run it again with sudo, or simulate the same scenario: that needs no rights",
        )
    if reason := missing(*tools):
        packages = sorted({_PACKAGES.get(tool, tool) for tool in tools if find(tool) is None})
        raise CannotEmulateError(reason, hint=f"on Debian: apt install {' '.join(packages)}")
