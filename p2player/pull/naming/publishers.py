"""Who may publish which names: the rules, as users write them, and whom they cover."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, Self

from p2player.errors import InvalidConfig, InvalidReference
from p2player.oci.reference import Repository
from p2player.peer.identity import NodeId

_HINT: Final = 'a rule is [[publishers]] with key = "NODE ID" or "*", and names = ["docker.io/library/*"]'
_NODE_ID = re.compile(r"[0-9a-fA-F]{40}", re.ASCII)
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Names as a shell would match them: `registry/path`, and a tag behind a colon; without one, every tag."""

    repository: str
    tag: str = "*"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the pattern that text spells, or raise InvalidConfig if no name could ever match it."""
        repository, colon, tag = text.rpartition(":")
        if not colon or "/" in tag:
            repository, tag = text, "*"
        if not (repository and tag and text.isascii() and text.isprintable()):
            raise InvalidConfig(f"not a pattern of names: {text[:200]!r}", hint=_HINT)
        if not _WILD.search(repository):
            full = _full_name(repository)
            if full != repository:
                raise InvalidConfig(f"no name matches {text[:200]!r}", hint=f"in full it is {full}")
        elif "/" not in repository and not repository.startswith("*"):
            raise InvalidConfig(f"no name matches {text[:200]!r}", hint="a name in full begins with its registry")
        return cls(repository, tag)

    def covers(self, scope: str, name: str) -> bool:
        """Tell whether the tag name of the repository scope is one of these."""
        return fnmatchcase(scope, self.repository) and fnmatchcase(name, self.tag)


@dataclass(frozen=True, slots=True)
class Rule:
    """What one node (None: every node) may publish."""

    signer: NodeId | None
    names: tuple[Pattern, ...]

    def covers(self, signer: NodeId, scope: str, name: str) -> bool:
        """Tell whether this lets signer publish the tag name of the repository scope."""
        return self.signer in {None, signer} and any(pattern.covers(scope, name) for pattern in self.names)


def read_publishers(raw: object) -> tuple[Rule, ...]:
    """Return the rules that a list of TOML tables spells. Raises InvalidConfig."""
    if not isinstance(raw, list | tuple) or not all(isinstance(table, Mapping) for table in raw):
        raise InvalidConfig(f"tables are needed here, in a TOML file, not {str(raw)[:80]!r}", hint=_HINT)
    return tuple(map(_read_rule, raw))


def _read_rule(table: Mapping[str, Any]) -> Rule:
    for setting in table:
        if setting not in {"key", "names"}:
            nearest = difflib.get_close_matches(setting, ["key", "names"], n=1, cutoff=0)
            raise InvalidConfig(f"unknown setting {setting[:200]!r}", hint=f"did you mean {nearest[0]}?")
    key, names = table.get("key"), table.get("names")
    if not isinstance(key, str) or not (key == "*" or _NODE_ID.fullmatch(key)):
        raise InvalidConfig(
            f"key: not a node id of 40 hex characters: {str(key)[:80]!r}",
            hint='`p2player status` shows that of a node; "*" is every node',
        )
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise InvalidConfig(f"names: a list of patterns is needed here, not {str(names)[:80]!r}", hint=_HINT)
    return Rule(None if key == "*" else NodeId.parse(key), tuple(map(Pattern.parse, names)))


def _full_name(repository: str) -> str:
    try:
        return str(Repository.parse(repository))
    except InvalidReference as error:
        raise InvalidConfig(error.message, hint=_HINT) from None
