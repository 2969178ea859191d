"""What is known of a tag's meaning, and which of several is to be believed: pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from p2player.pull.held.holdings import record_of
from p2player.store.rows import NameRow


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a tag means. `private`: the registry told it only to who logged in."""

    row: NameRow
    confirmed: float | None = None
    """When the registry is last known to have said so, in Unix seconds; None for a name that was seeded."""
    stale_for: float | None = None
    """Seconds since then, if the registry cannot be asked whether it still holds."""
    private: bool = False

    @classmethod
    def of(cls, row: NameRow) -> "Meaning":
        """Return the meaning that a row says, as of when it was signed."""
        return cls(row, confirmed=row.issued / 1000 if is_upstream(row) else None)


def is_upstream(row: NameRow) -> bool:
    """Tell whether somebody saw that the registry gave this meaning; else it was seeded."""
    record = record_of(row)
    return record is not None and record.upstream


def newest(rows: Iterable[NameRow]) -> NameRow | None:
    """Return the row that was signed last, if there is any."""
    return max(rows, key=lambda row: row.issued, default=None)


def newest_seeded(rows: Iterable[NameRow]) -> NameRow | None:
    """Return the row that was signed last of those that no registry gave."""
    return newest(row for row in rows if not is_upstream(row))
