"""Contacts gone silent: each is knocked at again after growing pauses, so that what was cut off for a while comes back.

The pauses double, so an outage is over here by the time it has lasted twice as long. Who has not answered for all of them
is given up and forgotten. While nobody at all answers the fault may be this node's own, and nobody is given up.
"""

import asyncio
import contextlib
from functools import partial
from random import Random
from typing import Final

from p2player.dht.protocol import Answered, SealedProtocol
from p2player.dht.routing import Contact
from p2player.dht.schedule import Schedule
from p2player.dht.wire import Address
from p2player.tasks import loop_time

PAUSES: Final = tuple(float(1 << doubled) for doubled in range(9))
"""Seconds before each knock, 511 in all."""
KEPT: Final = 256


class Missing:
    """The contacts of one node that left a request unanswered, the longest missing first, bounded in number."""

    def __init__(self, protocol: SealedProtocol, rng: Random) -> None:
        self._protocol = protocol
        self._due: Schedule[Address] = Schedule(rng)
        self._contacts: dict[Address, tuple[Contact, int]] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._contacts)

    def add(self, contact: Contact) -> None:
        """Knock at contact's address from now on, until somebody answers there."""
        if contact.address not in self._contacts:
            if len(self._contacts) >= KEPT:
                self._forget(next(iter(self._contacts)))
            self._wait(contact, 0)

    async def run(self) -> None:
        """Knock at whom it is time to knock at, for ever."""
        now = asyncio.get_running_loop().time
        while True:
            self._wake.clear()
            for address in self._due.pop(now(), KEPT):
                self._knock(address)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._due.next_due()):
                    await self._wake.wait()

    def _knock(self, address: Address) -> None:
        contact, knocks = self._contacts[address]
        known = self._protocol.router.get(contact.id)
        if known is not None and known.address == address and not known.silent:
            self._forget(address)
        else:
            self._protocol.knock(address).add_done_callback(partial(self._heard, contact, knocks + 1))

    def _heard(self, contact: Contact, knocks: int, answer: "asyncio.Future[Answered | None]") -> None:
        if contact.address not in self._contacts:
            return
        is_given_up = knocks >= len(PAUSES) and self._protocol.router.somebody_answers
        if answer.result() is None and not is_given_up:
            self._wait(contact, knocks)
            return
        # Who answers may be another node by now; the one that was there is then known no longer.
        self._forget(contact.address)
        self._protocol.router.give_up(contact)

    def _wait(self, contact: Contact, knocks: int) -> None:
        self._contacts[contact.address] = (contact, knocks)
        pause = PAUSES[min(knocks, len(PAUSES) - 1)]
        self._due.set(contact.address, loop_time() + pause)
        self._wake.set()

    def _forget(self, address: Address) -> None:
        del self._contacts[address]
        self._due.discard(address)
