import asyncio
import logging
import shutil
import ssl

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization as form

from netsim.emulate.certificates import Authority
from p2player.counters import Counters
from p2player.errors import InvalidConfig
from p2player.pull.memory import MemoryLibrary
from p2player.registry.certificates import EndpointTls
from p2player.registry.endpoint import Endpoint


@pytest.fixture
def make_authority(tmp_path):
    def make(name):
        (tmp_path / name).mkdir()
        return Authority(tmp_path / name)

    return make


@pytest.fixture
def authority(make_authority):
    return make_authority("ours")


@pytest.fixture
def other(make_authority):
    return make_authority("other")


@pytest.fixture
async def serve():
    """Start an endpoint with this TLS, and return its URL."""
    running = []

    async def serve(tls):
        endpoint = Endpoint(MemoryLibrary(), Counters(), tls=tls)
        running.append(endpoint)
        _, port = await endpoint.start("127.0.0.1", 0)
        return f"https://127.0.0.1:{port}/v2/"

    yield serve
    for endpoint in running:
        await endpoint.close()


def trusting(authority, client=None):
    context = ssl.create_default_context(cafile=authority.ca)
    if client is not None:
        context.load_cert_chain(*client)
    return context


async def status(url, context):
    """Return the status of an answer over a new connection, or 0 if there is none."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url, ssl=context) as response:
            return response.status
    except (aiohttp.ClientError, ssl.SSLError):
        return 0


async def test_it_speaks_tls_with_its_certificate_and_nothing_else(serve, authority, other):
    url = await serve(EndpointTls(*authority.issue("127.0.0.1")))
    assert await status(url, trusting(authority)) == 200
    assert await status(url, trusting(other)) == 0
    assert await status(url.replace("https", "http"), None) == 0


async def test_without_a_certificate_there_is_no_tls():
    assert EndpointTls.open(None, None, None) is None


async def test_a_renewed_certificate_is_shown_without_a_restart(serve, authority, other):
    files = authority.issue("127.0.0.1")
    url = await serve(EndpointTls(*files))
    assert await status(url, trusting(authority)) == 200
    for new, old in zip(other.issue("127.0.0.1"), files, strict=True):
        shutil.copy(new, old)
    assert await status(url, trusting(other)) == 200
    assert await status(url, trusting(authority)) == 0


async def test_a_half_written_certificate_changes_nothing_and_is_told_of_once(serve, authority, other, caplog):
    certificate, key = authority.issue("127.0.0.1")
    url = await serve(EndpointTls(certificate, key))
    new_certificate, new_key = other.issue("127.0.0.1")
    shutil.copy(new_certificate, certificate)
    with caplog.at_level(logging.ERROR):
        assert [await status(url, trusting(authority)) for _ in range(2)] == [200, 200]
    assert len(caplog.records) == 1
    shutil.copy(new_key, key)
    assert await status(url, trusting(other)) == 200


async def test_clients_of_the_authority_get_in_and_no_others(serve, authority, other):
    url = await serve(EndpointTls(*authority.issue("127.0.0.1"), other.ca))
    assert await status(url, trusting(authority, other.issue("127.0.0.2"))) == 200
    assert await status(url, trusting(authority, authority.issue("127.0.0.2"))) == 0
    assert await status(url, trusting(authority)) == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_another_authority_of_clients_counts_without_a_restart_and_the_old_one_no_more(
    serve, authority, other, tmp_path, version
):
    clients = shutil.copy(other.ca, tmp_path / "clients.crt")
    url = await serve(EndpointTls(*authority.issue("127.0.0.1"), clients))
    old, new = (trusting(authority, who.issue("127.0.0.2")) for who in (other, authority))
    for context in (old, new):
        context.maximum_version = version
    assert [await status(url, context) for context in (old, new)] == [200, 0]
    shutil.copy(authority.ca, clients)
    assert [await status(url, context) for context in (old, new)] == [0, 200]


@pytest.mark.parametrize("spoilt", ["certificate", "key", "authority"])
def test_files_that_are_no_certificates_are_refused_by_name(tmp_path, authority, spoilt):
    certificate, key = authority.issue("127.0.0.1")
    files = {"certificate": certificate, "key": key, "authority": authority.ca}
    for text in ("nonsense", None):
        files[spoilt] = tmp_path / "spoilt.pem"
        files[spoilt].unlink(missing_ok=True)
        if text is not None:
            files[spoilt].write_text(text)
        with pytest.raises(InvalidConfig, match="spoilt") as refused:
            EndpointTls(*files.values())
        assert "PEM" in refused.value.hint


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(authority, tmp_path):
    certificate, key = authority.issue("127.0.0.1")
    private = form.load_pem_private_key(key.read_bytes(), None)
    locked = private.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"a password")
    )
    (tmp_path / "locked.key").write_bytes(locked)
    with pytest.raises(InvalidConfig, match="password"):
        EndpointTls(certificate, tmp_path / "locked.key")


async def test_a_client_that_is_slow_with_its_hello_holds_up_nobody(serve, authority):
    url = await serve(EndpointTls(*authority.issue("127.0.0.1")))
    port = int(url.split(":")[2].split("/")[0])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x16\x03")
    assert await status(url, trusting(authority)) == 200
    writer.close()
