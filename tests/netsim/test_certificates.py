import socket
import ssl
import threading

import pytest

from netsim.emulate.certificates import Authority


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def greet(authority, client, name="127.0.0.1"):
    """Return what a server with a certificate for 127.0.0.1 says to a client that expects to reach name."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*authority.issue("127.0.0.1"))
    ours, theirs = socket.socketpair()

    def serve():
        try:
            with server.wrap_socket(theirs, server_side=True) as connection:
                connection.sendall(b"hello")
        except (ssl.SSLError, ConnectionError):
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ours, client.wrap_socket(ours, server_hostname=name) as connection:
            return connection.recv(5)
    finally:
        ours.close()
        thread.join()


def test_whoever_trusts_the_authority_trusts_its_servers(authority):
    assert greet(authority, ssl.create_default_context(cafile=authority.ca)) == b"hello"


def test_nobody_else_trusts_them(authority):
    with pytest.raises(ssl.SSLCertVerificationError):
        greet(authority, ssl.create_default_context())


def test_a_certificate_is_for_its_address_alone(authority):
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        greet(authority, ssl.create_default_context(cafile=authority.ca), "127.0.0.2")
