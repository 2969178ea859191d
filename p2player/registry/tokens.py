"""The tokens that open the endpoint: a file of one a line, read again when it changes, so that one can be replaced.

A client shows one as `P2Player-Token`, which leaves `Authorization` free for the registry's own login, or as the password
of `Authorization: Basic`, which is all that some clients can send.
"""

import hashlib
import hmac
import logging
import re
from pathlib import Path
from typing import Final

from p2player.errors import InvalidConfig
from p2player.registry.marks import mark_of

log = logging.getLogger(__name__)

TOKEN_HEADER: Final = "P2Player-Token"  # noqa: S105  (the header's name)
MIN_TOKEN: Final = 16
_MAX_FILE: Final = 1024 * 1024
_TOKEN = re.compile(rb"[\x21-\x7e]+")
_HINT: Final = f"one token a line, at least {MIN_TOKEN} characters without spaces: openssl rand -hex 32"


class TokenFile:
    """The tokens that are good now."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises InvalidConfig."""
        self._path = path
        self._mark = mark_of(path)
        self._hashes = _read(path)

    def accepts(self, token: bytes) -> bool:
        """Tell whether the file has this token. How long that takes says nothing of how much of it was right."""
        self._follow()
        shown = hashlib.sha256(token).digest()
        return any(hmac.compare_digest(shown, good) for good in self._hashes)

    def _follow(self) -> None:
        """Read the file again if it has changed. One that cannot be read, or has no token, changes nothing."""
        mark = mark_of(self._path)
        if mark == self._mark:
            return
        self._mark = mark
        try:
            self._hashes = _read(self._path)
        except InvalidConfig as error:
            log.error("%s; the tokens known so far stay good (%s)", error.message, error.hint)  # noqa: TRY400  (no traceback for a user's file)


def parse_tokens(raw: bytes, place: str) -> list[bytes]:
    """Return the tokens of a file in their order; `#` begins a comment line. Raises InvalidConfig with place and line."""
    found = []
    for number, line in enumerate(raw.splitlines(), start=1):
        token = line.strip(b" \t")
        if not token or token.startswith(b"#"):
            continue
        if len(token) < MIN_TOKEN or not _TOKEN.fullmatch(token):
            raise InvalidConfig(f"{place}, line {number}: not a token", hint=_HINT)
        found.append(token)
    if not found:
        raise InvalidConfig(f"{place} has no token", hint=_HINT)
    return found


def read_tokens(path: Path) -> list[bytes]:
    """Return the tokens of the file at path in their order. Raises InvalidConfig."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise InvalidConfig(f"cannot read the token file {path}: {error.strerror}", hint=_HINT) from error
    if len(raw) > _MAX_FILE:
        raise InvalidConfig(f"{path} is too large for a token file", hint=_HINT)
    return parse_tokens(raw, str(path))


def _read(path: Path) -> tuple[bytes, ...]:
    return tuple(hashlib.sha256(token).digest() for token in read_tokens(path))
