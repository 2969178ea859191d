"""How a runtime gets into an endpoint that asks who is there: by which files of this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from p2player.errors import InvalidConfig
from p2player.registry.tokens import read_tokens


@dataclass(frozen=True, slots=True)
class Access:
    """Absolute paths, empty for what is not needed."""

    token_file: str = ""
    ca: str = ""
    """The authority of the endpoint's certificate, where the system does not trust it already."""
    client_cert: str = ""
    client_key: str = ""

    @classmethod
    def of(cls, members: Mapping[str, str]) -> Self:
        """Return the access that `members` were made of."""
        return cls(**{each.name: members.get(each.name, "") for each in fields(cls)})

    @property
    def members(self) -> dict[str, str]:
        """What is needed, by name."""
        return {each.name: path for each in fields(self) if (path := getattr(self, each.name))}

    @property
    def token(self) -> str:
        """The first token of the file as it is now, empty if none is needed. Raises InvalidConfig."""
        return read_tokens(Path(self.token_file))[0].decode() if self.token_file else ""

    def refuse_lack(self, asks: tuple[str, ...]) -> None:
        """Raise InvalidConfig if the endpoint asks for what is not here."""
        if "token" in asks and not self.token_file:
            raise InvalidConfig("the endpoint asks for a token", hint="say which file has it: --token-file FILE")
        if "certificate" in asks and not self.client_cert:
            raise InvalidConfig(
                "the endpoint asks for a certificate", hint="say which: --client-cert FILE --client-key FILE"
            )
