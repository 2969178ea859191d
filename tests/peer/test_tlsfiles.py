import datetime as dt
import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from p2player.errors import InvalidConfig
from p2player.peer.ca import Authority
from p2player.peer.tlsfiles import TlsFiles

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
END = NOW + dt.timedelta(days=10)


@pytest.fixture
def authority():
    return Authority.new(NOW)


@pytest.fixture
def files(tmp_path, authority):
    """The three files of a good certificate."""
    files = TlsFiles(tmp_path / "ca.pem", tmp_path / "node.pem", tmp_path / "node.key")
    write(files, authority.issue_until("node", NOW, END))
    return files


def write(files, credential):
    files.ca.write_bytes(credential.root)
    files.certificate.write_bytes(credential.certificate)
    files.key.write_bytes(credential.key)


class OwnCa:
    """A CA that is not p2player's: another kind of key, and whatever extensions are asked for."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self.sign("corp", self.key.public_key(), [x509.BasicConstraints(ca=True, path_length=None)])

    def sign(self, name, public_key, extensions):
        named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "corp")])
        builder = x509.CertificateBuilder().subject_name(named).issuer_name(issuer).public_key(public_key)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(NOW).not_valid_after(END)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, SHA256())

    def write(self, files, name, extensions):
        key = ec.generate_private_key(ec.SECP256R1())
        files.ca.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        files.certificate.write_bytes(self.sign(name, key.public_key(), extensions).public_bytes(Encoding.PEM))
        files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def read(files, now=NOW):
    return files.read(now.timestamp())


def test_good_files_are_read_with_the_end_of_what_ends_first(files, authority):
    credential, expires = read(files)
    assert credential.root == authority.pem
    assert credential.certificate == files.certificate.read_bytes()
    assert expires == END.timestamp()


def test_text_around_a_certificate_is_left_out(files, authority):
    files.ca.write_bytes(b"our CA:\n" + authority.pem + b"\n\n")
    assert read(files)[0].root == authority.pem


@pytest.mark.parametrize(
    ("name", "extensions"),
    [
        ("*", []),
        ("node", [x509.SubjectAlternativeName([x509.DNSName("node"), x509.DNSName("*")])]),
        ("*", [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])]),
    ],
)
def test_certificates_of_another_ca_are_good_if_they_are_for_any_torrent_and_both_ends(files, name, extensions):
    OwnCa().write(files, name, extensions)
    read(files)


@pytest.mark.parametrize(
    ("name", "extensions", "why"),
    [
        ("node", [], "every torrent"),
        ("node", [x509.SubjectAlternativeName([x509.DNSName("*.corp")])], "every torrent"),
        ("*", [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])], "both ends"),
    ],
)
def test_others_are_refused_with_what_to_put_into_them(files, name, extensions, why):
    OwnCa().write(files, name, extensions)
    with pytest.raises(InvalidConfig, match=why) as caught:
        read(files)
    assert "put" in caught.value.hint


@pytest.mark.parametrize("days", [11, 4000])
def test_an_expired_certificate_is_refused(files, days):
    with pytest.raises(InvalidConfig, match="expired") as caught:
        read(files, NOW + dt.timedelta(days=days))
    assert "p2player ca issue" in caught.value.hint


def test_one_that_is_good_only_later_is_refused(files):
    with pytest.raises(InvalidConfig, match="only from") as caught:
        read(files, NOW - dt.timedelta(days=2))
    assert "clock" in caught.value.hint


def test_a_certificate_of_another_ca_is_refused(files):
    files.ca.write_bytes(Authority.new(NOW).pem)
    with pytest.raises(InvalidConfig, match="not issued by"):
        read(files)


def test_a_certificate_that_is_no_ca_is_refused_as_one(files):
    files.ca.write_bytes(files.certificate.read_bytes())
    with pytest.raises(InvalidConfig, match="not the certificate of a CA"):
        read(files)


def test_the_key_of_another_certificate_is_refused(files, authority):
    files.key.write_bytes(authority.issue("other").key)
    with pytest.raises(InvalidConfig, match="not the key of"):
        read(files)


def test_a_key_with_a_password_is_refused(files):
    key = ec.generate_private_key(ec.SECP256R1())
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")))
    with pytest.raises(InvalidConfig, match="without a password"):
        read(files)


@pytest.mark.parametrize("which", ["ca", "certificate", "key"])
@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n", b"\xff\0"])
def test_a_file_that_is_something_else_is_named(files, which, content):
    getattr(files, which).write_bytes(content)
    with pytest.raises(InvalidConfig) as caught:
        read(files)
    assert str(getattr(files, which)) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("which", ["ca", "certificate", "key"])
def test_a_file_that_is_not_there_is_named(files, which):
    getattr(files, which).unlink()
    with pytest.raises(InvalidConfig, match="cannot read"):
        read(files)
    assert files.stamp()


def test_damaged_files_raise_nothing_else(files):
    rng = random.Random(3)
    for _ in range(200):
        path = rng.choice([files.ca, files.certificate, files.key])
        good = path.read_bytes()
        bad = bytearray(good)
        bad[rng.randrange(len(bad))] = rng.randrange(256)
        path.write_bytes(bad)
        try:
            read(files)
        except InvalidConfig:
            pass
        finally:
            path.write_bytes(good)


def test_a_change_of_a_file_can_be_seen(files, authority):
    before = files.stamp()
    assert files.stamp() == before
    write(files, authority.issue_until("again", NOW, END))
    assert files.stamp() != before
