"""Check of the registry endpoint: does it answer as one, over TLS too, and how long is its certificate good."""

import asyncio
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import aiohttp
from cryptography import x509

from p2player.config import HostPort
from p2player.control.messages import Status
from p2player.doctor.finding import Finding
from p2player.runtime.setup.target import reached

_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
_RENEW: Final = timedelta(days=14)
_CHALLENGE: Final = 'Basic realm="p2player"'
_FIX: Final = "restart the daemon; if that does not help, see its log"


async def endpoint_finding(status: Status) -> Finding:
    """Tell whether the registry endpoint answers as one. Who may use it only a runtime's own pull can tell."""
    address, asks = reached(HostPort.parse(status.registry)), status.registry_asks
    wanted = " and a ".join(each for each in asks if each != "tls")
    finding = Finding("endpoint", "ok", f"runtimes can pull from {address}{f' with a {wanted}' if wanted else ''}")
    try:
        if "tls" in asks:
            finding = _dated(finding, await _expiry(address))
        # Who has no certificate to show gets no answer.
        answer = "" if "certificate" in asks else await _answer(address, over_tls="tls" in asks)
    except (OSError, aiohttp.ClientError, TimeoutError, ValueError) as error:
        answer = str(error) or "nothing within 5 s"
    if answer:
        return Finding("endpoint", "fail", f"{address} does not answer as a registry: {answer}", _FIX)
    return finding


async def _answer(address: HostPort, *, over_tls: bool) -> str:
    """Return nothing if it is an endpoint that answers there, or else what it said."""
    url = f"{'https' if over_tls else 'http'}://{address}/v2/"
    async with (
        aiohttp.ClientSession(timeout=_TIMEOUT) as session,
        session.get(url, ssl=_whoever() if over_tls else True) as response,
    ):
        asks_for_token = response.status == 401 and response.headers.get("WWW-Authenticate") == _CHALLENGE
        return "" if response.status == 200 or asks_for_token else str(response.status)


async def _expiry(address: HostPort) -> datetime:
    """Return until when the certificate is good that is shown there."""
    async with asyncio.timeout(_TIMEOUT.total):
        _, writer = await asyncio.open_connection(address.host, address.port, ssl=_whoever())
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(shown).not_valid_after_utc
    finally:
        writer.transport.abort()


def _dated(finding: Finding, expiry: datetime) -> Finding:
    left = expiry - datetime.now(UTC)
    if left >= _RENEW:
        return finding
    fix = "renew the files of --registry-cert and --registry-key; the daemon takes them up by itself"
    if left <= timedelta():
        return replace(
            finding, state="fail", message=f"its certificate has expired at {expiry:%Y-%m-%d %H:%M} UTC", fix=fix
        )
    return replace(finding, state="warn", message=f"its certificate expires at {expiry:%Y-%m-%d %H:%M} UTC", fix=fix)


def _whoever() -> ssl.SSLContext:
    """Return a context that believes any certificate: whether it is a good one is for the runtimes to say."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
