"""What can be told of the runtimes on this machine without asking them to do anything."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_VERSION = re.compile(r"\bv?(\d+)\.(\d+)")
_TIMEOUT: Final = 10.0  # seconds; they print a line
_PROGRAMS: Final[Mapping[str, str]] = {
    "docker": "dockerd",
    "containerd": "containerd",
    "podman": "podman",
    "crio": "crio",
}


def version_of(runtime: str) -> tuple[int, int] | None:
    """Return major and minor version of the runtime's program, or None if it cannot be told."""
    program = shutil.which(_PROGRAMS[runtime])
    if program is None:
        return None
    try:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=_TIMEOUT, check=False)  # noqa: S603  (found in PATH)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(told.stdout)
    return (int(match[1]), int(match[2])) if match else None


def arguments_of(program: str, proc: Path = Path("/proc")) -> tuple[str, ...]:
    """Return the arguments of a process that runs the program called so, none if there is none that can be looked at."""
    for path in proc.glob("[0-9]*/cmdline"):
        try:
            name, *arguments = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has ended meanwhile
            continue
        if Path(name).name == program:
            return tuple(arguments)
    return ()
