"""A certificate authority that nobody knows, and what it certifies."""

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

_LIFETIME = dt.timedelta(days=1)


class Authority:
    """An authority that lives for a day. Its certificate is all there is in the directory `trust`, as the file `ca`."""

    def __init__(self, root: Path) -> None:
        """Make it, with all its files below the directory root."""
        self._root = root
        self.trust = root / "trust"
        self.trust.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = common_name("netsim authority")
        public = self._key.public_key()
        certificate = (
            certificate_of(self._name, self._name, public)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.ca = self.trust / "ca.crt"
        self.ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, address: str) -> tuple[Path, Path]:
        """Return the files of a certificate, and of its private key, for a server at an IP address."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        certificate = (
            certificate_of(common_name(address), self._name, key.public_key())
            .add_extension(alternatives, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        files = self._root / f"{address}.crt", self._root / f"{address}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files


def certificate_of(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
) -> x509.CertificateBuilder:
    """Return what is to be signed, good since yesterday and until tomorrow."""
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LIFETIME)
        .not_valid_after(now + _LIFETIME)
    )


def common_name(text: str) -> x509.Name:
    """Return the name of somebody of whom nothing else is said."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
