"""One node's fetch of one blob: the real `Hunt` decides, this carries it out in the model, as `pull.fetch.flight` does with bytes."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from netsim.simulate.dispute import settle
from netsim.simulate.following import CONNECT_WITHIN, Following
from netsim.simulate.member import Member
from netsim.simulate.world import Blob
from p2player.errors import BlobNotFound, P2PlayerError, PeerUnreachable, Unavailable
from p2player.peer.identity import NodeId
from p2player.peer.protocol import SMALL_BLOB
from p2player.pull.fetch.holders import Claim, Holder, Sighting
from p2player.pull.fetch.hunt import Ban, Begin, Command, Connect, Drop, GiveUp, Hunt, Look, Rescue, Settle, Stream
from p2player.pull.fetch.pace import Headway
from p2player.pull.fetch.search import LIKELY_ENOUGH
from p2player.pull.integrity.dispute import Verdict

_ENTER_SECONDS: Final = 3.0


class Fetch:
    """From the first sighting until the blob is in the store, or cannot be had. `landed` is the outcome."""

    def __init__(self, member: Member, blob: Blob) -> None:
        self.member = member
        self.blob = blob
        self._world = member.world
        self.copy = member.world.copies.at(member.number, blob.number)
        self._hunt = Hunt(
            blob.digest,
            frozenset(map(NodeId, member.bans)),
            self._world.now(),
            has_origin=self._world.has_registry,
            can_settle=True,
            known_size=blob.size,
        )
        self.landed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.following: Following | None = None
        self._lead = Sighting()
        self._claim: Claim | None = None
        self._asking = 0
        self._attempt = 0
        self._headway, self._has_come = Headway(), False

    def begin(self, sighting: Sighting) -> None:
        """Begin with what the first look has found."""
        self._lead = sighting
        self._found(sighting)

    def tick(self, now: float) -> None:
        """Take note that time has passed."""
        if self.landed.done():
            return
        if self.following is not None:
            self.following.tick(now)
        if self._headway.is_made(*self._measure(), self.blob.size):
            self._hunt.received(now)
            self._has_come = True
        is_waiting = self._claim is not None and not self._asking and not self._has_come
        self._hunt.is_answered = is_waiting and self._world.swarms.is_answered(self.copy)
        self._hunt.is_following = self.following is not None and self.following.is_following
        self._act(self._hunt.tick(now))

    def has_come(self) -> None:
        """Take note that all bytes are here, in whichever way."""
        if self.following is not None:
            self.following.received_all()
        elif self._claim is not None:
            parameters = self._world.parameters
            wait = parameters.flush if self._claim.metainfo.size > SMALL_BLOB else 0.0
            self._world.later(wait, partial(self._check, self._attempt))

    def source_gone(self) -> None:
        """Take note that the connection was broken off over which bytes came from another node."""
        self._world.streams.stop(self.copy)
        if self.following is not None:
            self.following.source_gone()
        elif self._asking:
            self._failed(PeerUnreachable("the connection was broken off"))

    def die(self) -> None:
        """End without a word: the node is gone, or nobody waits for it any more. Once it has landed, nothing happens."""
        if self.following is not None:
            self.following.end()
        if not self.landed.done() or self.landed.cancelled():
            self.landed.cancel()
            self._world.streams.stop(self.copy)
            self._world.swarms.leave(self.copy)

    def _measure(self) -> tuple[int, int]:
        """Return how many bytes have come, and how much of that is whole: pieces, or bytes once it is all here."""
        if self._claim is not None and not self._asking:
            received, whole = self._world.swarms.received(self.copy), self._world.swarms.pieces(self.copy)
        else:
            received, whole = float(self._world.copies.got[self.copy]), 0
        return int(received), self.blob.size if received >= self.blob.size else whole

    def _found(self, sighting: Sighting) -> None:
        if self.landed.done():
            return
        self._hunt.banned_meanwhile(frozenset(map(NodeId, self.member.bans)))
        if self.following is not None:
            self.following.sighted(sighting.holders)
        self._act(self._hunt.found(sighting.claims, self._world.now(), streaming=len(sighting.fetchers)))

    def _act(self, commands: Iterable[Command]) -> None:
        for command in commands:
            if not self.landed.done():
                self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        match command:
            case Look(want):
                self._spawn(self._look(want), "look")
            case Settle(claims):
                self._settle(claims)
            case Begin(claim):
                self._begin_claim(claim)
            case Stream(alone):
                self._stream(alone=alone)
            case Rescue():
                self._rescue()
            case Drop():
                self._end_attempt()
            case Connect(holders):
                self._connect(holders)
            case Ban(nodes, _):
                self.member.bans |= {node.raw for node in nodes}
            case GiveUp(error):
                self._end_attempt()
                self.landed.set_exception(error)

    def _rescue(self) -> None:
        world = self._world
        if self._claim is not None and not self._asking and world.can_fetch(self.member.number):
            world.swarms.rescue(self.copy, world.now() + world.parameters.registry_answer)

    def _connect(self, holders: Iterable[Holder]) -> None:
        if self._claim is not None and not self._asking:
            self._world.swarms.connect(self.copy, self._copies_of(holders), self._world.now())

    def _spawn(self, doing: Awaitable[None], name: str) -> None:
        self.member.tasks.spawn(_awaited(doing), name)

    async def _look(self, want: int) -> None:
        self._found(await self.member.search.look(self.blob.digest, want))

    def _begin_claim(self, claim: Claim) -> None:
        self._claim = claim
        self._attempt += 1
        if claim.metainfo.size <= SMALL_BLOB:
            self._asking = self._attempt
            self._ask(list(claim.holders), self._attempt)
            return
        self._world.swarms.join(self.copy, self._copies_of(claim.holders), self._world.now())
        announced = self.member.discovery.announce(
            self.blob.digest, self.blob.size, claim.metainfo.root, complete=False
        )
        self._spawn(announced, "announce")

    def _ask(self, holders: list[Holder], attempt: int) -> None:
        """Ask one holder after another for a small blob; the last one first, as `pull.fetch.small` does."""
        if attempt != self._attempt or self.landed.done():
            return
        world, me = self._world, self.member.number
        if not holders:
            self._failed(PeerUnreachable(f"nobody that announces {self.blob.digest} can be asked for it"))
            return
        other = world.number_of_holder(holders.pop())
        way = world.way(me, other)

        def arrive() -> None:
            if attempt != self._attempt or self.landed.done():
                return
            if not world.reach.between(me, other):
                world.later(CONNECT_WITHIN if world.reach.is_up(other) else way, partial(self._ask, holders, attempt))
            elif not world.members[other].has(self.blob) or world.members[other].is_liar:
                world.later(way, partial(self._ask, holders, attempt))
            else:
                world.heard(other)
                world.streams.begin(self.copy, world.copies.at(other, self.blob.number), world.now() + way)

        world.later(3 * way, arrive)

    def _check(self, attempt: int) -> None:
        """Compare the digest of what has come by a claim: it was hashed while it came, but for what came last."""
        if attempt != self._attempt or self.landed.done() or self._claim is None:
            return
        if self._claim.metainfo.root != self.blob.root:
            self._end_attempt()
            self._act(self._hunt.lied(self._world.now()))
            return
        if not self._asking:
            self._world.swarms.seed(self.copy)
        self._keep()

    def _keep(self) -> None:
        """Take the blob into the store; others can have it from there."""
        world = self._world
        self._world.copies.finish(self.copy)
        seconds = world.parameters.commit + self.blob.size / world.parameters.hashing
        world.later(seconds, self._land)

    def _land(self) -> None:
        if self.landed.done() or not self._world.reach.is_up(self.member.number):
            return
        self._act(self._hunt.landed(self.blob.size, self.blob.root))
        if self.blob.size > SMALL_BLOB:
            self._world.swarms.seed(self.copy)
        complete = self.member.discovery.announce(self.blob.digest, self.blob.size, self.blob.root, complete=True)
        self._spawn(complete, "announce")
        self.landed.set_result(None)

    def _stream(self, *, alone: bool) -> None:
        self.following = following = Following(
            self.member, self.blob, has_origin=self._world.has_registry, alone=alone, on_end=self._stream_ended
        )
        following.begin(self._lead.whole)
        self._spawn(self._enter(following), "enter")

    async def _enter(self, following: Following) -> None:
        holders: Sequence[Holder] = ()
        with suppress(TimeoutError):
            async with asyncio.timeout(_ENTER_SECONDS):
                await self.member.discovery.announce(self.blob.digest, self.blob.size, b"", complete=False)
                holders = (await self.member.search.look(self.blob.digest, LIKELY_ENOUGH)).holders
        following.entered(holders)

    def _stream_ended(self, error: P2PlayerError | None) -> None:
        if error is None:
            self._keep()
            return
        self._end_attempt()
        self._failed(error)

    def _failed(self, error: P2PlayerError) -> None:
        if self._claim is not None:
            self._end_attempt()
        self._act(self._hunt.failed(error, self._world.now()))

    def _end_attempt(self) -> None:
        self._attempt += 1
        if self.following is not None:
            self.following.end()
            self.following = None
        elif self._claim is not None and not self._asking:
            self._world.swarms.leave(self.copy)
        self._world.streams.stop(self.copy)
        self._claim, self._asking = None, 0
        self._headway, self._has_come = Headway(), False
        self._world.copies.got[self.copy] = 0.0
        self._spawn(self.member.discovery.withdraw(self.blob.digest), "withdraw")
        self._world.drop_followers(self.copy)

    def _settle(self, claims: Sequence[Claim]) -> None:
        verdict, seconds = settle(self._world, self.member.number, self.blob, claims)
        self._world.later(seconds, partial(self._settled, verdict))

    def _settled(self, verdict: Verdict) -> None:
        if not self.landed.done():
            self._act(self._hunt.settled(verdict, self._world.now(), is_final=True))

    def _copies_of(self, holders: Iterable[Holder]) -> list[int]:
        world = self._world
        return [world.copies.at(world.number_of_holder(holder), self.blob.number) for holder in holders]


async def fetch(member: Member, blob: Blob) -> None:
    """Bring a blob into a node's store. Raises P2PlayerError."""
    if member.has(blob):
        return
    sighting = await member.search.look(blob.digest, LIKELY_ENOUGH) if member.world.has_registry else Sighting()
    if not sighting and not member.world.can_fetch(member.number):
        try:
            sighting = await member.search.look_again(blob.digest, is_named=True)
        except BlobNotFound as error:
            if member.world.has_registry:
                raise Unavailable("the registry does not answer") from error
            raise
    member.fetches[blob.number] = fetching = Fetch(member, blob)
    try:
        fetching.begin(sighting)
        await fetching.landed
    finally:
        member.fetches.pop(blob.number, None)
        fetching.die()


async def _awaited(doing: Awaitable[None]) -> None:
    await doing
