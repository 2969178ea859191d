"""The explanation of one pull: what is here, who else has it, what happened to it lately."""

from dataclasses import dataclass

from p2player.dht.discovery import Discovery
from p2player.dht.records import Provider
from p2player.errors import ReferenceNotFound
from p2player.oci.digest import Digest
from p2player.oci.reference import Reference
from p2player.peer.identity import NodeId
from p2player.pull.journal import HistoryEntry, Journal
from p2player.pull.names import Names
from p2player.store.store import Store

_WANT = 64


@dataclass(frozen=True, slots=True)
class ProviderView:
    """A node that announces the digest, as this node sees it. `banned`: it has lied before and is not believed."""

    node: str
    address: str
    complete: bool
    root: str
    age_seconds: float
    banned: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything known about one target."""

    target: str
    digest: Digest | None
    held: bool
    names: tuple[str, ...]
    providers: tuple[ProviderView, ...]
    history: tuple[HistoryEntry, ...]
    verdict: str


class Explainer:
    """Answers `why`."""

    def __init__(self, store: Store, names: Names, discovery: Discovery, journal: Journal) -> None:
        self._store = store
        self._names = names
        self._discovery = discovery
        self._journal = journal

    async def explain(self, target: Reference | Digest, now: float) -> Explanation:
        """Return what is known about target at now (Unix seconds), and what a pull of it would do."""
        digest = target if isinstance(target, Digest) else await self._meaning(target)
        if digest is None:
            return Explanation(str(target), None, False, (), (), (), f"Nobody publishes {target}: a pull would fail.")
        bans = self._store.bans()
        providers = tuple(
            _view(provider, now, banned=provider.node_id.raw in bans)
            for provider in await self._discovery.find(digest, _WANT)
        )
        held = self._store.get(digest) is not None
        names = tuple(row.reference for row in self._store.names() if row.descriptor.digest == digest)
        verdict = _verdict(held, providers)
        return Explanation(str(target), digest, held, names, providers, self._journal.of(digest), verdict)

    async def _meaning(self, reference: Reference) -> Digest | None:
        if reference.digest:
            return reference.digest
        try:
            return (await self._names.newest(reference)).descriptor.digest
        except ReferenceNotFound:
            return None


def _view(provider: Provider, now: float, *, banned: bool) -> ProviderView:
    address = provider.address
    return ProviderView(
        node=str(NodeId.of(provider.public_key)),
        address=f"{address.host}:{address.cluster_port}",
        complete=provider.complete,
        root=provider.root.hex(),
        age_seconds=max(0.0, now - provider.issued / 1000),
        banned=banned,
    )


def _verdict(held: bool, providers: tuple[ProviderView, ...]) -> str:
    if held:
        return "It is here: a pull is served from the store."
    useful = [provider for provider in providers if not provider.banned]
    if any(provider.complete for provider in useful):
        return f"It is not here; a pull would fetch it from {len(useful)} node(s)."
    if useful:
        return "It is not here, and those who announce it are still fetching it themselves: a pull would follow them."
    if providers:
        return "It is not here, and all who announce it have sent wrong bytes before: a pull would fail."
    return "It is not here and no reachable node announces it: a pull would fail."
