"""What travels over the control socket, besides the types of the parts themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from p2player.control.codec import error_from_json, error_to_json, from_json, to_json
from p2player.errors import BadInput, P2PlayerError
from p2player.oci.digest import Digest
from p2player.oci.manifest import Descriptor
from p2player.oci.reference import Reference
from p2player.peer.identity import NodeId
from p2player.pull.events import BlobProgress, PullResult
from p2player.store.verify import Checked


@dataclass(frozen=True, slots=True)
class Certificates:
    """By what nodes know each other: nothing (`none`), a CA made of the `secret`, or one of its own (`ca`)."""

    mode: Literal["none", "secret", "ca"]
    expires: int | None
    """Until when this node's is good, in Unix seconds; None if it has no end."""


@dataclass(frozen=True, slots=True)
class Status:
    """A node at a glance."""

    node_id: str
    version: str
    data_dir: str
    secret: bool
    """Whether the cluster has one."""
    tls: Certificates
    registry: str
    """`HOST:PORT` as bound, like the two of the cluster and the swarm."""
    registry_asks: tuple[str, ...]
    """What the endpoint wants of its clients: any of `tls`, `token`, `certificate`."""
    cluster: str
    swarm: str
    uptime_seconds: int
    peers: int
    """Nodes in the routing table of the DHT."""
    blobs: int
    tasks: int
    """asyncio tasks of the daemon, the one that answers included."""
    bytes: Mapping[str, int]
    """Bytes since start: served from the store (`local`), fetched from a `peer` or from `upstream`, and fetched in vain.

    The last (`redundant`) came twice, or wrong.
    """
    dropped: Mapping[str, int]
    """What came in malformed or unwelcome, by where and why."""
    events: Mapping[str, int]
    """What else happened, such as `tags.stale`, and how often."""


@dataclass(frozen=True, slots=True)
class Image:
    """A name in the store, and what is here of the image it means."""

    name: str
    digest: Digest
    size: int
    """Bytes of all its blobs that are here."""
    complete: bool
    """Whether at least one of its platforms is here as a whole, and none in part."""


@dataclass(frozen=True, slots=True)
class Banned:
    """Why a node is not believed any more."""

    reason: str
    at: int
    """Since when, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A node that this one knows, or has banned."""

    node_id: NodeId
    address: str
    """Where it is reached; empty for a banned one that is not met now."""
    banned: Banned | None = None


@dataclass(frozen=True, slots=True)
class Greeting:
    """What came of asking another node."""

    address: str
    skew: float | None
    """By how many seconds this node's clock is ahead of that one's, None if it did not answer."""
    problem: str
    """Why it did not, and what to do; empty if it did."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What to pull."""

    target: str
    """A reference or a digest."""
    platform: str | None
    """`os/architecture[/variant]` or `all`; None is the daemon's own, or the only one there is."""


@dataclass(frozen=True, slots=True)
class BlobOffer:
    """A blob that an import could bring in."""

    digest: Digest | None
    size: int | None


@dataclass(frozen=True, slots=True)
class Naming:
    """A tag for an image of an import."""

    reference: Reference
    descriptor: Descriptor


Event = BlobProgress | PullResult | Checked | P2PlayerError

_EVENTS: Final[Mapping[str, type[BlobProgress | PullResult | Checked]]] = {
    "progress": BlobProgress,
    "pulled": PullResult,
    "checked": Checked,
}
_NAMES: Final = {kind: name for name, kind in _EVENTS.items()}


def event_to_json(event: Event) -> dict[str, Any]:
    """Return the event as one line of a stream has it."""
    if isinstance(event, P2PlayerError):
        return {"event": "error", **error_to_json(event)}
    return {"event": _NAMES[type(event)], **to_json(event)}


def event_from_json(members: dict[str, Any]) -> Event:
    """Return the event that a line spells, or raise BadInput."""
    name = members.get("event")
    if name == "error":
        return error_from_json(members)
    if not isinstance(name, str) or name not in _EVENTS:
        raise BadInput(f"not an event: {str(members)[:200]}")
    return from_json(_EVENTS[name], members)
