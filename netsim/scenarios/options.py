"""What can be set for every scenario, and means the same in each."""

from dataclasses import dataclass

from netsim.sizes import MIB, size_text


@dataclass(frozen=True, slots=True)
class Options:
    """How large a scenario is made. The same options give the same scenario."""

    nodes: int = 16
    """How many nodes want something; what they get it from comes on top."""
    seed: int = 1
    """Of all that is random."""
    size: int = 64 * MIB
    """Bytes of an image."""
    rate: float = 50.0
    """Mbit/s each way of a host's link."""

    @property
    def terms(self) -> str:
        """The size of an image and the rate of a link, for people."""
        return f"{size_text(self.size)}, {self.rate:g} Mbit/s"
