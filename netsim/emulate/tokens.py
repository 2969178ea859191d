"""A token server, as registries have them beside them: whoever may have a thing gets a signed token that says so.

https://distribution.github.io/distribution/spec/auth/token/ and .../jwt/
"""

import base64
import binascii
import json
import threading
import time
from collections.abc import Collection, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from netsim.emulate.certificates import certificate_of, common_name

_LIFETIME_SECONDS = 300


class TokenServer:
    """A token server on loopback, answering while its context lasts. Users may have everything, others only pull `public`.

    `certificate` is a file with what registries check tokens by.
    """

    service = "netsim registry"
    issuer = "netsim tokens"

    def __init__(self, root: Path, *, users: Mapping[str, str], public: Collection[str] = ()) -> None:
        """Let in users, by name with their passwords, and everybody to the repositories of public."""
        self.users = users
        self.public = public
        self.granted = 0
        """Tokens given out so far."""
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._certificate = _self_signed(self._key)
        self.certificate = root / "tokens.crt"
        self.certificate.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        tokens = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                tokens._answer(self)

            def do_POST(self) -> None:
                # only the older of the two ways to ask; clients fall back to it
                self.send_error(405)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def realm(self) -> str:
        """The URL at which tokens are asked for."""
        return f"http://127.0.0.1:{self._server.server_port}/token"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def token(self, scopes: Collection[str], user: str = "") -> str:
        """Return a token for as much of scopes (`repository:NAME:ACTION,ACTION`) as user, or nobody, may have."""
        access = [
            {"type": kind, "name": name, "actions": allowed}
            for kind, name, actions in (_parts(scope) for scope in scopes)
            if (allowed := actions if user else ["pull"] if "pull" in actions and name in self.public else [])
        ]
        now = int(time.time())
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(_der(self._certificate)).decode()]}
        claims = {
            "iss": self.issuer,
            "sub": user,
            "aud": self.service,
            "exp": now + _LIFETIME_SECONDS,
            "nbf": now - 10,
            "iat": now,
            "jti": f"{now}-{self.granted}",
            "access": access,
        }
        signed = f"{_encoded(header)}.{_encoded(claims)}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64url(signature)}"

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        user = self._user(request.headers.get("Authorization", ""))
        if user is None:
            request.send_error(401)
            return
        asked = parse_qs(urlsplit(request.path).query)
        self.granted += 1
        token = self.token([scope for value in asked.get("scope", []) for scope in value.split()], user)
        body = json.dumps({"token": token, "access_token": token, "expires_in": _LIFETIME_SECONDS}).encode()
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _user(self, authorization: str) -> str | None:
        """Return who asks, "" if nobody says who, None if the password is wrong."""
        scheme, _, encoded = authorization.partition(" ")
        if not authorization:
            return ""
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return user if scheme.lower() == "basic" and user and self.users.get(user) == password else None


def _parts(scope: str) -> tuple[str, str, list[str]]:
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return kind, name, actions.split(",")


def _self_signed(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = common_name(TokenServer.issuer)
    return certificate_of(name, name, key.public_key()).sign(key, hashes.SHA256())


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _encoded(part: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(part, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
