"""What is known of the claims that are made about one digest: by whom, how well they stand, and which can still be tried."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from p2player.peer.evidence import can_be_shown
from p2player.peer.identity import NodeId
from p2player.peer.protocol import SMALL_BLOB
from p2player.pull.fetch.holders import Claim, Holder
from p2player.pull.integrity.dispute import Standing, can_be_asked
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.port import Address

_MAX_DISPUTED: Final = 8


@dataclass(slots=True)
class Claims:
    """All claims about one digest. `known_size` is what its manifest or registry says, in bytes, if one of them was asked."""

    banned: frozenset[NodeId]
    known_size: int | None
    _holders: dict[Metainfo, dict[Address, Holder]] = field(default_factory=dict)
    _refused: set[Metainfo] = field(default_factory=set)
    _failed: dict[Metainfo, set[Address]] = field(default_factory=dict)
    _doubted: set[Metainfo] = field(default_factory=set)
    _standings: dict[Metainfo, Standing] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self._holders.values()))

    def count(self, metainfo: Metainfo) -> int:
        """Return how many make this claim."""
        return len(self._holders[metainfo])

    def add(self, claim: Claim) -> list[Holder]:
        """Take a claim, and return those of its holders that are new or have changed. Banned ones are left out."""
        known = self._holders.setdefault(claim.metainfo, {})
        fresh = [h for h in claim.holders if h.node not in self.banned and known.get(h.swarm) != h]
        known.update({holder.swarm: holder for holder in fresh})
        return fresh

    def usable(self, *, of_known_size: bool = False) -> list[Claim]:
        """Return the claims that can be tried, the likeliest first; if `of_known_size`, none that says another size."""
        claims = [Claim(metainfo, holders) for metainfo in self._holders if (holders := self.useful(metainfo))]
        if of_known_size and self.known_size is not None:
            claims = [claim for claim in claims if claim.metainfo.size == self.known_size]
        return sorted(claims, key=self._rank, reverse=True)

    def learn_size(self, size: int) -> bool:
        """Take what the registry says, unless a size is known already; tell whether it was not."""
        is_news = self.known_size is None
        self.known_size = size if is_news else self.known_size
        return is_news

    def useful(self, metainfo: Metainfo) -> tuple[Holder, ...]:
        """Return those who make this claim and can be fetched from, none if it was refused."""
        if metainfo in self._refused:
            return ()
        holders, failed = self._holders[metainfo], self._failed.get(metainfo, set())
        if not (self.banned or failed):
            return tuple(holders.values())
        return tuple(
            holder for address, holder in holders.items() if holder.node not in self.banned and address not in failed
        )

    def disputed(self) -> tuple[Claim, ...]:
        """Return the claims to ask about, the likeliest first: none if nobody contradicts them, or all were judged.

        One can be asked about though those that contradict it cannot: if it is well spoken for, it goes before them.
        """
        claims = [claim for claim in self.usable() if any(holder.complete for holder in claim.holders)]
        claims = [claim for claim in claims if claim.metainfo.size == self.known_size] or claims
        asked = [claim for claim in claims if _can_be_shown(claim)][:_MAX_DISPUTED]
        is_new = any(claim.metainfo not in self._standings for claim in asked)
        return tuple(asked) if is_new and len(claims) > 1 else ()

    def judge(self, standings: Mapping[Metainfo, Standing]) -> None:
        """Take how claims have come out of a dispute."""
        self._standings.update(standings)

    def standing(self, metainfo: Metainfo) -> Standing:
        """Return how a claim has come out of the last dispute about it."""
        return self._standings.get(metainfo, Standing.UNHEARD)

    def ban(self, nodes: frozenset[NodeId]) -> None:
        """Ask these no more."""
        self.banned |= nodes

    def fail(self, metainfo: Metainfo) -> None:
        """Take note that those who make this claim by now cannot be fetched from."""
        self._failed.setdefault(metainfo, set()).update(self._holders[metainfo])

    def doubt(self, metainfo: Metainfo) -> None:
        """Take note that the blob's registry has other bytes: one of the two is wrong."""
        self._doubted.add(metainfo)

    def is_doubted(self, metainfo: Metainfo) -> bool:
        """Tell whether the registry has been heard to have other bytes."""
        return metainfo in self._doubted

    def refuse(self, metainfo: Metainfo) -> frozenset[NodeId]:
        """Take note that a claim is wrong, and return who signed it and to have it all: they are banned."""
        self._refused.add(metainfo)
        return self._ban_signers([metainfo])

    def contradicted(self, size: int, root: bytes) -> frozenset[NodeId]:
        """Return who signed to have all of a blob of another size or root than it turned out to have: they are banned."""
        return self._ban_signers(
            [
                metainfo
                for metainfo in self._holders
                if (metainfo.size, metainfo.root) != (size, root) and any(metainfo.root)
            ]
        )

    def whole(self) -> Sequence[Holder]:
        """Return who says to have all of the blob."""
        return self._complete(self._holders)

    def confirmed(self, size: int, root: bytes) -> Sequence[Holder]:
        """Return who says to have all of a blob of the size and root that it turned out to have."""
        return self._complete(it for it in self._holders if (it.size, it.root) == (size, root))

    @property
    def is_any_refused(self) -> bool:
        """Whether a claim has turned out wrong."""
        return bool(self._refused)

    def _ban_signers(self, claims: Iterable[Metainfo]) -> frozenset[NodeId]:
        liars = self._signers(claims) - self.banned
        self.ban(liars)
        return liars

    def _signers(self, claims: Iterable[Metainfo]) -> frozenset[NodeId]:
        return frozenset(holder.node for holder in self._complete(claims) if holder.node)

    def _complete(self, claims: Iterable[Metainfo]) -> list[Holder]:
        return [holder for metainfo in claims for holder in self._holders[metainfo].values() if holder.complete]

    def _rank(self, claim: Claim) -> tuple[bool, bool, Standing, bool, tuple[int, int]]:
        metainfo, size = claim.metainfo, claim.metainfo.size
        is_agreed, is_doubted = size == self.known_size, self.is_doubted(metainfo)
        # Whether a small blob is the right one is found out in one round trip.
        return not is_doubted, is_agreed, self.standing(metainfo), size <= SMALL_BLOB, claim.weight


def _can_be_shown(claim: Claim) -> bool:
    size = claim.metainfo.size
    return size > SMALL_BLOB and can_be_shown(size) and any(map(can_be_asked, claim.holders))
