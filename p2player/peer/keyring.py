"""The cluster secrets that are good now. The file they stand in is read again when it changes: no restart is needed."""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from p2player.counters import Counters
from p2player.errors import InvalidConfig
from p2player.peer.secret import ClusterSecret
from p2player.peer.secretfile import DatedSecret, Secrets, accepted_at, read_secrets

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 2.0
_OTHERS: Final = 0o077


class Keyring:
    """What a node may be spoken to with (`accepted`), and what it speaks with itself (`current`).

    A new secret is accepted from the moment it is read and current once it has begun, by `clock` (Unix seconds); the one
    before stays accepted for `OVERLAP`. So nodes may get the new file in any order, and their clocks may differ.
    """

    def __init__(
        self,
        secrets: Secrets,
        path: Path | None = None,
        *,
        clock: Callable[[], float] = time.time,
        counters: Counters | None = None,
    ) -> None:
        self._secrets = secrets
        self._path = path
        self._clock = clock
        self._counters = counters or Counters()
        self._callbacks: list[Callable[[], None]] = []
        self._told = self.accepted
        self._mode = 0
        self._is_readable = True

    @classmethod
    def of(cls, secret: ClusterSecret) -> Self:
        """Return a keyring of one secret, which may be that of a cluster without any."""
        return cls((DatedSecret(secret),))

    @classmethod
    def open(cls, path: Path, clock: Callable[[], float] = time.time, *, counters: Counters | None = None) -> Self:
        """Return the secrets in path; `watch` follows its changes. Raises InvalidConfig."""
        secrets, mode = read_secrets(path)
        keyring = cls(secrets, path, clock=clock, counters=counters)
        keyring._warn_of(mode)
        return keyring

    @property
    def current(self) -> ClusterSecret:
        """The secret to seal, salt and sign with now."""
        return self.accepted[0]

    @property
    def accepted(self) -> tuple[ClusterSecret, ...]:
        """Every secret that another node may use now, the current one first."""
        return accepted_at(self._secrets, self._clock())

    @property
    def is_public(self) -> bool:
        """Whether there is no secret."""
        return self._path is None and self.current.is_public

    def on_change(self, callback: Callable[[], None]) -> None:
        """Have callback called in the event loop, while `watch` runs, when `current` or `accepted` has changed."""
        self._callbacks.append(callback)

    async def watch(self) -> None:
        """Look at the file and the clock every few seconds, for ever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Take in what the file says now, and tell those who asked if other secrets are good than when they were told last.

        A file that cannot be read, or says nothing that makes sense, changes nothing.
        """
        if self._path is not None:
            await self._read(self._path)
        if (accepted := self.accepted) == self._told:
            return
        if accepted[0] != self._told[0]:
            log.info("another cluster secret is in use from now on; %d are accepted", len(accepted))
        self._told = accepted
        for callback in self._callbacks:
            try:
                callback()
            except Exception:  # the others must hear of it all the same
                log.exception("a change of the cluster secrets was not followed")

    async def _read(self, path: Path) -> None:
        try:
            secrets, mode = await asyncio.to_thread(read_secrets, path)
        except InvalidConfig as error:
            if self._is_readable:
                log.error("%s; the secrets known so far stay in use (%s)", error.message, error.hint)  # noqa: TRY400  (no traceback for a user's file)
                self._counters.count("secret.unreadable")
            self._is_readable = False
            return
        self._is_readable = True
        self._secrets = secrets
        self._warn_of(mode)

    def _warn_of(self, mode: int) -> None:
        if mode & _OTHERS and mode != self._mode:
            log.warning("others may read the secret file %s (mode %04o): chmod 600 %s", self._path, mode, self._path)
        self._mode = mode
