"""The logins that a user of this machine has stored: docker's config.json, podman's auth.json, credential helpers.

Formats: docker-cli's config.json, containers-auth.json(5), and the protocol of docker-credential-helpers.
"""

import asyncio
import base64
import binascii
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from p2player.errors import InvalidConfig
from p2player.oci.jsonobject import JsonObject, parse_json
from p2player.oci.reference import DOCKER_HUB, Repository

log = logging.getLogger(__name__)

HUB_KEY: Final = "https://index.docker.io/v1/"
_MAX_FILE: Final = 4 * 1024 * 1024
_HELPER_TIMEOUT: Final = 10.0
_HELPER_TTL: Final = 60.0
"""Seconds for which a helper is not asked again: some ask a service on each call."""
_HELPER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
_TOKEN_USER: Final = "<token>"  # noqa: S105  (how a helper says that its secret is an identity token)


@dataclass(frozen=True, slots=True)
class Credential:
    """A user with a password, or an identity token, which a token server takes in their place."""

    user: str = field(repr=False)
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def authorization(self) -> str:
        """The Authorization header of the Basic scheme (RFC 7617), or nothing if there is no password."""
        if self.identity_token:
            return ""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class AuthFile:
    """What one file says: logins by registry or by a path in it, and the helpers that know others."""

    logins: Mapping[str, Credential] = field(default_factory=dict)
    helpers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: bytes, place: str) -> Self:
        """Return what the file's text says, or raise InvalidConfig, which repeats nothing of it."""
        value = parse_json(raw, place, InvalidConfig)
        members = JsonObject(value, place, InvalidConfig)
        logins: dict[str, Credential] = {}
        helpers: dict[str, str] = {}
        store = members.text_or("credsStore")
        auths = members.object("auths") if "auths" in members else JsonObject({}, place, InvalidConfig)
        for key in value.get("auths") or ():
            credential = None
            try:
                credential = _read_login(auths.object(key), f"{place}: {key}") if key in auths else None
            except InvalidConfig as error:
                log.warning("a login is passed over: %s", error.message)
            if credential:
                logins.setdefault(_scope_of(key), credential)
            elif store:
                # docker leaves an empty entry for each registry whose login is in the store
                helpers.setdefault(_scope_of(key), store)
        for key, name in members.text_pairs("credHelpers"):
            helpers[_scope_of(key)] = name
        return cls(logins, {key: name for key, name in helpers.items() if _HELPER_NAME.fullmatch(name)})


def _read_login(entry: JsonObject, place: str) -> Credential | None:
    if token := entry.text_or("identitytoken"):
        return Credential("", identity_token=token)
    user, password = entry.text_or("username"), entry.text_or("password")
    if encoded := entry.text_or("auth"):
        try:
            text = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise InvalidConfig(f"{place}: auth is not a user and a password in base64") from error
        user, _, password = text.partition(":")
        password = password.rstrip("\0")
    return Credential(user, password) if user else None


def _scope_of(key: str) -> str:
    """Return the registry, or registry and path, that a key of such a file stands for."""
    _, separator, rest = key.rpartition("://")
    host, _, path = rest.partition("/")
    path = path.strip("/")
    if separator or path in {"v1", "v2"}:
        path = ""  # an address, as old dockers wrote them
    with suppress(Exception):
        host = Repository.of(host, "any").registry
    return f"{host}/{path}" if path else host


def auth_files(environ: Mapping[str, str]) -> list[Path]:
    """Return where logins may be stored, the first that has one for a registry first."""
    docker = Path(environ.get("DOCKER_CONFIG") or Path(_home(environ), ".docker"), "config.json")
    if named := environ.get("REGISTRY_AUTH_FILE"):
        return [Path(named), docker]
    runtime = environ.get("XDG_RUNTIME_DIR")
    config = environ.get("XDG_CONFIG_HOME") or Path(_home(environ), ".config")
    return [
        *([Path(runtime, "containers/auth.json")] if runtime else []),
        Path(f"/run/containers/{os.geteuid()}/auth.json"),
        Path(config, "containers/auth.json"),
        docker,
    ]


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path.home())


class Credentials:
    """The stored logins, read again whenever their files change."""

    def __init__(self, environ: Mapping[str, str] = os.environ, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._environ = environ
        self._clock = clock
        self._read: dict[Path, tuple[tuple[int, int], AuthFile]] = {}
        self._helped: dict[tuple[str, str], tuple[float, Credential | None]] = {}

    def has(self, registry: str) -> bool:
        """Tell whether there is a login for anything in a registry."""
        return any(
            scope == registry or scope.startswith(f"{registry}/")
            for file in self._files()
            for scope in (*file.logins, *file.helpers)
        )

    async def find(self, repository: Repository) -> Credential | None:
        """Return the login for repository, that of the longest path first, or None."""
        scopes = [repository.registry]
        for part in repository.path.split("/"):
            scopes.append(f"{scopes[-1]}/{part}")
        for file in self._files():
            for scope in reversed(scopes):
                if (name := file.helpers.get(scope)) and (found := await self._ask(name, scope)):
                    return found
                if found := file.logins.get(scope):
                    return found
        return None

    def _files(self) -> Iterator[AuthFile]:
        for path in auth_files(self._environ):
            try:
                stat = path.stat()
                version = (stat.st_mtime_ns, stat.st_size)
                known = self._read.get(path)
                if known is None or known[0] != version:
                    known = self._read[path] = (version, _load(path))
            except OSError:
                continue
            yield known[1]

    async def _ask(self, name: str, scope: str) -> Credential | None:
        now = self._clock()
        asked, found = self._helped.get((name, scope), (-_HELPER_TTL, None))
        if now - asked >= _HELPER_TTL:
            found = await ask_helper(name, HUB_KEY if scope == DOCKER_HUB else scope, self._environ)
            self._helped[name, scope] = (now, found)
        return found


def _load(path: Path) -> AuthFile:
    """Return what a file says; one that cannot be understood says nothing, and the log says so."""
    with path.open("rb") as file:
        raw = file.read(_MAX_FILE)
    try:
        return AuthFile.parse(raw, str(path))
    except InvalidConfig as error:
        log.warning("no login is taken from %s: %s", path, error.message)
        return AuthFile()


async def ask_helper(name: str, server: str, environ: Mapping[str, str]) -> Credential | None:
    """Return what `docker-credential-NAME get` knows about a server, or None; the log says what went wrong."""
    try:
        process = await asyncio.create_subprocess_exec(
            f"docker-credential-{name}",
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environ,
        )
    except OSError as error:
        log.warning("cannot run docker-credential-%s: %s", name, error.strerror)
        return None
    try:
        async with asyncio.timeout(_HELPER_TIMEOUT):
            output, _ = await process.communicate(server.encode())
    except TimeoutError:
        log.warning("docker-credential-%s did not answer within %.0f s", name, _HELPER_TIMEOUT)
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        return None  # as a rule: not found
    return parse_helper_answer(output)


def parse_helper_answer(raw: bytes) -> Credential | None:
    """Return the login that a helper printed, or None if it printed none."""
    try:
        members = parse_json(raw, "answer", InvalidConfig)
        user, secret = members["Username"], members["Secret"]
    except (InvalidConfig, LookupError, TypeError):
        return None
    if not isinstance(user, str) or not isinstance(secret, str) or not secret:
        return None
    return Credential("", identity_token=secret) if user == _TOKEN_USER else Credential(user, secret)
