"""A client of a node's endpoint that knows what it must get, and holds the node to it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from typing import Final

from netsim.emulate.asking import answer_of
from netsim.image import MANIFEST
from netsim.soak.world import Named

_CHUNK: Final = 256 * 1024


class RefusedError(Exception):
    """The node gave an error, or broke off: a runtime then goes elsewhere."""


class WrongError(Exception):
    """The node gave, to the end, what was not asked for."""


class Client:
    """Pulls images from the endpoint at HOST:PORT. Its methods raise RefusedError or WrongError."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def pull(self, named: Named, *, by_digest: bool) -> None:
        """Pull all of an image, by its tag or by its digest."""
        self._manifest(named, named.image.digest if by_digest else "1")
        for digest in named.image.sizes:
            if digest != named.image.digest:
                self._blob(named, digest)

    def read(self, named: Named, digest: str, start: int, stop: int) -> None:
        """Read the bytes [start, stop) of a blob."""
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        with self._get(named, f"blobs/{digest}", headers, 206) as response:
            got = response.read()
        with named.image.path(digest).open("rb") as file:
            file.seek(start)
            if got != file.read(stop - start):
                raise WrongError(f"{self._endpoint}: bytes {start} to {stop} of {digest} are not its own")

    def hang_up(self, named: Named, digest: str, after: int) -> None:
        """Ask for a blob and leave after so many bytes."""
        with self._get(named, f"blobs/{digest}", {}, 200) as response:
            response.read(after)

    def _manifest(self, named: Named, target: str) -> None:
        with self._get(named, f"manifests/{target}", {"Accept": MANIFEST}, 200) as response:
            raw = response.read()
        _check(f"{self._endpoint}: manifest {target} of {named.reference}", named.image.digest, hashlib.sha256(raw))

    def _blob(self, named: Named, digest: str) -> None:
        hasher = hashlib.sha256()
        with self._get(named, f"blobs/{digest}", {}, 200) as response:
            while chunk := response.read(_CHUNK):
                hasher.update(chunk)
            if response.length:
                raise RefusedError("broken off")
        _check(f"{self._endpoint}: blob {digest} of {named.reference}", digest, hasher)

    @contextmanager
    def _get(self, named: Named, what: str, headers: Mapping[str, str], status: int) -> Iterator[HTTPResponse]:
        try:
            path = f"/v2/{named.repository}/{what}?ns={named.registry}"
            with answer_of(self._endpoint, path, headers) as response:
                if response.status != status:
                    raise RefusedError(f"{response.status} {_code(response.read())}")
                yield response
        except (OSError, HTTPException) as error:
            raise RefusedError(repr(error)) from error


def _code(body: bytes) -> str:
    """Return the code of the distribution specification's errors, nothing for another body."""
    try:
        return str(json.loads(body)["errors"][0]["code"])
    except (ValueError, LookupError, TypeError):
        return ""


def _check(what: str, digest: str, hasher: "hashlib._Hash") -> None:
    if digest != f"sha256:{hasher.hexdigest()}":
        raise WrongError(f"{what} has the bytes of sha256:{hasher.hexdigest()}")
