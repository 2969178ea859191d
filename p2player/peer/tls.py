"""What makes connections between nodes private: mutual TLS with the cluster's CA.

The CA is the user's, or is derived from the cluster secret. In a cluster without a secret there is none, and connections
are plain. While a secret is being changed there are two: members of either are let in.
"""

import asyncio
import logging
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from p2player.errors import InvalidConfig
from p2player.peer.ca import Authority, Credential
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret
from p2player.peer.tlsfiles import TlsFiles

log = logging.getLogger(__name__)

Mode = Literal["none", "secret", "ca"]

WARN_SECONDS: Final = 30 * 86400
"""How long before its end a certificate is spoken of."""
_LOOK_SECONDS: Final = 5.0
_WARN_AGAIN_SECONDS: Final = 86400
_NODE: Final = "p2player node"


@dataclass(frozen=True, slots=True)
class Membership:
    """A secret that is accepted now, and what this node shows and asks for under it."""

    secret: ClusterSecret
    credential: Credential


class ClusterTls:
    """The certificates of one node. They follow the keyring and the files, without a restart (`watch`)."""

    def __init__(
        self, keyring: Keyring, files: TlsFiles | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Read the files, if the certificate comes from there. Raises InvalidConfig."""
        self._keyring = keyring
        self._files = files
        self._clock = clock
        self._stamp = files.stamp() if files else ()
        self._given: Credential | None = None
        self._expires: int | None = None
        if files:
            self._given, self._expires = files.read(clock())
        self._derived: dict[ClusterSecret, Credential] = {}
        self._callbacks: list[Callable[[], None]] = []
        self._warned_at = 0.0
        self.memberships: tuple[Membership, ...] = ()
        """The current secret first; none in a cluster without a secret."""
        self._server: ssl.SSLContext | None = None
        self._client: ssl.SSLContext | None = None
        self._renew()
        keyring.on_change(self._follow)

    @property
    def mode(self) -> Mode:
        """Where the certificate comes from."""
        if self._keyring.is_public:
            return "none"
        return "ca" if self._files else "secret"

    @property
    def expires(self) -> int | None:
        """When this node's certificate or its CA's ends (Unix seconds), None if neither does."""
        return self._expires

    def credential(self, root: bytes) -> Credential | None:
        """Return what to show to those whose CA has this certificate, or None if that is no CA of ours."""
        return next((one.credential for one in self.memberships if one.credential.root == root), None)

    @property
    def client(self) -> ssl.SSLContext | None:
        """What to connect to other nodes with now, None for plain connections."""
        return self._client

    def listening(self) -> ssl.SSLContext | None:
        """Return what to listen with, None for plain connections. It follows every change by itself."""
        if self._server is None:
            return None
        context = _context(ssl.PROTOCOL_TLS_SERVER, self.memberships)
        context.sni_callback = self._choose
        return context

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _: str | None, __: ssl.SSLContext) -> None:
        # Called with every hello, whether it names a host or not: the only hook to give it what is good by now.
        if self._server is not None:
            connection.context = self._server

    def is_current(self, transport: asyncio.BaseTransport) -> bool:
        """Tell whether who is at the other end of a connection was asked for a certificate since the last change."""
        connection = transport.get_extra_info("ssl_object")
        return self._server is None or (connection is not None and connection.context is self._server)

    def on_change(self, callback: Callable[[], None]) -> None:
        """Have callback called in the event loop when certificates have changed."""
        self._callbacks.append(callback)

    async def watch(self) -> None:
        """Look at the files every few seconds, and say once a day that a certificate is about to end; for ever."""
        while True:
            self._warn()
            await asyncio.sleep(_LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Take in what the files say now. What cannot be used changes nothing."""
        if self._files is None or (stamp := await asyncio.to_thread(self._files.stamp)) == self._stamp:
            return
        self._stamp = stamp
        try:
            self._given, self._expires = await asyncio.to_thread(self._files.read, self._clock())
        except InvalidConfig as error:
            log.error("%s; the certificate known so far stays in use (%s)", error.message, error.hint)  # noqa: TRY400  (no traceback for a user's file)
            return
        log.info("a new certificate is in use from now on")
        self._warned_at = 0.0
        self._follow()

    def _follow(self) -> None:
        self._renew()
        for callback in self._callbacks:
            try:
                callback()
            except Exception:  # the others must hear of it all the same
                log.exception("a change of certificates was not followed")

    def _renew(self) -> None:
        if self._keyring.is_public:
            return
        accepted = self._keyring.accepted
        self._derived = {secret: self._derived.get(secret) or _derive(secret) for secret in accepted}
        self.memberships = tuple(Membership(secret, self._given or self._derived[secret]) for secret in accepted)
        self._server = _context(ssl.PROTOCOL_TLS_SERVER, self.memberships)
        self._client = _context(ssl.PROTOCOL_TLS_CLIENT, self.memberships)

    def _warn(self) -> None:
        now = self._clock()
        if self._expires is None or now - self._warned_at < _WARN_AGAIN_SECONDS:
            return
        if (left := self._expires - now) < WARN_SECONDS:
            self._warned_at = now
            says = f"ends in {int(left // 86400)} days" if left > 0 else "has ended, and other nodes refuse it"
            log.warning("this node's certificate %s: p2player ca issue makes a new one", says)


def _derive(secret: ClusterSecret) -> Credential:
    return Authority.derived(secret.derive("ca")).issue(_NODE)


def _context(kind: int, memberships: tuple[Membership, ...]) -> ssl.SSLContext:
    """Return what shows the first credential and takes certificates of every CA."""
    context = ssl.SSLContext(kind)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    # A resumed session would not be asked for a certificate again, whoever is let in by then.
    context.options |= ssl.OP_NO_TICKET
    if kind == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    own = memberships[0].credential
    _load(context, own.certificate + own.key)
    for root in dict.fromkeys(one.credential.root for one in memberships):
        context.load_verify_locations(cadata=root.decode("ascii"))
    return context


def _load(context: ssl.SSLContext, chain: bytes) -> None:
    """Give context a certificate and its key. It reads files only: this one has no place on any disk (memfd_create(2))."""
    descriptor = os.memfd_create("p2player certificate")
    try:
        os.write(descriptor, chain)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
