"""HTTP to registries: TLS, proxies, redirects and time limits. It knows nothing of what is asked."""

import base64
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Final
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from p2player import __version__
from p2player.errors import InvalidConfig
from p2player.upstream.addresses import NotPublic, PublicResolver, is_address, is_public
from p2player.upstream.reasons import NoAnswer, reason_of
from p2player.upstream.settings import UpstreamSettings

CONNECT_TIMEOUT: Final = 3.0
SILENCE: Final = 10.0
"""Seconds without a byte after which a registry is given up."""
_DIALOG: Final = 30.0
"""Seconds for a whole answer that is not a blob."""
_BUFFER: Final = 1024 * 1024
_MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# What a proxy cannot change: bodies come as they are, unpacked by nobody.
_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": f"p2player/{__version__}"}


class Transport:
    """Connections to all registries, kept open between requests. Made inside a running event loop."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = PublicResolver(resolver)
        self._session = _session(aiohttp.TCPConnector(limit=0))
        self._public_session = _session(aiohttp.TCPConnector(limit=0, resolver=self._resolver))
        self._tls: dict[tuple[UpstreamSettings | None, bool], ssl.SSLContext] = {}

    async def request(
        self,
        settings: UpstreamSettings,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        *,
        form: Mapping[str, str] | None = None,
        whole: bool = True,
        is_own: bool = True,
    ) -> aiohttp.ClientResponse:
        """Return the answer to a request, redirects followed; it is the caller's to release. Raises NoAnswer.

        whole: the body ends within a time limit; is_own: the client certificate may be shown there.
        """
        headers = {**_HEADERS, **headers}
        for _ in range(_MAX_REDIRECTS + 1):
            response = await self._once(settings, method, url, headers, form, whole=whole, is_own=is_own)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None or form is not None:
                return response
            response.release()
            target = follow(url, location)
            if target.origin() != url.origin():
                is_own = False
                headers.pop("Authorization", None)
            url = target
        raise NoAnswer(f"it redirects more than {_MAX_REDIRECTS} times", again=False)

    async def _once(
        self,
        settings: UpstreamSettings,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None,
        *,
        whole: bool,
        is_own: bool,
    ) -> aiohttp.ClientResponse:
        proxy = settings.proxy or environment_proxy(url)
        try:
            if settings.public_only:
                await self._refuse_private(url, has_proxy=proxy is not None)
            session = self._public_session if settings.public_only and not proxy else self._session
            login, place = _split_proxy(proxy)
            is_tls = url.scheme == "https"
            if not is_tls:
                headers = {**headers, **login}  # read by the proxy, which passes the rest on
            return await session.request(
                method,
                url,
                headers=headers,
                data=form,
                proxy=place,
                proxy_headers=login if is_tls else None,
                ssl=self.tls(settings, is_own=is_own) if is_tls else True,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=_DIALOG if whole else None,
                    connect=CONNECT_TIMEOUT + 2,  # the name's look-up counts here
                    sock_connect=CONNECT_TIMEOUT,
                    sock_read=SILENCE,
                ),
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise reason_of(error) from error

    async def _refuse_private(self, url: URL, *, has_proxy: bool) -> None:
        """Refuse a place that is not public, as far as it can be told before connecting to it."""
        host = url.host or ""
        if url.scheme != "https":
            raise NoAnswer("a registry that was not configured is asked over https only", again=False)
        if is_address(host) and not is_public(host):
            raise NotPublic(f"{host} is no public address")
        if has_proxy and not is_address(host):
            # The proxy makes the connection; all that can be looked at is what the name means here.
            await self._resolver.resolve(host, url.port or 443)

    def tls(self, settings: UpstreamSettings, *, is_own: bool = True) -> ssl.SSLContext:
        """Return what is trusted for a registry and, at its own address, shown to it. Raises InvalidConfig."""
        shows = is_own and settings.client_cert is not None
        key = (settings if settings.ca or shows else None, shows)
        if key not in self._tls:
            self._tls[key] = _tls(settings, shows=shows)
        return self._tls[key]

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        await self._public_session.close()
        await self._resolver.close()


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return the body of an answer and release it. Raises NoAnswer if it breaks off or is longer than limit bytes."""
    data = bytearray()
    async with response:
        try:
            async for chunk in response.content.iter_any():
                data += chunk
                if len(data) > limit:
                    raise NoAnswer(f"it sent more than {limit} bytes", again=False)
        except (aiohttp.ClientError, OSError) as error:
            raise reason_of(error) from error
    return bytes(data)


def follow(url: URL, location: str) -> URL:
    """Return where a Location or Link of an answer from url leads. Raises NoAnswer if nobody should go there."""
    try:
        # A signed URL is signed as it is written, so only what could not be sent is quoted.
        as_written = location.isascii() and location.isprintable() and " " not in location
        target = url.join(URL(location, encoded=as_written))
        fits = bool(location and target.host) and target.scheme in {"http", "https"} and target.port is not None
    except ValueError:
        fits = False
    if not fits:
        raise NoAnswer("it points to what is no URL", again=False)
    if url.scheme == "https" and target.scheme != "https":
        raise NoAnswer("it points from https to http", again=False)
    return target.with_user(None) if target.user is not None or target.password is not None else target


def environment_proxy(url: URL) -> str | None:
    """Return the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY mean for url; this machine is asked directly."""
    host = url.host or ""
    proxies = getproxies_environment()
    proxy = proxies.get(url.scheme)
    if not proxy or _is_this_machine(host) or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_this_machine(host: str) -> bool:
    return host in {"localhost", "::1"} or (is_address(host) and host.startswith("127."))


def _split_proxy(proxy: str | None) -> tuple[dict[str, str], URL | None]:
    """Return the header that logs in to a proxy, if any, and the proxy's URL without the login."""
    if proxy is None:
        return {}, None
    url = URL(proxy)
    if url.user is None:
        return {}, url
    login = base64.b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
    return {"Proxy-Authorization": f"Basic {login}"}, url.with_user(None)


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=_BUFFER,
        # Proxies are looked up here: with them would come the logins of ~/.netrc.
        trust_env=False,
    )


def _tls(settings: UpstreamSettings, *, shows: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        if settings.ca is not None:
            context.load_verify_locations(settings.ca)
    except (OSError, ssl.SSLError) as error:
        raise _unusable(settings, "ca", str(settings.ca), error) from error
    if shows and settings.client_cert is not None:
        try:
            context.load_cert_chain(settings.client_cert, settings.client_key, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise _unusable(settings, "client_cert", str(settings.client_cert), error) from error
    with suppress(NotImplementedError):
        context.set_alpn_protocols(["http/1.1"])
    return context


def _no_password() -> str:
    raise ValueError("its key is encrypted")  # else OpenSSL would ask for it on the terminal


def _unusable(settings: UpstreamSettings, key: str, path: str, error: Exception) -> InvalidConfig:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return InvalidConfig(
        f"upstream: {settings.registry}: {key}: cannot use {path}: {reason}", hint="it has to be a PEM file"
    )
