"""A node's settings, from a TOML file, the environment and the command line; each of these overrules the one before."""

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from p2player.errors import InvalidConfig
from p2player.peer.tlsfiles import TlsFiles
from p2player.pull.naming.publishers import Rule, read_publishers
from p2player.runtime.containerd import read_roots
from p2player.upstream.reading import merged, read_path, read_switch, read_text, read_upstreams
from p2player.upstream.settings import UpstreamSettings

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
_PREFIX: Final = "P2PLAYER_"
_PORT = re.compile(r"[0-9]{1,5}")
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_MAX_PORT = 65535
_LISTS = frozenset({"join", "upstream", "adopt"})
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True, order=True)
class HostPort:
    """An address to listen on or to connect to: a host name or IP address, and a port. Port 0 means any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address that `HOST:PORT` or `[IPv6]:PORT` spells, or raise InvalidConfig."""
        host, _, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        host = host[1:-1] if bracketed else host
        if not (_is_ipv6(host) if bracketed else _HOST_NAME.fullmatch(host)):
            hint = (
                "an IPv6 address stands in brackets: [::1]:7400" if ":" in host else "an address looks like HOST:PORT"
            )
            raise InvalidConfig(f"not an address: {text[:200]!r}", hint=hint)
        if not _PORT.fullmatch(port) or int(port) > _MAX_PORT:
            raise InvalidConfig(f"not a port: {port[:40]!r} in {text[:200]!r}", hint=f"a port is 0 to {_MAX_PORT}")
        return cls(host, int(port))

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The host if it is an IP address, None if it is a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.ip.is_loopback if self.ip else self.host == "localhost"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


