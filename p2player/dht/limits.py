"""How much of others' traffic a node takes: buckets of tokens that fill up steadily, one a sender, bounded in number."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

_SENDERS_KEPT: Final = 4096


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second, and so many at once after a pause."""

    per_second: float
    burst: float


class TokenBucket:
    """One allowance. Times are seconds of any steady clock, always given by the caller."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = rate.burst
        self._at = now

    def take(self, now: float) -> bool:
        """Use up one token; returns False if there is none."""
        if self.wait(now) > 0.0:
            return False
        self._tokens -= 1.0
        return True

    def reserve(self, now: float) -> float:
        """Use up the next token there will be, and return how many seconds that takes."""
        wait = self.wait(now)
        self._tokens -= 1.0
        return wait

    def wait(self, now: float) -> float:
        """Return after how many seconds there will be a token."""
        self._tokens = min(self._tokens + (now - self._at) * self._rate.per_second, self._rate.burst)
        self._at = now
        return max(0.0, (1.0 - self._tokens) / self._rate.per_second)


class SenderLimits:
    """One bucket a sender, known by node id and host; those not heard of for longest are forgotten first."""

    def __init__(self, rate: Rate, *, kept: int = _SENDERS_KEPT) -> None:
        self._rate = rate
        self._kept = kept
        self._buckets: OrderedDict[tuple[bytes, str], TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, node_id: bytes, host: str, now: float) -> bool:
        """Use up one token of that sender; returns False if it has sent too much."""
        sender = (node_id, host)
        bucket = self._buckets.get(sender)
        if bucket is None:
            bucket = self._buckets[sender] = TokenBucket(self._rate, now)
            if len(self._buckets) > self._kept:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(sender)
        return bucket.take(now)
