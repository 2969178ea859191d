import asyncio
import ipaddress
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from p2player.errors import InvalidConfig
from p2player.upstream.reasons import NoAnswer
from p2player.upstream.settings import UpstreamSettings
from p2player.upstream.transport import Transport, environment_proxy, follow, read_body

SHOWN = {"Authorization": "Basic c2VjcmV0"}


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def transport():
    transport = Transport()
    yield transport
    await transport.close()


@pytest.fixture
def get(transport):
    """Return a function that gets a URL and returns the answer and its body."""

    async def get(url, *, headers=SHOWN, limit=1000, **settings):
        settings = UpstreamSettings("registry.test", (str(url),), **settings)
        response = await transport.request(settings, "GET", URL(url), headers)
        return response, await read_body(response, limit)

    return get


def redirecting(target, status=307):
    async def handler(request):
        return web.Response(status=status, headers={"Location": str(target)})

    return handler


async def echo(request):
    return web.json_response({name: value for name, value in request.headers.items() if name == "Authorization"})


async def test_credentials_go_along_on_the_same_host_and_never_to_another(serve, get):
    here, elsewhere = await serve(), await serve()
    for server in (here, elsewhere):
        server.instead = {"/echo": echo}
    here.instead |= {"/same": redirecting("/echo"), "/other": redirecting(f"{elsewhere.url}/echo?sig=a%2Fb+c")}
    assert b"Basic" in (await get(f"{here.url}/same"))[1]
    response, body = await get(f"{here.url}/other")
    assert (response.status, body) == (200, b"{}")
    assert elsewhere.requests[-1].raw_path == "/echo?sig=a%2Fb+c"


async def test_credentials_do_not_come_back_with_a_redirect_back(serve, get):
    here, elsewhere = await serve(), await serve()
    here.instead = {"/out": redirecting(f"{elsewhere.url}/back"), "/echo": echo}
    elsewhere.instead = {"/back": redirecting(f"{here.url}/echo")}
    assert (await get(f"{here.url}/out"))[1] == b"{}"


async def test_redirects_without_end_are_given_up(serve, get):
    server = await serve()
    server.instead = {"/round": redirecting("/round")}
    with pytest.raises(NoAnswer, match="redirects more than 5"):
        await get(f"{server.url}/round")
    assert len(server.requests) == 6


@pytest.mark.parametrize("target", ["ftp://a/b", "file:///etc/passwd", "http://[::1", "https://a:99999/"])
async def test_a_redirect_to_no_place_is_refused(serve, get, target):
    server = await serve()
    server.instead = {"/away": redirecting(target)}
    with pytest.raises(NoAnswer, match="no URL"):
        await get(f"{server.url}/away")


def test_nothing_leads_from_https_to_http():
    with pytest.raises(NoAnswer, match="https to http"):
        follow(URL("https://a.test/x"), "http://a.test/y")
    assert follow(URL("http://a.test/x"), "https://a.test/y") == URL("https://a.test/y")


def test_credentials_in_a_link_are_not_used():
    assert follow(URL("https://a.test/x"), "https://u:p@b.test/y") == URL("https://b.test/y")


@given(st.text(max_size=60))
def test_any_link_leads_to_a_web_page_or_nowhere(text):
    try:
        target = follow(URL("https://a.test/x"), text)
    except NoAnswer:
        return
    assert target.scheme == "https"
    assert target.host


async def test_a_body_without_end_is_cut_off(serve, get):
    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(1000))

    server = await serve()
    server.instead = {"/endless": endless}
    with pytest.raises(NoAnswer, match="more than 5000 bytes") as refused:
        await get(f"{server.url}/endless", limit=5000)
    assert not refused.value.again


async def test_huge_headers_are_refused(serve, get):
    async def huge(request):
        return web.Response(headers={"X": "a" * 100_000})

    server = await serve()
    server.instead = {"/huge": huge}
    with pytest.raises(NoAnswer):
        await get(f"{server.url}/huge")


async def test_an_answer_that_is_not_http_is_refused(get):
    async def babble(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NoAnswer, match="HTTP"):
            await get(f"http://127.0.0.1:{port}/")


async def test_a_closed_port_is_nobody_who_answers(get, unused_tcp_port):
    with pytest.raises(NoAnswer) as refused:
        await get(f"http://127.0.0.1:{unused_tcp_port}/")
    assert refused.value.again
    assert not refused.value.reached


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "https://127.0.0.1:1/", "https://[::1]:1/", "https://localhost:1/"]
)
async def test_a_registry_nobody_configured_is_asked_in_public_only(get, url):
    with pytest.raises(NoAnswer, match=r"public|https only") as refused:
        await get(url, public_only=True)
    assert not refused.value.again


async def test_a_configured_registry_may_be_anywhere(serve, get):
    server = await serve()
    server.instead = {"/echo": echo}
    assert (await get(f"{server.url}/echo"))[0].status == 200


async def test_a_proxy_is_asked_with_its_own_login_and_told_the_place(serve, get):
    proxy = await serve()
    proxy.instead = {"/v2/": echo}
    url = proxy.url.replace("http://", "http://user:word@")
    response, _ = await get("http://registry.test/v2/", proxy=url)
    assert response.status == 200
    (request,) = proxy.requests
    assert (request.host, request.headers["Proxy-Authorization"]) == ("registry.test", "Basic dXNlcjp3b3Jk")


