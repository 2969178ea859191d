"""The machine an image is for (OCI image spec, image-index.md#platform; variants as containerd orders them)."""

import platform as host_platform
import re
import sys
from dataclasses import dataclass
from typing import Self

from p2player.errors import BadInput
from p2player.oci.jsonobject import JsonObject

_PART = re.compile(r"[a-z0-9_.-]+")
_LEVEL = re.compile(r"v(\d{1,3})(?:\.(\d{1,3}))?")

# What the kernel calls a machine, as Go and so OCI call it.
_GO_NAMES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armv8l": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "i386": ("386", ""),
    "loongarch64": ("loong64", ""),
}
# The variant that is meant where an image or a user names none.
_BASELINE = {"amd64": (1, 0), "arm": (7, 0), "arm64": (8, 0)}


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system and a processor, with the processor's variant where it matters (`linux/arm/v6`)."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the platform that `os/architecture[/variant]` means, or raise BadInput."""
        parts = text.lower().split("/")
        if len(parts) not in {2, 3} or not all(_PART.fullmatch(part) for part in parts):
            raise BadInput(f"not a platform: {text[:100]!r}", hint="a platform looks like linux/amd64 or linux/arm/v7")
        architecture, variant = _GO_NAMES.get(parts[1], (parts[1], ""))
        return cls(parts[0], architecture, parts[2] if len(parts) == 3 else variant)

    @classmethod
    def from_json(cls, members: JsonObject) -> Self:
        """Return the platform that a descriptor or an image config names."""
        return cls(members.text("os"), members.text("architecture"), members.text_or("variant"))

    @classmethod
    def host(cls) -> Self:
        """Return the platform of this machine."""
        return cls.parse(f"{sys.platform}/{host_platform.machine()}")

    def satisfies(self, wanted: "Platform") -> bool:
        """Tell whether an image for this platform runs where `wanted` does: arm/v6 on arm/v7, not the other way."""
        if (self.os, self.architecture) != (wanted.os, wanted.architecture):
            return False
        if self.variant == wanted.variant or (not self.variant and self.architecture not in _BASELINE):
            return True
        return bool(self.level) and self.level <= wanted.level

    @property
    def level(self) -> tuple[int, int] | tuple[()]:
        """The variant as comparable numbers, higher needing the newer processor; empty if it has no order."""
        if not self.variant:
            return _BASELINE.get(self.architecture, ())
        match = _LEVEL.fullmatch(self.variant)
        return (int(match[1]), int(match[2] or 0)) if match else ()

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))