_LOOPBACK_CLUSTER: Final = HostPort("127.0.0.1", 7400)
_OPEN_CLUSTER: Final = HostPort("0.0.0.0", 7400)


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one node. Those that `load` returns are safe together."""

    data_dir: Path
    registry: HostPort = HostPort("127.0.0.1", 5050)
    """Where runtimes pull from. Everybody who reaches it may, unless tokens or certificates are asked for."""
    cluster: HostPort = _LOOPBACK_CLUSTER
    """Where other nodes reach this one: UDP for the DHT, TCP for small blobs."""
    join: tuple[HostPort, ...] = ()
    """Nodes to meet the cluster through."""
    secret_file: Path | None = None
    tls_ca: Path | None = None
    """The CA of the certificates that nodes show each other; without one, a CA is made of the secret."""
    tls_cert: Path | None = None
    """What this node shows to others."""
    tls_key: Path | None = None
    insecure: bool = False
    """Whether addresses that others can reach may be open to everybody."""
    log_level: str = "info"
    upstreams: tuple[UpstreamSettings, ...] = ()
    """The registries that were configured."""
    configured_only: bool = False
    """Whether no other registries are asked than these."""
    background: bool = True
    """Whether a fetch that nobody waits for any more goes on."""
    adopt: tuple[Path, ...] = ()
    """The root directories of those containerds whose blobs are offered from where they lie."""
    publishers: tuple[Rule, ...] = ()
    """Whom to believe about which names; without any, everybody about all."""
    registry_token_file: Path | None = None
    """The tokens of which a client of the endpoint has to show one."""
    registry_cert: Path | None = None
    """What the endpoint shows to its clients, who then speak TLS to it."""
    registry_key: Path | None = None
    registry_client_ca: Path | None = None
    """The authority by which a client's certificate has to be signed."""

    @property
    def registry_asks(self) -> tuple[str, ...]:
        """What the endpoint wants of its clients: any of "tls", "token", "certificate"."""
        wanted = {"tls": self.registry_cert, "token": self.registry_token_file, "certificate": self.registry_client_ca}
        return tuple(name for name, file in wanted.items() if file is not None)

    @property
    def tls(self) -> TlsFiles | None:
        """The certificate for other nodes, if it is given as files."""
        if self.tls_ca and self.tls_cert and self.tls_key:
            return TlsFiles(self.tls_ca, self.tls_cert, self.tls_key)
        return None

    @classmethod
    def load(
        cls,
        flags: Mapping[str, object],
        *,
        file: Path | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """Return the settings of file (else that of P2PLAYER_CONFIG), environ and flags; a flag that is None is absent.

        Raises InvalidConfig, which names where the setting came from.
        """
        if file is None and (named := environ.get(f"{_PREFIX}CONFIG")):
            file = Path(named)
        found: dict[str, _Setting] = {}
        for setting in (*_file_settings(file), *_environment_settings(environ), *_flag_settings(flags)):
            found[setting.key] = setting.over(found.get(setting.key))
        values: dict[str, Any] = {key: setting.value for key, setting in found.items()}
        values.setdefault("data_dir", _default_data_dir(environ))
        values["upstreams"] = values.pop("upstream", ())
        if "cluster" not in values and "secret_file" in values:
            values["cluster"] = _OPEN_CLUSTER
        if "registry" in values and not values["registry"].is_loopback:
            # Others could make this node ask whatever they name.
            values["configured_only"] = True
        config = cls(**values)
        config._refuse_half_tls(found)
        config._refuse_exposure(found)
        config._refuse_isolation(found)
        return config

    def _refuse_exposure(self, found: Mapping[str, "_Setting"]) -> None:
        if not (self.insecure or self.secret_file or self.cluster.is_loopback):
            with _located(found["cluster"].origin):
                raise InvalidConfig(
                    f"{self.cluster} is open to other machines, and without a secret so would be the cluster",
                    hint="give every node the same --secret-file, or allow everybody in with --insecure",
                )
        if not (self.insecure or self.registry.is_loopback):
            with _located(found["registry"].origin):
                self._refuse_strangers()

    def _refuse_strangers(self) -> None:
        """Raise InvalidConfig if others than this machine's users could use the endpoint without showing anything."""
        if self.registry_token_file is None and self.registry_client_ca is None:
            raise InvalidConfig(
                f"{self.registry} is open to other machines, and the endpoint asks nobody who they are",
                hint="listen on 127.0.0.1, have clients show a token (--registry-token-file) or a certificate"
                " (--registry-client-ca), or serve everybody with --insecure",
            )
        if self.registry_cert is None:
            raise InvalidConfig(
                f"{self.registry} is open to other machines, and tokens would be sent to it for all to read",
                hint="give it a certificate: --registry-cert FILE --registry-key FILE",
            )

    def _refuse_half_tls(self, found: Mapping[str, "_Setting"]) -> None:
        for key, other in (
            ("tls_ca", "tls_cert"),
            ("tls_cert", "tls_key"),
            ("tls_key", "tls_ca"),
            ("tls_ca", "secret_file"),
            ("registry_cert", "registry_key"),
            ("registry_key", "registry_cert"),
            ("registry_client_ca", "registry_cert"),
        ):
            if key in found and other not in found:
                with _located(found[key].origin):
                    raise InvalidConfig(f"this needs {other} as well", hint=f"--{other.replace('_', '-')} FILE")

    def _refuse_isolation(self, found: Mapping[str, "_Setting"]) -> None:
        for address in self.join:
            if self.cluster.is_loopback and address.ip and not address.is_loopback:
                with _located(found["join"].origin):
                    raise InvalidConfig(
                        f"{address} cannot be reached from {self.cluster}, where this node keeps to its machine",
                        hint="give every node the same --secret-file, or do without one: --cluster 0.0.0.0:7400 --insecure",
                    )


@dataclass(frozen=True, slots=True)
class _Setting:
    key: str
    value: Any
    origin: str

    @classmethod
    def read(cls, key: str, raw: object, origin: str, base: Path) -> Self:
        """Return the setting that raw means; its path is relative to base."""
        with _located(origin):
            value = _READERS[key](raw)
        if isinstance(value, Path):
            value = base / value
        elif key == "upstream":
            value = tuple(one.anchored(base) for one in value)
        return cls(key, value, origin)

    def over(self, earlier: Self | None) -> Self:
        """Return what holds after both: this one, but for upstreams, each of which is a setting of its own."""
        if earlier is None or self.key != "upstream":
            return self
        return replace(self, value=merged(earlier.value, self.value))


def _file_settings(file: Path | None) -> Iterator[_Setting]:
    if file is None:
        return
    try:
        members = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidConfig(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidConfig(f"{file} is not TOML: {error}") from error
    for key, raw in members.items():
        if key not in _READERS:
            nearest = difflib.get_close_matches(key, _READERS, n=1, cutoff=0)
            raise InvalidConfig(f"{file}: unknown setting {key[:200]!r}", hint=f"did you mean {nearest[0]}?")
        yield _Setting.read(key, raw, f"{file}: {key}", file.absolute().parent)


def _environment_settings(environ: Mapping[str, str]) -> Iterator[_Setting]:
    for key in _READERS:
        variable = _PREFIX + key.upper()
        if text := environ.get(variable):
            raw: object = text
            if key in _LISTS:
                raw = text.split(",")
            elif _READERS[key] is read_switch:
                raw = _WORDS.get(text, text)
            yield _Setting.read(key, raw, variable, Path.cwd())


def _flag_settings(flags: Mapping[str, object]) -> Iterator[_Setting]:
    for key, raw in flags.items():
        if raw is not None:
            yield _Setting.read(key, raw, f"--{key.replace('_', '-')}", Path.cwd())


def _default_data_dir(environ: Mapping[str, str]) -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/p2player")
    home = environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local/share") / "p2player"


@contextmanager
def _located(origin: str) -> Iterator[None]:
    """Put origin before the message of an InvalidConfig raised inside."""
    try:
        yield
    except InvalidConfig as error:
        raise InvalidConfig(f"{origin}: {error.message}", hint=error.hint) from None


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _address(raw: object) -> HostPort:
    return HostPort.parse(read_text(raw))


def _join(raw: object) -> tuple[HostPort, ...]:
    if not isinstance(raw, list | tuple):
        raise InvalidConfig(f"a list of addresses is needed here, not {raw!r}")
    addresses = tuple(map(_address, raw))
    for address in addresses:
        if address.port == 0:
            raise InvalidConfig(f"{address} has no port to connect to")
    return addresses


def _log_level(raw: object) -> str:
    level = read_text(raw).lower()
    if level not in LOG_LEVELS:
        raise InvalidConfig(f"not a log level: {level[:40]!r}", hint=f"one of {', '.join(LOG_LEVELS)}")
    return level


_READERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "data_dir": read_path,
    "registry": _address,
    "registry_token_file": read_path,
    "registry_cert": read_path,
    "registry_key": read_path,
    "registry_client_ca": read_path,
    "cluster": _address,
    "join": _join,
    "secret_file": read_path,
    "tls_ca": read_path,
    "tls_cert": read_path,
    "tls_key": read_path,
    "insecure": read_switch,
    "log_level": _log_level,
    "upstream": read_upstreams,
    "configured_only": read_switch,
    "background": read_switch,
    "adopt": read_roots,
    "publishers": read_publishers,
}
