"""Where a daemon listens for the command line."""

import os
from pathlib import Path
from typing import Final

from p2player.errors import InvalidConfig

MAX_PATH: Final = 107  # sun_path less its final zero byte (unix(7))


def control_socket(data_dir: Path) -> Path:
    """Return the path of the control socket of data_dir, or raise InvalidConfig if Linux allows no socket there."""
    path = data_dir.absolute() / "control.sock"
    length = len(os.fsencode(path))
    if length > MAX_PATH:
        raise InvalidConfig(
            f"the control socket {path} has a path of {length} bytes, and a socket's may have {MAX_PATH}",
            hint="choose a data directory with a shorter path",
        )
    return path
