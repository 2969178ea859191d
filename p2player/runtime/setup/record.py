"""What setup has changed, kept so that it can be undone to the byte."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from p2player.errors import InvalidConfig
from p2player.oci.jsonobject import JsonObject
from p2player.runtime.setup.access import Access
from p2player.runtime.setup.target import Target
from p2player.runtime.setup.tree import Tree

DIRECTORY: Final = "/etc/p2player/setup"
OWN_DIRECTORIES: Final = (DIRECTORY, DIRECTORY.rpartition("/")[0])
"""Where the records lie, children first; no other file is there for long."""


@dataclass(frozen=True, slots=True)
class Record:
    """What setup did for one runtime, and for which endpoint."""

    endpoint: str
    files: Mapping[str, str] = field(default_factory=dict)
    """By path, the SHA-256 of what was written over the file as its backup has it; empty if that was something else."""
    directories: tuple[str, ...] = ()
    """The directories that were made, parents first."""
    registries: tuple[str, ...] = ()
    """The registries that were asked for by name; they stay until all is undone."""
    asks: tuple[str, ...] = ()
    """What the endpoint wanted of its clients."""
    access: Access = field(default_factory=Access)
    """What the runtime was given for that; it stays until all is undone."""

    @property
    def url(self) -> str:
        """The endpoint as the runtime was told of it."""
        return Target(self.endpoint, asks=self.asks, access=self.access).url

    @classmethod
    def of(cls, tree: Tree, name: str) -> Self | None:
        """Return the record of the runtime called so, or None if nothing was set up."""
        path = record_path(name)
        raw = tree.read(path)
        if raw is None:
            return None
        members = JsonObject.parse(raw, path, InvalidConfig)
        return cls(
            members.text("endpoint"),
            dict(members.text_pairs("files")),
            members.texts("directories"),
            members.texts("registries"),
            members.texts("asks"),
            Access.of(dict(members.text_pairs("access"))),
        )

    def to_bytes(self) -> bytes:
        """Return the record as a file has it."""
        members = {
            "endpoint": self.endpoint,
            "files": dict(self.files),
            "directories": self.directories,
            "registries": self.registries,
            "asks": self.asks,
            "access": self.access.members,
        }
        return json.dumps(members, indent=2).encode() + b"\n"


def record_path(name: str) -> str:
    """Return where the record of a runtime lies."""
    return f"{DIRECTORY}/{name}.json"


def fingerprint(data: bytes) -> str:
    """Return what stands for a file's content in a record."""
    return hashlib.sha256(data).hexdigest()
