"""A client of a registry endpoint that asks as container runtimes do, and checks every byte it gets."""

import hashlib
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Final

from netsim.emulate.asking import content_of
from netsim.emulate.processes import ProgramError
from netsim.image import MANIFEST

_CHUNK: Final = 1 << 20


class NotVerifiedError(ProgramError):
    """Bytes that are not what their digest says."""


@dataclass(frozen=True, slots=True)
class Received:
    """Content that arrived whole, and that is what its digest says."""

    digest: str
    size: int
    seconds: float


class RegistryClient:
    """Pulls from the endpoint at HOST:PORT. Its methods raise ProgramError, or NotVerifiedError where bytes are wrong."""

    def __init__(self, address: str) -> None:
        self._address = address

    def manifest(self, repository: str, tag: str) -> tuple[Received, bytes]:
        """Return the manifest that a tag means now."""
        began = time.perf_counter()
        with self._get(f"/v2/{repository}/manifests/{tag}") as response:
            digest = response.headers.get("Docker-Content-Digest", "")
            raw = response.read()
        _check(digest, hashlib.sha256(raw).hexdigest())
        return Received(digest, len(raw), time.perf_counter() - began), raw

    def blob(self, repository: str, digest: str) -> Received:
        """Return how a blob arrived; its bytes are hashed and not kept."""
        began = time.perf_counter()
        hasher, size = hashlib.sha256(), 0
        with self._get(f"/v2/{repository}/blobs/{digest}") as response:
            while chunk := response.read(_CHUNK):
                hasher.update(chunk)
                size += len(chunk)
        _check(digest, hasher.hexdigest())
        return Received(digest, size, time.perf_counter() - began)

    def _get(self, path: str) -> AbstractContextManager[HTTPResponse]:
        return content_of(self._address, path, {"Accept": MANIFEST})


def _check(digest: str, actual_hex: str) -> None:
    if digest != f"sha256:{actual_hex}":
        raise NotVerifiedError(f"asked for {digest} and got the bytes of sha256:{actual_hex}")
