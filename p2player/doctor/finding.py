"""What the doctor has to say."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check. `skip`: there was nothing to check."""

    check: str
    state: Literal["ok", "warn", "fail", "skip"]
    message: str
    fix: str = ""
    """What to do about it, where something is wrong."""
