import asyncio
import datetime as dt
import logging
import ssl
from contextlib import suppress

import pytest

from p2player.peer.ca import Authority
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret
from p2player.peer.tls import ClusterTls
from p2player.peer.tlsfiles import TlsFiles

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
ONE, TWO = "one secret of the cluster", "two, the one after it"


class Clock:
    def __init__(self):
        self.now = NOW.timestamp()

    def __call__(self):
        return self.now

    def advance(self, delta):
        self.now += delta.total_seconds()


@pytest.fixture
def clock():
    return Clock()


def with_secret(text):
    return ClusterTls(Keyring.of(ClusterSecret(text.encode())))


class Files:
    """The files of a node's certificate."""

    def __init__(self, root, authority):
        self.authority = authority
        self.paths = TlsFiles(root / "ca.pem", root / "node.pem", root / "node.key")
        self.issue(NOW + 100 * DAY)

    def issue(self, end):
        credential = self.authority.issue_until("node", NOW, end)
        self.paths.ca.write_bytes(credential.root)
        self.paths.certificate.write_bytes(credential.certificate)
        self.paths.key.write_bytes(credential.key)


@pytest.fixture
def authority():
    return Authority.new(NOW - 30 * DAY)


@pytest.fixture
def files(tmp_path, authority):
    return Files(tmp_path, authority)


def shake(client, server):
    """Return the certificates that the server and the client see of each other, or raise what ssl does."""
    ends = []
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends.append(server.wrap_bio(to_server, to_client, server_side=True))
    ends.append(client.wrap_bio(to_client, to_server))
    left = set(ends)
    for _ in range(10):
        for end in list(left):
            try:
                end.do_handshake()
                left.discard(end)
            except ssl.SSLWantReadError:
                pass
    assert not left
    return tuple(end.getpeercert(binary_form=True) for end in ends)


def get_in(client, server):
    try:
        shake(client.client, server.listening())
    except ssl.SSLError:
        return False
    return True


def test_nodes_of_one_secret_know_each_other_and_others_do_not():
    assert get_in(with_secret(ONE), with_secret(ONE))
    assert not get_in(with_secret(ONE), with_secret(TWO))


def test_each_node_has_a_certificate_of_its_own():
    one, other = with_secret(ONE), with_secret(ONE)
    seen = shake(one.client, other.listening())
    assert seen[0] != seen[1]
    assert one.memberships[0].credential.root == other.memberships[0].credential.root


def test_nothing_older_than_tls_1_3_is_spoken():
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode, old.maximum_version = False, ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shake(old, with_secret(ONE).listening())


def test_without_a_secret_there_is_no_tls():
    tls = ClusterTls(Keyring.of(ClusterSecret()))
    assert (tls.mode, tls.expires, tls.client, tls.listening(), tls.memberships) == ("none", None, None, None, ())


def test_derived_certificates_have_no_end():
    tls = with_secret(ONE)
    assert (tls.mode, tls.expires) == ("secret", None)


def rotating(tmp_path, clock, *, name="secret"):
    path = tmp_path / name
    path.touch(0o600)
    begins = NOW + DAY
    path.write_text(f"{ONE.replace(' ', '-')}\n{TWO.replace(' ', '-')} from {begins:%Y-%m-%dT%H:%M:%SZ}\n")
    return Keyring.open(path, clock)


async def test_while_a_secret_is_changed_members_of_either_are_let_in(tmp_path, clock):
    keyring = rotating(tmp_path, clock)
    tls, other = ClusterTls(keyring, clock=clock), ClusterTls(rotating(tmp_path, clock, name="other"), clock=clock)
    old, new = with_secret(ONE.replace(" ", "-")), with_secret(TWO.replace(" ", "-"))
    listening = tls.listening()
    changes = []
    tls.on_change(lambda: changes.append(tls.memberships[0].secret.raw))

    def let_in():
        found = []
        for client in (old, new, other):
            try:
                shake(client.client, listening)
            except ssl.SSLError:
                found.append(False)
            else:
                found.append(True)
        return found

    # Who knows one secret alone trusts only those who show a certificate of it, so that it sees when it is out.
    assert let_in() == [True, False, True]
    clock.advance(1.5 * DAY)
    await keyring.look()
    assert let_in() == [False, True, True]
    await other._keyring.look()
    assert let_in() == [False, True, True]
    clock.advance(2 * DAY)
    await keyring.look()
    assert let_in() == [False, True, True]
    assert len(tls.memberships) == 1
    assert changes == [TWO.replace(" ", "-").encode()] * 2


