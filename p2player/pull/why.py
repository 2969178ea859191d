"""The explanation of one pull: what is here, who else has it, what its registry says, what happened to it lately."""

from dataclasses import dataclass, replace

from p2player.dht.discovery import Discovery
from p2player.dht.records import Provider
from p2player.errors import NotFound, P2PlayerError
from p2player.oci.digest import Digest
from p2player.oci.reference import Reference, Repository
from p2player.peer.identity import NodeId
from p2player.pull.access.access import Access
from p2player.pull.journal import HistoryEntry, Journal
from p2player.pull.naming.meaning import Meaning
from p2player.pull.naming.names import Names
from p2player.store.rows import Ban
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
    ban_reason: str = ""
    """What it did, if it is banned."""
    banned_at: int | None = None
    """When that was found out, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class TagView:
    """How well it is known what a tag means. `seeded`: somebody gave the cluster this meaning, no registry did."""

    seeded: bool
    confirmed: float | None
    """When its registry is last known to have said so, in Unix seconds."""
    stale_for: float | None
    """Seconds since then, if the registry cannot be asked now."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything known about one target. `private`: only who has a login for its repository may have it."""

    target: str
    digest: Digest | None
    held: bool
    names: tuple[str, ...]
    providers: tuple[ProviderView, ...]
    history: tuple[HistoryEntry, ...]
    verdict: str
    tag: TagView | None = None
    private: bool = False
    repositories: tuple[str, ...] = ()
    """Those that are known to have it."""
    not_believed: tuple[str, ...] = ()
    """Nodes that publish the name and are not among its publishers."""


class Explainer:
    """Answers `why`, as the user of this machine would be answered."""

    def __init__(self, store: Store, names: Names, discovery: Discovery, journal: Journal, access: Access) -> None:
        self._store = store
        self._names = names
        self._discovery = discovery
        self._journal = journal
        self._access = access

    async def explain(self, target: Reference | Digest, now: float) -> Explanation:
        """Return what is known about target at now (Unix seconds), and what a pull of it would do."""
        if isinstance(target, Digest):
            return await self._explain(target, target, None, now)
        if target.digest:
            return await self._explain(target, target.digest, target.repository, now)
        try:
            meaning = await self._names.newest(target, "node")
        except NotFound:
            nobody = "None of its publishers" if self._names.not_believed(target) else "Nobody"
            verdict = f"{nobody} publishes {target}: a pull would fail."
        except P2PlayerError as error:
            verdict = f"A pull would fail: {error.message}."
        else:
            told = await self._explain(target, meaning.row.descriptor.digest, target.repository, now)
            return replace(told, tag=_tag_view(meaning), not_believed=self._not_believed(target))
        told = Explanation(str(target), None, False, (), (), (), verdict)
        return replace(told, not_believed=self._not_believed(target))

    def _not_believed(self, target: Reference) -> tuple[str, ...]:
        return tuple(map(str, self._names.not_believed(target)))

    async def _explain(
        self, target: Reference | Digest, digest: Digest, repository: Repository | None, now: float
    ) -> Explanation:
        bans = {ban.node: ban for ban in self._store.banned()}
        found = await self._discovery.find(digest, _WANT)
        providers = tuple(_view(provider, now, bans.get(provider.node_id.raw)) for provider in found)
        held = self._store.get(digest) is not None
        origins = self._store.origins(digest)
        verdict = _verdict(held, providers)
        if not held and all(provider.banned for provider in providers):
            verdict = self._from_registry(repository) or verdict
        return Explanation(
            str(target),
            digest,
            held,
            names=tuple(row.reference for row in self._store.names() if row.descriptor.digest == digest),
            providers=providers,
            history=self._journal.of(digest),
            verdict=verdict,
            private=all(private for _, private in origins) if origins else _all_private(found),
            repositories=tuple(sorted(name for name, _ in origins if name)),
        )

    def _from_registry(self, repository: Repository | None) -> str | None:
        if repository is None or self._access.upstreams.settings(repository.registry) is None:
            return None
        return f"It is not here, and there is no other node to have it from: a pull would fetch it from its registry, {repository.registry}."


def _all_private(providers: list[Provider]) -> bool:
    return bool(providers) and all(provider.private for provider in providers)


def _tag_view(meaning: Meaning) -> TagView:
    return TagView(meaning.confirmed is None, meaning.confirmed, meaning.stale_for)


def _view(provider: Provider, now: float, ban: Ban | None) -> ProviderView:
    address = provider.address
    return ProviderView(
        node=str(NodeId.of(provider.public_key)),
        address=f"{address.host}:{address.cluster_port}",
        complete=provider.complete,
        root=provider.root.hex(),
        age_seconds=max(0.0, now - provider.issued / 1000),
        banned=ban is not None,
        ban_reason=ban.reason if ban else "",
        banned_at=ban.at if ban else None,
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
        return "It is not here, and all who announce it are banned for having lied before: a pull would fail."
    return "It is not here and no reachable node announces it: a pull would fail."