async def test_the_environment_names_a_proxy(serve, get, monkeypatch):
    proxy, server = await serve(), await serve()
    proxy.instead = server.instead = {"/v2/": echo}
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "direct.test")
    await get("http://registry.test/v2/")
    await get(f"{server.url}/v2/")
    assert (len(proxy.requests), len(server.requests)) == (1, 1)


def test_the_environment_says_what_is_asked_directly(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", "direct.test,.corp.test")
    asked = {name: environment_proxy(URL(f"https://{name}/")) for name in ("a.test", "direct.test", "x.corp.test")}
    assert asked == {"a.test": "http://proxy.test:3128", "direct.test": None, "x.corp.test": None}
    assert environment_proxy(URL("http://a.test/")) is None
    for host in ("localhost", "127.0.0.2", "[::1]"):
        assert environment_proxy(URL(f"https://{host}/")) is None


async def test_a_place_that_is_not_public_is_not_asked_through_a_proxy_either(serve, get):
    proxy = await serve()
    with pytest.raises(NoAnswer, match="public"):
        await get("https://localhost/v2/", public_only=True, proxy=proxy.url)
    assert not proxy.requests


class Authority:
    """A certificate authority of the test, which writes PEM files below a directory."""

    def __init__(self, directory):
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
        self.path = self._write("ca.pem", self._certificate(self._key, self._name, is_ca=True))

    def _certificate(self, key, name, *, is_ca=False):
        now = datetime.now(UTC)
        usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if not is_ca:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            certificate = certificate.add_extension(x509.SubjectAlternativeName([address]), critical=False)
            certificate = certificate.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        return certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issue(self, name):
        """Return the files of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certificate(key, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        encoded = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return SimpleNamespace(cert=self._write(f"{name}.pem", certificate), key=self._write(f"{name}.key", encoded))

    def _write(self, name, data):
        path = self._directory / name
        path.write_bytes(data)
        return path


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def server_tls(authority):
    issued = authority.issue("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.path)
    context.load_cert_chain(issued.cert, issued.key)
    return context


async def test_an_authority_of_ones_own_is_trusted_where_it_is_named(serve, get, authority, server_tls):
    server = await serve(ssl_context=server_tls)
    server.instead = {"/echo": echo}
    with pytest.raises(NoAnswer, match="certificate") as refused:
        await get(f"{server.url}/echo")
    assert 'ca = "FILE"' in refused.value.hint
    assert (await get(f"{server.url}/echo", ca=authority.path))[0].status == 200


async def test_a_client_certificate_is_shown_to_its_registry_only(serve, get, authority, server_tls):
    server_tls.verify_mode = ssl.CERT_OPTIONAL
    here, elsewhere = await serve(ssl_context=server_tls), await serve(ssl_context=server_tls)
    seen = {}

    def seeing(name, location=None):
        async def handler(request):
            seen[name] = request.transport.get_extra_info("peercert")
            return web.Response(status=307, headers={"Location": location}) if location else web.Response()

        return handler

    here.instead = {"/": seeing("here", f"{elsewhere.url}/")}
    elsewhere.instead = {"/": seeing("elsewhere")}
    client = authority.issue("client")
    await get(f"{here.url}/", ca=authority.path, client_cert=client.cert, client_key=client.key)
    assert seen["here"]
    assert not seen["elsewhere"]


async def test_what_does_not_speak_tls_is_said_to_be_so(serve, get):
    server = await serve()
    with pytest.raises(NoAnswer) as refused:
        await get(server.url.replace("http:", "https:") + "/")
    assert "http://" in refused.value.hint


@pytest.mark.parametrize("key", ["ca", "client_cert"])
@pytest.mark.parametrize("content", [None, "", "nonsense"])
async def test_a_file_that_cannot_be_used_is_an_invalid_config(transport, tmp_path, key, content):
    path = tmp_path / "x.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidConfig, match=rf"registry\.test: {key}: .*x\.pem"):
        transport.tls(UpstreamSettings("registry.test", (), **{key: path}))


@asynccontextmanager
async def a_tunnel():
    """A proxy for https, which makes the connections that it is told to."""
    told = []

    async def pump(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        told.append(head.decode())
        host, _, port = head.split()[1].decode().rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", told
    finally:
        server.close()


async def test_https_goes_through_a_proxy_unseen(serve, get, transport, authority, server_tls):
    server = await serve(ssl_context=server_tls)
    server.instead = {"/echo": echo}
    async with a_tunnel() as (address, told):
        proxy = address.replace("http://", "http://user:word@")
        response, body = await get(f"{server.url}/echo", ca=authority.path, proxy=proxy)
        await transport.close()
    assert (response.status, b"Basic" in body) == (200, True)
    assert told[0].startswith("CONNECT 127.0.0.1:")
    assert "Proxy-Authorization: Basic dXNlcjp3b3Jk" in told[0]
    assert SHOWN["Authorization"] not in told[0]
