"""What is remembered of who may have what: which repositories are open to everybody, and who was let into the others.

Pure: the time comes in, in seconds. What is remembered is bounded, since clients choose the names; what is forgotten is asked
of the registry again.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, TypeVar

from p2player.upstream.port import Asker, Login

PUBLIC_TTL: Final = 3600.0
"""Seconds for which a repository that let in a stranger is taken to be open to everybody."""
STALE_TTL: Final = 24 * 3600.0
"""Seconds for which it is remembered who was let in, for when the registry cannot be asked."""
_KEPT: Final = 10_000

_Member = tuple[str, bytes]
K = TypeVar("K")
V = TypeVar("V")


class Admissions:
    """Repositories by name. `private` are those known from before."""

    def __init__(self, private: Iterable[str] = ()) -> None:
        self._private: OrderedDict[str, None] = OrderedDict.fromkeys(private)
        self._public_until: OrderedDict[str, float] = OrderedDict()
        self._admitted_at: OrderedDict[_Member, float] = OrderedDict()

    def is_public(self, repository: str, now: float) -> bool:
        """Tell whether it has let in a stranger lately."""
        return now < self._public_until.get(repository, now)

    def is_private(self, repository: str) -> bool:
        """Tell whether it has ever required a login."""
        return repository in self._private

    def opened(self, repository: str, now: float) -> None:
        """Take in that it let in a stranger. One that has required a login stays private all the same."""
        if repository not in self._private:
            _keep(self._public_until, repository, now + PUBLIC_TTL)

    def doubt(self, repository: str) -> None:
        """Take in that it may not be open to everybody any more."""
        self._public_until.pop(repository, None)

    def closed(self, repository: str) -> None:
        """Take in that it required a login."""
        self.doubt(repository)
        _keep(self._private, repository, None)

    def admit(self, repository: str, asker: Asker, now: float) -> None:
        """Take in that it let in asker."""
        _keep(self._admitted_at, (repository, _key(asker)), now)

    def expel(self, repository: str, asker: Asker) -> None:
        """Take in that it does not let in asker."""
        self._admitted_at.pop((repository, _key(asker)), None)

    def admitted(self, repository: str, asker: Asker, now: float, within: float) -> bool:
        """Tell whether it let in asker in the last so many seconds."""
        at = self._admitted_at.get((repository, _key(asker)))
        return at is not None and now - at < within


def _key(asker: Asker) -> bytes:
    return asker.fingerprint if isinstance(asker, Login) else asker.encode()


def _keep(kept: OrderedDict[K, V], key: K, value: V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _KEPT:
        kept.popitem(last=False)
