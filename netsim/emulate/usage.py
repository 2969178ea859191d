"""What a process takes of the machine (proc(5))."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PEAK: Final = re.compile(r"^VmHWM:\s+([0-9]+) kB$", re.MULTILINE)


def cpu_seconds(pid: int) -> float:
    """Return the seconds of a core it has used since its start."""
    # user and system time are the 14th and 15th field; the name, the 2nd, may hold spaces
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident(pid: int) -> int:
    """Return the bytes of memory it has in use."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_resident(pid: int) -> int:
    """Return the most bytes of memory it has ever had in use."""
    match = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
    return int(match[1]) * 1024 if match else 0


def open_files(pid: int) -> list[str]:
    """Return what each of its descriptors is of (proc(5)): a path, ` (deleted)` behind it if it is no more, `socket:[7]`."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since
            found.append(str(descriptor.readlink()))
    return found