async def test_the_certificate_of_the_one_before_is_taken_until_its_overlap_ends(tmp_path, clock):
    keyring = rotating(tmp_path, clock)
    tls = ClusterTls(keyring, clock=clock)
    listening, late = tls.listening(), with_secret(ONE.replace(" ", "-")).client
    late.verify_mode = ssl.CERT_NONE
    clock.advance(1.5 * DAY)
    await keyring.look()
    shake(late, listening)
    clock.advance(DAY)
    await keyring.look()
    with pytest.raises(ssl.SSLError):
        shake(late, listening)


def test_a_session_of_before_cannot_be_resumed():
    tls = with_secret(ONE)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = tls.listening().wrap_bio(to_server, to_client, server_side=True)
    client = tls.client.wrap_bio(to_client, to_server)
    for end in (client, server, client, server, client):
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    server.write(b"x")
    assert client.read() == b"x"
    assert client.session is None or not client.session.has_ticket


def test_certificates_from_files_are_those_that_are_shown(files, clock):
    tls = ClusterTls(Keyring.of(ClusterSecret(ONE.encode())), files.paths, clock=clock)
    assert tls.mode == "ca"
    assert tls.expires == int((NOW + 100 * DAY).timestamp())
    assert get_in(tls, tls)
    assert not get_in(with_secret(ONE), tls), "who knows the secret but has no certificate stays outside"
    assert tls.credential(files.authority.pem) == tls.memberships[0].credential
    assert tls.credential(b"another") is None


async def test_a_new_certificate_is_taken_in_while_running(files, clock, caplog):
    tls = ClusterTls(Keyring.of(ClusterSecret(ONE.encode())), files.paths, clock=clock)
    listening = tls.listening()
    changes = []
    tls.on_change(lambda: changes.append(1))
    await tls.look()
    assert not changes
    before = shake(tls.client, listening)
    files.issue(NOW + 200 * DAY)
    await tls.look()
    assert tls.expires == int((NOW + 200 * DAY).timestamp())
    assert set(shake(tls.client, listening)).isdisjoint(before)
    assert changes == [1]


async def test_a_callback_that_fails_keeps_nobody_else_from_hearing(files, clock, caplog):
    tls = ClusterTls(Keyring.of(ClusterSecret(ONE.encode())), files.paths, clock=clock)
    changes = []
    tls.on_change(lambda: changes[1])
    tls.on_change(lambda: changes.append(1))
    files.issue(NOW + 200 * DAY)
    await tls.look()
    assert changes == [1]
    assert "was not followed" in caplog.text


async def test_one_that_cannot_be_used_changes_nothing_and_is_logged_once(files, clock, caplog):
    tls = ClusterTls(Keyring.of(ClusterSecret(ONE.encode())), files.paths, clock=clock)
    files.paths.key.write_text("half a key")
    for _ in range(3):
        await tls.look()
    assert caplog.text.count("stays in use") == 1
    assert get_in(tls, tls)
    files.issue(NOW + 200 * DAY)
    await tls.look()
    assert tls.expires == int((NOW + 200 * DAY).timestamp())


async def test_an_expired_certificate_keeps_a_node_out(tmp_path, authority, clock):
    files = Files(tmp_path, authority)
    good = ClusterTls(Keyring.of(ClusterSecret(ONE.encode())), files.paths, clock=clock)
    credential = authority.issue_until("late", NOW - 20 * DAY, NOW - DAY)
    files.paths.certificate.write_bytes(credential.certificate)
    files.paths.key.write_bytes(credential.key)
    late = ClusterTls(Keyring.of(ClusterSecret(ONE.encode())), files.paths, clock=lambda: clock() - 3 * 86400)
    assert not get_in(late, good)
    assert not get_in(good, late)


@pytest.mark.parametrize(("left", "said"), [(31 * DAY, 0), (29 * DAY, 1), (-DAY, 1)])
async def test_the_end_of_a_certificate_is_spoken_of_once_a_day(files, clock, caplog, left, said):
    tls = ClusterTls(Keyring.of(ClusterSecret(ONE.encode())), files.paths, clock=clock)
    clock.advance(100 * DAY - left)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with suppress(TimeoutError):
                await asyncio.wait_for(tls.watch(), 0.01)
    assert caplog.text.count("p2player ca issue") == said
