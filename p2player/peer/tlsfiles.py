"""A certificate, its key and its CA as the user gives them: files, checked before anything is done with them."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from p2player.errors import InvalidConfig
from p2player.peer.ca import ANY_TORRENT, Credential

_ISSUE: Final = "make one with: p2player ca issue DIR NAME"
_BOTH_ENDS: Final = frozenset({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH})


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the certificate of the CA, and this node's certificate and key are. All are PEM."""

    ca: Path
    certificate: Path
    key: Path

    def read(self, now: float) -> tuple[Credential, int]:
        """Return what is in the files, and until when it is good (Unix seconds). Raises InvalidConfig."""
        root, certificate, key = _read(self.ca), _read(self.certificate), _read(self.key)
        ca, own = _certificate(root, self.ca), _certificate(certificate, self.certificate)
        self._check_key(own, key)
        self._check_issuer(own, ca)
        self._check_use(own)
        when = dt.datetime.fromtimestamp(now, dt.UTC)
        for one, path in ((ca, self.ca), (own, self.certificate)):
            _check_dates(one, path, when)
        # What was read is passed on as this library writes it: one certificate each, and no text around it.
        found = Credential(ca.public_bytes(Encoding.PEM), own.public_bytes(Encoding.PEM), key)
        return found, int(min(ca.not_valid_after_utc, own.not_valid_after_utc).timestamp())

    def stamp(self) -> tuple[object, ...]:
        """Return something that changes when a file does."""
        return tuple(_stamp(path) for path in (self.ca, self.certificate, self.key))

    def _check_key(self, own: x509.Certificate, key: bytes) -> None:
        try:
            public = load_pem_private_key(key, password=None).public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise InvalidConfig(
                f"{self.key} holds no private key that can be read (PEM, without a password)", hint=_ISSUE
            ) from error
        spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if public.public_bytes(*spki) != own.public_key().public_bytes(*spki):
            raise InvalidConfig(
                f"{self.key} is not the key of {self.certificate}", hint="give both files of the same certificate"
            )

    def _check_issuer(self, own: x509.Certificate, ca: x509.Certificate) -> None:
        try:
            is_ca = ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except x509.ExtensionNotFound:
            is_ca = False
        if not is_ca:
            raise InvalidConfig(f"{self.ca} is not the certificate of a CA", hint="make one with: p2player ca init DIR")
        try:
            own.verify_directly_issued_by(ca)
        except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise InvalidConfig(
                f"{self.certificate} was not issued by {self.ca} itself",
                hint="all nodes need certificates that one CA has signed, with none in between",
            ) from error

    def _check_use(self, own: x509.Certificate) -> None:
        try:
            names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            alternative = names.get_values_for_type(x509.DNSName)
        except x509.ExtensionNotFound:
            alternative = []
        common = [one.value for one in own.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        if ANY_TORRENT not in (*alternative, *common):
            raise InvalidConfig(
                f"{self.certificate} is not made out to every torrent",
                hint="put the DNS name * into it (subjectAltName = DNS:*); BitTorrent clients ask for that",
            )
        try:
            uses = own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            return
        if not set(uses) >= _BOTH_ENDS:
            raise InvalidConfig(
                f"{self.certificate} is not for both ends of a connection",
                hint="put serverAuth and clientAuth into its extended key usage, or leave that out",
            )


def _check_dates(certificate: x509.Certificate, path: Path, now: dt.datetime) -> None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end:
        raise InvalidConfig(f"{path} expired at {end:%Y-%m-%d %H:%M} UTC", hint=_ISSUE)
    if now < begin:
        raise InvalidConfig(
            f"{path} is good only from {begin:%Y-%m-%d %H:%M} UTC on", hint="is the clock of this machine right?"
        )


def _certificate(data: bytes, path: Path) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(data)
        # These are parsed only when they are asked for.
        certificate.public_key()
        certificate.extensions  # noqa: B018
        certificate.subject  # noqa: B018
        certificate.not_valid_before_utc  # noqa: B018
        certificate.not_valid_after_utc  # noqa: B018
    except Exception as error:  # the library has no common class for what it finds wrong
        raise InvalidConfig(f"{path} holds no certificate that can be read (PEM)", hint=_ISSUE) from error
    return certificate


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidConfig(f"cannot read {path}: {error.strerror}", hint=_ISSUE) from error


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
