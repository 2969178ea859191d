"""X.509: the CA of a cluster, and the certificates by which its nodes know each other.

With a cluster secret and nothing else, every node makes the same CA of it: the key is derived, Ed25519 signatures are
deterministic (RFC 8032), and nothing in the certificate depends on a clock. Names say nothing here: who has a certificate
of the CA is a member. `*` is in every certificate since libtorrent takes only those made out to the torrent or to that.
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ANY_TORRENT: Final = "*"
# RFC 5280 section 4.1.2.5: the end of a certificate that has none. A wrong clock then does not keep a node out.
_FOREVER: Final = (
    dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
    dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
)
_DERIVED_SERIAL: Final = 1
# So that a node whose clock is behind takes a certificate on the day it was made.
_BACKDATED: Final = dt.timedelta(days=1)
_CA_DAYS: Final = 3653


@dataclass(frozen=True, slots=True)
class Credential:
    """What a node shows and what it asks for: its certificate and key, and the CA's certificate. All are PEM."""

    root: bytes
    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA with its key."""

    certificate: x509.Certificate
    _key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def derived(cls, seed: bytes) -> Self:
        """Return the CA of a 32-byte seed; the same seed gives the same certificate, to the byte."""
        return cls._make(Ed25519PrivateKey.from_private_bytes(seed), _FOREVER, _DERIVED_SERIAL)

    @classmethod
    def new(cls, now: dt.datetime) -> Self:
        """Return a new CA that is good for ten years from now."""
        validity = (now - _BACKDATED, now + dt.timedelta(days=_CA_DAYS))
        return cls._make(Ed25519PrivateKey.generate(), validity, x509.random_serial_number())

    @classmethod
    def _make(cls, key: Ed25519PrivateKey, validity: tuple[dt.datetime, ...], serial: int) -> Self:
        # OpenSSL looks for an issuer by its name first, so that each CA has one of its own.
        mark = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        name = _name(f"p2player {mark.digest[:4].hex()}")
        builder = _builder(name, name, key.public_key(), serial, validity)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(certificates=True), critical=True)
        builder = builder.add_extension(mark, critical=False)
        return cls(builder.sign(key, None), key)

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key, in PKCS #8 without a password."""
        return _key_pem(self._key)

    def issue(self, name: str) -> Credential:
        """Return the credential of a new key that is good for ever."""
        return self._issue(name, _FOREVER)

    def issue_until(self, name: str, now: dt.datetime, end: dt.datetime) -> Credential:
        """Return the credential of a new key that is good from now to end."""
        return self._issue(name, (now - _BACKDATED, end))

    def _issue(self, name: str, validity: tuple[dt.datetime, ...]) -> Credential:
        key = Ed25519PrivateKey.generate()
        builder = _builder(
            _name(name), self.certificate.subject, key.public_key(), x509.random_serial_number(), validity
        )
        for extension, critical in (
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(certificates=False), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False),
            (x509.SubjectAlternativeName([x509.DNSName(ANY_TORRENT)]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False),
        ):
            builder = builder.add_extension(extension, critical)
        certificate = builder.sign(self._key, None)
        return Credential(self.pem, certificate.public_bytes(Encoding.PEM), _key_pem(key))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: Ed25519PublicKey,
    serial: int,
    validity: tuple[dt.datetime, ...],
) -> x509.CertificateBuilder:
    begin, end = validity
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        key_cert_sign=certificates,
        crl_sign=certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
