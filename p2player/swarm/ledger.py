"""Whom libtorrent has put out of one blob's swarm, and who of them is let in again when a transfer begins anew.

libtorrent puts out who sends pieces that come wrong, and at times also who sent but a part of such a piece: an honest holder,
perhaps the only one. So who was put out is a suspect, and no more. Each time a transfer begins anew one suspect is let in
beside those who never were put out: if something comes wrong then, and that one alone is put out again, it came from there.
It is found guilty, and not let in any more.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final

from p2player.swarm.port import Address

MAX_STARTS: Final = 4
"""How often one transfer is begun anew: as long as that takes, nobody gives it up (`pull.fetch.pace.GIVE_UP`)."""


class Ledger:
    """Who was put out, who of them was let in again how often, and who is guilty."""

    def __init__(self) -> None:
        self._suspects: set[Address] = set()
        self._out: set[Address] = set()
        self._let_in: Counter[Address] = Counter()
        self._guilty: set[Address] = set()
        self._starts = 0

    def put_out(self, address: Address) -> None:
        """Take note that who is at address was put out."""
        self._suspects.add(address)
        self._out.add(address)

    def may_help(self, known: Collection[Address]) -> bool:
        """Tell whether to begin anew may help: one of those that are known was put out, and may be let in again."""
        return self._starts < MAX_STARTS and not (self._suspects - self._judged()).isdisjoint(known)

    def begin_anew(self, known: Collection[Address], gave: Mapping[Address, int]) -> list[Address]:
        """Return whom of those that are known to connect to from here on; gave is how many bytes have come from whom.

        The suspect is who was let in least often and, of several, who gave most: an honest one gave before it was put out.
        """
        self._guilty = self._judged()
        self._out.clear()
        self._starts += 1
        suspects = [address for address in known if address in self._suspects - self._guilty]
        suspects.sort(key=lambda address: (self._let_in[address], -gave.get(address, 0)))
        chosen = suspects[:1]
        self._let_in.update(chosen)
        return [address for address in known if address not in self._suspects or address in chosen]

    def _judged(self) -> set[Address]:
        """Return who is guilty by what is known now."""
        is_proof = len(self._out) == 1 and self._let_in.keys() >= self._out
        return self._guilty | self._out if is_proof else self._guilty
