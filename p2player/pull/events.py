"""What is told while an image or a blob is being pulled."""

from dataclasses import dataclass
from typing import Literal

from p2player.oci.digest import Digest

State = Literal["waiting", "present", "fetching", "done"]


@dataclass(frozen=True, slots=True)
class BlobProgress:
    """How far one blob is. Sizes are bytes; `by_peer` says how many came from whom, so far."""

    digest: Digest
    size: int
    done: int
    state: State
    by_peer: tuple[tuple[str, int], ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class PullResult:
    """What was pulled: the documents from the root down, then configs and layers; all of it is in the store now."""

    root: Digest
    name: str | None
    documents: tuple[Digest, ...]
    blobs: tuple[Digest, ...]
