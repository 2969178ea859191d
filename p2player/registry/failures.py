"""How often each host has shown a wrong token lately: whoever guesses is kept waiting."""

import ipaddress
from collections import OrderedDict
from typing import Final

ALLOWED: Final = 20
"""Wrong tokens that a host may show in a window."""
WINDOW: Final = 60.0
"""Seconds."""
_HOSTS: Final = 1024
_IPV6_PREFIX: Final = 64  # what one machine has to itself at least (RFC 6177)


class Failures:
    """Counts by host, for the hosts that failed last. Times are seconds of any clock that does not go back."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def note(self, host: str, now: float) -> None:
        """Take note that a host has shown a wrong token."""
        key = _key(host)
        began, count = self._counts.pop(key, (now, 0))
        if now - began >= WINDOW:
            began, count = now, 0
        self._counts[key] = (began, count + 1)
        if len(self._counts) > _HOSTS:
            self._counts.popitem(last=False)

    def wait(self, host: str, now: float) -> float:
        """Return for how many seconds a host is not to try again, 0 if it may."""
        began, count = self._counts.get(_key(host), (now, 0))
        return max(0.0, began + WINDOW - now) if count > ALLOWED else 0.0


def _key(host: str) -> str:
    """Return what stands for a host: of IPv6 its network, in which it may take any address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return str(address)
    return str(
        address.ipv4_mapped or ipaddress.ip_network((int(address) >> _IPV6_PREFIX << _IPV6_PREFIX, _IPV6_PREFIX))
    )
