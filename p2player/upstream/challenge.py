"""What a registry says it wants to see before it answers (RFC 9110 section 11.6.1, WWW-Authenticate)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SEPARATORS: Final = re.compile(r"[ \t,]*")
_SCHEME: Final = re.compile(rf"({_WORD})(?:[ \t]+|(?=,)|$)")
# Some registries leave the quotes off a realm, though a URL is no token.
_PARAMETER: Final = re.compile(rf'({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"=][^\s,"]*))(?=[ \t,]|$)')
_TOKEN68: Final = re.compile(r"[0-9A-Za-z._~+/-]+=*(?=[ \t]*(?:,|$))")
_ESCAPED: Final = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to log in: its scheme in lower case, and its parameters, their names in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def realm(self) -> str:
        """For Bearer, the URL of the token server."""
        return self.parameters.get("realm", "")

    @property
    def error(self) -> str:
        """Why a token was not good enough (RFC 6750 section 3.1), or nothing."""
        return self.parameters.get("error", "")


def parse_challenges(header: str) -> list[Challenge]:
    """Return the challenges of a header's value, in order; what is malformed in it is passed over."""
    found: list[tuple[str, dict[str, str]]] = []
    for scheme, name, value in _parts(header):
        if scheme:
            found.append((scheme.lower(), {}))
        elif found:
            found[-1][1].setdefault(name.lower(), value)
    return [Challenge(scheme, parameters) for scheme, parameters in found]


def _parts(header: str) -> Iterator[tuple[str, str, str]]:
    """Yield schemes and parameters in order, each as (scheme, name, value)."""
    at = 0
    while (at := _end(_SEPARATORS.match(header, at), at)) < len(header):
        if parameter := _PARAMETER.match(header, at):
            name, quoted, plain = parameter.groups()
            yield "", name, plain if quoted is None else _ESCAPED.sub(r"\1", quoted)
            at = parameter.end()
        elif scheme := _SCHEME.match(header, at):
            yield scheme[1], "", ""
            at = scheme.end()
            if not _PARAMETER.match(header, at):
                at = _end(_TOKEN68.match(header, at), at)
        else:
            comma = header.find(",", at)
            at = len(header) if comma < 0 else comma


def _end(match: re.Match[str] | None, absent: int) -> int:
    return match.end() if match else absent
