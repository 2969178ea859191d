"""The endpoint's TLS: files that are read again when they change, so that a certificate is renewed without a restart."""

import logging
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from p2player.errors import InvalidConfig
from p2player.registry.marks import Mark, mark_of

log = logging.getLogger(__name__)

_HINT: Final = (
    "PEM files are needed: the certificate with those that lead to its authority, and its key without a password"
)


class EndpointTls:
    """Shows a certificate to clients and, if there is an authority of theirs, asks each for one that it has signed."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        """Read the files. Raises InvalidConfig."""
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._marks = self._look()
        self._newest = self._read()
        self.context = self._read()
        """What a listener takes; each new connection gets what the files say by then."""
        self.context.sni_callback = self._choose

    @classmethod
    def open(cls, certificate: Path | None, key: Path | None, client_ca: Path | None) -> Self | None:
        """Return what these settings mean, or None if there is no certificate. Raises InvalidConfig."""
        return cls(certificate, key, client_ca) if certificate and key else None

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _: str | None, __: ssl.SSLContext) -> None:
        """Give a connection that begins the newest files (called with every hello, whether it names a host or not)."""
        if (marks := self._look()) != self._marks:
            self._marks = marks
            try:
                self._newest = self._read()
            except InvalidConfig as error:
                log.error("%s; the certificate known so far stays in use", error.message)  # noqa: TRY400  (no traceback for a user's file)
        connection.context = self._newest

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A resumed session would not be asked for a certificate again, whoever its authority is by then.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        try:
            context.load_cert_chain(self._certificate, self._key, password=_no_password)
        except (OSError, ValueError) as error:
            raise InvalidConfig(
                f"{self._certificate} and {self._key} cannot be used as certificate and key: {_reason(error)}",
                hint=_HINT,
            ) from error
        if self._client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            try:
                context.load_verify_locations(self._client_ca)
            except (OSError, ValueError) as error:
                raise InvalidConfig(
                    f"{self._client_ca} cannot be used as the authority of clients: {_reason(error)}", hint=_HINT
                ) from error
        return context

    def _look(self) -> Sequence[Mark]:
        return [mark_of(path) for path in (self._certificate, self._key, self._client_ca) if path is not None]


def _no_password() -> str:
    raise ValueError("the key has a password")


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
