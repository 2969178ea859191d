"""What the file of a cluster secret says: a secret a line, and from when on it is the one to use.

    SECRET
    SECRET from 2026-12-01T00:00:00Z

A secret is at least 16 printable ASCII characters without spaces, a time is RFC 3339 in UTC, a line that begins with `#` is a
comment. Lines end in LF or CRLF.
"""

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

from p2player.errors import InvalidConfig
from p2player.peer.secret import ClusterSecret

OVERLAP: Final = 24 * 3600
"""Seconds for which a secret is still good after the next one has begun."""

_MIN_SECRET: Final = 16
_MAX_FILE: Final = 64 * 1024
_BLANKS = re.compile(r"[ \t]+")
_SECRET = re.compile(r"[!-~]+", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
_LINE_HINT: Final = (
    "a line is SECRET, or SECRET from 2026-12-01T00:00:00Z; `p2player secret rotate FILE` writes such lines"
)
_NEW_HINT: Final = "make one with `p2player secret new FILE`, and copy it to every node"


@dataclass(frozen=True, slots=True)
class DatedSecret:
    """A secret and the Unix second it begins in; 0: it has no time, and was always there."""

    secret: ClusterSecret
    begins: int = 0

    def __str__(self) -> str:
        text = self.secret.raw.decode("ascii")
        return f"{text} from {time_text(self.begins)}" if self.begins else text


Secrets = tuple[DatedSecret, ...]


def read_secrets(path: Path) -> tuple[Secrets, int]:
    """Return the secrets in path, first to begin first, and the file's mode bits. Raises InvalidConfig."""
    raw, mode = read_raw(path)
    return parse_secrets(raw, str(path)), mode


def read_raw(path: Path) -> tuple[bytes, int]:
    """Return the content of a secret file, as far as it may be one, and its mode bits. Raises InvalidConfig."""
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE + 1), stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except FileNotFoundError:
        raise InvalidConfig(f"there is no secret file {path}", hint=_NEW_HINT) from None
    except OSError as error:
        raise InvalidConfig(
            f"cannot read the secret file {path}: {error.strerror}", hint="let the user that runs p2player read it"
        ) from error


def parse_secrets(raw: bytes, origin: str) -> Secrets:
    """Return the secrets that a file's content spells, first to begin first. Raises InvalidConfig, which names origin and line."""
    if len(raw) > _MAX_FILE:
        raise InvalidConfig(f"{origin} is too long for a secret file", hint=_NEW_HINT)
    found: list[DatedSecret] = []
    for number, line in enumerate(raw.split(b"\n"), 1):
        text = line.decode("ascii", errors="replace").strip(" \t\r")
        if not text or text.startswith("#"):
            continue
        try:
            found.append(_parse_line(text, found))
        except InvalidConfig as error:
            raise InvalidConfig(f"{origin}, line {number}: {error.message}", hint=error.hint) from None
    if not found:
        raise InvalidConfig(f"there is no secret in {origin}", hint=_NEW_HINT)
    return tuple(sorted(found, key=lambda dated: dated.begins))


def accepted_at(secrets: Secrets, now: float) -> tuple[ClusterSecret, ...]:
    """Return the secrets that are good at Unix time now: the current one, then those to come, then those not over yet.

    The current one is the last that has begun; if none has (this clock may be wrong), the one that begins first.
    """
    current = max((index for index, dated in enumerate(secrets) if dated.begins <= now), default=0)
    still_good = [dated for dated, successor in pairwise(secrets[: current + 1]) if now < successor.begins + OVERLAP]
    in_order = (secrets[current], *secrets[current + 1 :], *reversed(still_good))
    return tuple(dated.secret for dated in in_order)


def without_those_over(raw: bytes, secrets: Secrets, now: float) -> bytes:
    """Return a file's content without the lines of secrets that are no longer good at Unix time now."""
    over = {dated.secret for dated in secrets}.difference(accepted_at(secrets, now))
    words = {secret.raw for secret in over}
    return b"".join(line for line in raw.splitlines(keepends=True) if words.isdisjoint(line.split()[:1]))


def time_text(seconds: int) -> str:
    """Return a Unix time as RFC 3339 spells it in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime(_FORMAT)


def _parse_line(text: str, earlier: Iterable[DatedSecret]) -> DatedSecret:
    # The message never shows what the line says: it may be most of a secret.
    match _BLANKS.split(text):
        case [secret]:
            begins = 0
        case [secret, "from", time]:
            begins = _parse_time(time)
        case _:
            raise InvalidConfig("not one secret, or a secret and its time", hint=_LINE_HINT)
    if not _SECRET.fullmatch(secret):
        raise InvalidConfig("a secret is made of printable ASCII characters", hint=_NEW_HINT)
    if len(secret) < _MIN_SECRET:
        raise InvalidConfig(
            f"the secret has {len(secret)} characters; at least {_MIN_SECRET} are needed", hint=_NEW_HINT
        )
    dated = DatedSecret(ClusterSecret(secret.encode("ascii")), begins)
    for other in earlier:
        if other.secret == dated.secret:
            raise InvalidConfig("this secret stands here twice", hint="a secret that was used before is not used again")
        if other.begins == dated.begins:
            raise InvalidConfig("another secret begins at the same time", hint=_LINE_HINT)
    return dated


def _parse_time(text: str) -> int:
    try:
        seconds = int(datetime.strptime(text, _FORMAT).replace(tzinfo=UTC).timestamp()) if _TIME.fullmatch(text) else 0
    except ValueError:
        seconds = 0
    if seconds <= 0:
        raise InvalidConfig(f"not a time in UTC after 1970: {text[:40]!r}", hint=_LINE_HINT)
    return seconds
