"""A real registry, Debian's docker-registry, on loopback or an emulated host: open, or with a login, or with TLS."""

import ctypes
import json
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from netsim.emulate.certificates import Authority
from netsim.emulate.links import Host
from netsim.emulate.processes import Program, run, wait_until
from netsim.emulate.tokens import TokenServer
from netsim.image import Image

_HOST = "127.0.0.1"
_LISTENING = re.compile(r'msg="listening on [^ ]*:(\d+)')
# the combined log format: ... "GET /v2/team/app/blobs/sha256:... HTTP/1.1" 200 1234 ...
_ANSWERED = re.compile(r'"(?P<method>GET|HEAD) (?P<path>/v2/\S*) HTTP/[0-9.]+" (?P<status>\d{3}) (?P<bytes>\d+) ')
_BLOB = re.compile(r"/blobs/(sha256:[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a GET or HEAD, as the registry logged it at its end. Bytes are those of the body that were sent."""

    method: str
    path: str
    status: int
    bytes: int

    @property
    def digest(self) -> str | None:
        """Which blob was asked for, None if it was something else."""
        blob = _BLOB.search(self.path)
        return blob[1] if blob else None


class Registry:
    """A docker-registry with its storage below a directory, which is the caller's to remove, up while its context lasts."""

    name: str
    """HOST:PORT: where it listens, and its name in references. It keeps the port when it is stopped and started."""

    def __init__(
        self,
        root: Path,
        *,
        users: Mapping[str, str] | None = None,
        tokens: TokenServer | None = None,
        authority: Authority | None = None,
        host: Host | None = None,
        proxy_of: str | None = None,
    ) -> None:
        """Ask everybody for a password of users, or send them to a token server; speak TLS if there is an authority.

        It runs on a host of an emulated network, or on this machine. With proxy_of it holds nothing of its own: it is a
        pull-through cache of the registry at that URL.
        """
        self._root = root
        self._host = host
        self._address = _HOST if host is None else host.address
        self._proxy = {"remoteurl": proxy_of} if proxy_of else {}
        self._login = next(iter((users or (tokens.users if tokens else {})).items()), None)
        self._authority = authority
        self._auth = _htpasswd(root / "htpasswd", users) if users else _token(tokens) if tokens else {}
        self._tls = (
            dict(zip(("certificate", "key"), map(str, authority.issue(self._address)), strict=True))
            if authority
            else {}
        )
        self._secret = secrets.token_hex(16)
        self._log = root / "registry.log"
        self._program = Program(self._command(["docker-registry", "serve", str(root / "registry.yml")]), self._log)
        self._configure(0)

    def _command(self, argv: list[str]) -> list[str]:
        return argv if self._host is None else self._host.command(argv)

    def _configure(self, port: int) -> None:
        storage = {"filesystem": {"rootdirectory": str(self._root / "data")}}
        http = {"addr": f"{self._address}:{port}", "secret": self._secret, "tls": self._tls}
        config = {"version": 0.1, "log": {"level": "info"}, "storage": storage, "http": http}
        config |= {"auth": self._auth, "proxy": self._proxy}
        # JSON is YAML
        (self._root / "registry.yml").write_text(json.dumps({key: value for key, value in config.items() if value}))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The URL it answers at."""
        return f"{'https' if self._authority else 'http'}://{self.name}"

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        return self._program.pid

    def start(self) -> None:
        """Start it, and return when it answers."""
        before = len(self._ports())
        self._program.start()
        port = self._program.wait_until(lambda: next(iter(self._ports()[before:]), None))
        self.name = f"{self._address}:{port}"
        self._configure(port)

    def stop(self) -> None:
        """End it. What it stores stays."""
        self._program.stop()

    def fill(self, image: Image, *references: str) -> None:
        """Push an image under each of references: REPOSITORY:TAG."""
        credentials = ("--dest-creds", ":".join(self._login)) if self._login else ()
        trust = ("--dest-cert-dir", str(self._authority.trust)) if self._authority else ("--dest-tls-verify=false",)
        for reference in references:
            target = f"docker://{self.name}/{reference}"
            run(self._command(["skopeo", "copy", "--quiet", *credentials, *trust, f"oci:{image.layout}", target]))

    def forget(self, reference: str) -> None:
        """Take a tag back: REPOSITORY:TAG."""
        repository, _, tag = reference.rpartition(":")
        shutil.rmtree(self._root / f"data/docker/registry/v2/repositories/{repository}/_manifests/tags/{tag}")

    @property
    def answers(self) -> list[Answer]:
        """What it has answered so far, in the order the answers ended. An answer is logged a moment after its last byte."""
        return [
            Answer(found["method"], found["path"], int(found["status"]), int(found["bytes"]))
            for found in _ANSWERED.finditer(self._log.read_text(errors="replace"))
        ]

    @property
    def blobs_sent(self) -> Counter[str]:
        """How many bytes of each blob have left so far; see `answers`."""
        sent: Counter[str] = Counter()
        for answer in self.answers:
            if answer.method == "GET" and answer.status < 300 and answer.digest:
                sent[answer.digest] += answer.bytes
        return sent

    def sent(self, image: Image) -> Counter[str]:
        """Return how many bytes of each blob of an image (its manifest aside) have left, once each has at least once."""

        def all_sent() -> Counter[str] | None:
            sent = Counter({digest: count for digest, count in self.blobs_sent.items() if digest in image.sizes})
            return sent if sent.keys() | {image.digest} == image.sizes.keys() else None

        return wait_until(all_sent, "every blob in the registry's log", timeout=5)

    def _ports(self) -> list[int]:
        """Return where it has listened, one port a start."""
        return [int(port) for port in _LISTENING.findall(self._log.read_text())] if self._log.exists() else []


def _htpasswd(path: Path, users: Mapping[str, str]) -> dict[str, Any]:
    path.write_text("".join(f"{user}:{_bcrypt(password)}\n" for user, password in users.items()))
    return {"htpasswd": {"realm": "netsim", "path": str(path)}}


def _bcrypt(password: str) -> str:
    """Return the only kind of hash that docker-registry reads, made by the C library, with the least work."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    hashed: bytes = library.crypt(password.encode(), f"$2b$04${secrets.token_hex(11)}".encode())
    return hashed.decode()


def _token(tokens: TokenServer) -> dict[str, Any]:
    return {
        "token": {
            "realm": tokens.realm,
            "service": tokens.service,
            "issuer": tokens.issuer,
            "rootcertbundle": str(tokens.certificate),
        }
    }
