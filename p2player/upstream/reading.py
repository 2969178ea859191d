"""Reads the settings of upstreams as users write them: TOML tables, and NAME=URL."""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from yarl import URL

from p2player.errors import InvalidConfig, InvalidReference
from p2player.oci.reference import Repository
from p2player.upstream.settings import UpstreamSettings, default_url

_HINT: Final = "an upstream looks like docker.io=https://mirror.example"
Settings = tuple[UpstreamSettings, ...]


def read_upstreams(raw: object) -> Settings:
    """Return the upstreams that a table of tables by registry spells, or a list of NAME=URL. Raises InvalidConfig."""
    if isinstance(raw, Mapping):
        return read_tables(raw)
    if isinstance(raw, list | tuple) and all(isinstance(one, str) for one in raw):
        return read_assignments(raw)
    raise InvalidConfig(
        f"a table for each registry is needed here, not {raw!r}", hint='it begins with [upstream."registry.example"]'
    )


def read_assignments(texts: Iterable[str]) -> Settings:
    """Return the upstreams that several NAME=URL spell; those of one name are its mirrors, in order."""
    urls: dict[str, list[str]] = {}
    for text in texts:
        name, equals, url = text.partition("=")
        if not equals:
            raise InvalidConfig(f"no URL in {text[:200]!r}", hint=_HINT)
        urls.setdefault(_registry(name.strip()), []).append(_url(url.strip()))
    return tuple(UpstreamSettings(name, tuple(dict.fromkeys(found))) for name, found in urls.items())


def read_tables(tables: Mapping[str, object]) -> Settings:
    """Return the upstreams that TOML tables spell, each under the name of its registry."""
    found: dict[str, UpstreamSettings] = {}
    for name, table in tables.items():
        registry = _registry(name)
        if registry in found:
            raise InvalidConfig(f"{registry} stands here twice", hint="one table for each registry")
        try:
            found[registry] = _read_table(registry, table)
        except InvalidConfig as error:
            raise InvalidConfig(f"{name}: {error.message}", hint=error.hint) from None
    return tuple(found.values())


def merged(earlier: Settings, later: Settings) -> Settings:
    """Return the upstreams of both; where they name the same one, the later URLs and the earlier's other settings."""
    found = {one.registry: one for one in earlier}
    for one in later:
        known = found.get(one.registry)
        found[one.registry] = replace(known, urls=one.urls) if known else one
    return tuple(found.values())


def _read_table(registry: str, table: object) -> UpstreamSettings:
    if not isinstance(table, Mapping):
        raise InvalidConfig(f"a table is needed here, not {table!r}", hint=f'it begins with [upstream."{registry}"]')
    values: dict[str, Any] = {"urls": (default_url(registry),)}
    for key, raw in table.items():
        if key not in _READERS:
            nearest = difflib.get_close_matches(key, _READERS, n=1, cutoff=0)
            raise InvalidConfig(f"unknown setting {key[:200]!r}", hint=f"did you mean {nearest[0]}?")
        try:
            value = _READERS[key](raw)
        except InvalidConfig as error:
            raise InvalidConfig(f"{key}: {error.message}", hint=error.hint) from None
        values["urls" if key == "url" else key] = value
    if "url" in table and "urls" in table:
        raise InvalidConfig("both url and urls", hint="several mirrors stand in urls, in the order they are tried")
    if "client_key" in table and "client_cert" not in table:
        raise InvalidConfig("a client_key without its client_cert", hint="name the certificate's file as client_cert")
    return UpstreamSettings(registry, **values)


def _registry(name: str) -> str:
    """Return the name of a registry as references have it."""
    try:
        return Repository.of(name, "any").registry
    except InvalidReference as error:
        hint = "a registry's name looks like registry.example, or registry.example:5000; its address stands in url"
        raise InvalidConfig(error.message, hint=hint) from error


def read_switch(raw: object) -> bool:
    """Return raw if it is true or false. Raises InvalidConfig."""
    if not isinstance(raw, bool):
        raise InvalidConfig(f"true or false is needed here, not {raw!r}")
    return raw


def read_text(raw: object) -> str:
    """Return the text of a setting, which is not empty. Raises InvalidConfig."""
    if not isinstance(raw, str) or not raw:
        raise InvalidConfig(f"text is needed here, not {raw!r}")
    return raw


def read_path(raw: object) -> Path:
    """Return the path that a setting spells, `~` resolved. Raises InvalidConfig."""
    text = read_text(raw)
    if "\0" in text:
        raise InvalidConfig(f"not a path: {text[:200]!r}")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InvalidConfig(f"nobody has this home directory: {text[:200]!r}", hint="write the path in full") from error


def _url(raw: object) -> str:
    text = read_text(raw)
    try:
        url = URL(text)
        fits = url.scheme in {"http", "https"} and bool(url.host) and url.port is not None
    except ValueError:
        fits = False
    if not fits or any(char.isspace() or not char.isprintable() for char in text):
        raise InvalidConfig(f"not a URL: {_without_credentials(text)[:200]!r}", hint=_HINT)
    if url.user is not None or url.password is not None:
        raise InvalidConfig(
            f"credentials in the URL of {url.host}", hint="credentials come from `docker login`, never from a URL"
        )
    if url.query_string or url.fragment or "?" in text or "#" in text:
        raise InvalidConfig(f"more than a place in {text[:200]!r}", hint="a URL here has no ? and no #")
    return text.rstrip("/")


def _urls(raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list | tuple) or not raw:
        raise InvalidConfig(f"a list of URLs is needed here, not {raw!r}")
    return tuple(dict.fromkeys(map(_url, raw)))


def _proxy(raw: object) -> str:
    text = read_text(raw)
    try:
        url = URL(text)
        fits = url.scheme in {"http", "https"} and bool(url.host)
    except ValueError:
        fits = False
    if not fits:
        raise InvalidConfig(
            f"not a proxy: {_without_credentials(text)[:200]!r}", hint="a proxy looks like http://proxy.example:3128"
        )
    return text


def _without_credentials(text: str) -> str:
    return text.rpartition("@")[2]


def _seconds(raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw) or raw < 0:
        raise InvalidConfig(f"a number of seconds is needed here, not {raw!r}")
    return float(raw)


def _login(raw: object) -> str:
    if raw not in ("client", "node"):
        raise InvalidConfig(f"not whose login counts: {raw!r}", hint="either client or node")
    return str(raw)


def _single_url(raw: object) -> tuple[str, ...]:
    return (_url(raw),)


_READERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "url": _single_url,
    "urls": _urls,
    "ca": read_path,
    "client_cert": read_path,
    "client_key": read_path,
    "proxy": _proxy,
    "login": _login,
    "tag_ttl": _seconds,
    "access_ttl": _seconds,
    "stale": read_switch,
    "stale_access": read_switch,
}
