import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from p2player.peer.ca import Authority

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SEED = bytes(range(32))


@given(st.binary(min_size=32, max_size=32))
def test_a_seed_always_makes_the_same_ca(seed):
    assert Authority.derived(seed).pem == Authority.derived(seed).pem


def test_the_ca_of_a_seed_is_the_same_in_every_version_of_p2player():
    fingerprint = Authority.derived(SEED).certificate.fingerprint(SHA256())
    assert fingerprint.hex() == "24c778064bcccd6515a5d8776fa886a79263099e3188768ceb45a08104e8ac69"


def test_another_seed_makes_another_ca_with_another_name():
    one, other = Authority.derived(SEED), Authority.derived(bytes(32))
    assert one.certificate.subject != other.certificate.subject
    assert one.certificate.public_key() != other.certificate.public_key()


def test_the_ca_of_a_seed_and_what_it_issues_never_end():
    authority = Authority.derived(SEED)
    issued = x509.load_pem_x509_certificate(authority.issue("node").certificate)
    for certificate in (authority.certificate, issued):
        assert certificate.not_valid_before_utc.year == 1970
        assert certificate.not_valid_after_utc.year == 9999


def test_what_is_issued_is_of_its_ca_alone():
    one, other = Authority.derived(SEED), Authority.derived(bytes(32))
    credential = one.issue("node")
    assert credential.root == one.pem
    certificate = x509.load_pem_x509_certificate(credential.certificate)
    certificate.verify_directly_issued_by(one.certificate)
    with pytest.raises(ValueError, match="subject"):
        certificate.verify_directly_issued_by(other.certificate)


def test_each_credential_has_a_key_of_its_own():
    authority = Authority.derived(SEED)
    assert authority.issue("a").key != authority.issue("a").key


def test_a_new_ca_lasts_ten_years_and_a_clock_behind_takes_it():
    certificate = Authority.new(NOW).certificate
    assert certificate.not_valid_after_utc.year == 2036
    assert certificate.not_valid_before_utc < NOW
    assert Authority.new(NOW).pem != Authority.new(NOW).pem


def test_a_key_is_not_shown_by_repr():
    authority = Authority.derived(SEED)
    assert "PRIVATE" not in repr(authority.issue("a"))
    assert "key" not in repr(authority)
