"""One node's try at streaming a blob: the real `Course` decides, this carries it out in the model.

What `pull.chain.streaming` does with connections is done here with counters: it says first that the blob is fetched here and
looks then who else does, asks how far others are, follows one of them or goes to the registry, and lets others follow.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final, cast

from netsim.simulate.flows import REGISTRY
from netsim.simulate.member import Member
from netsim.simulate.silence import Silence
from netsim.simulate.world import Blob
from p2player.errors import P2PlayerError, PeerUnreachable, Unavailable
from p2player.peer.relay import Elsewhere, Relay
from p2player.peer.standing import Neighbour, Place, Standing
from p2player.pull.chain.asking import ANSWER_WITHIN
from p2player.pull.chain.commands import Ask, Command, Fail, Follow, GoUpstream
from p2player.pull.chain.course import Course
from p2player.pull.fetch.holders import Holder

CONNECT_WITHIN: Final = 3.0


class Following:
    """A stream of one blob to one node. `on_end` hears once how it ended: with an error, or None when all is there and right."""

    def __init__(
        self,
        member: Member,
        blob: Blob,
        *,
        has_origin: bool,
        alone: bool,
        on_end: Callable[[P2PlayerError | None], None],
    ) -> None:
        self._member = member
        self._world = world = member.world
        self._blob = blob
        self._alone = alone
        self._on_end = on_end
        self.copy = world.copies.at(member.number, blob.number)
        self._course = Course(blob.digest, member.node_id, has_origin=has_origin, now=world.now())
        self._has_begun = False
        self._waiting: list[Holder] = []
        self._try = 0
        self._seat = ExitStack()
        self._offset = 0.0
        self._silence = Silence(world.parameters.retransmit)
        self._asked_from = 0.0
        """Bytes that were here when the registry was asked for the rest."""
        self._is_over = False

    @property
    def size(self) -> int:
        """Bytes in the whole blob; with `offset` and `place`, what `peer.relay.Relay` tells."""
        return self._blob.size

    @property
    def offset(self) -> int:
        """Bytes that can be passed on."""
        return self._world.streams.offset(self.copy)

    @property
    def place(self) -> Place:
        """Over whom it comes just now."""
        return self._course.place

    @property
    def is_following(self) -> bool:
        """Whether it comes from another node just now."""
        return self._course.followed is not None

    def begin(self, whole: Sequence[Holder]) -> None:
        """Begin at once if there are nodes that have it."""
        if whole and not self._alone:
            self._course.is_entering = self._has_begun = True
            self.sighted(whole)

    def entered(self, holders: Iterable[Holder]) -> None:
        """Take who else was found at it once this fetch is known: the stream begins, unless it has."""
        self._course.is_entering = False
        self._has_begun = True
        self.sighted([*holders, *self._waiting])

    def sighted(self, holders: Iterable[Holder]) -> None:
        """Take who else is at it."""
        if self._is_over:
            return
        if not self._has_begun:
            self._waiting += holders
            return
        found = () if self._alone else holders
        neighbours = [it for holder in found if (it := holder.neighbour) and it.node.raw not in self._member.bans]
        self._act(self._course.sighted(neighbours, self._world.now()))

    def tick(self, now: float) -> None:
        """Take note that time has passed."""
        if not self._has_begun or self._is_over:
            return
        self._note_progress()
        if self._course.source == "upstream":
            self._mind_registry(now)
        if not self._is_over:
            self._act(self._course.tick(now))

    def _mind_registry(self, now: float) -> None:
        world = self._world
        if world.can_fetch(self._member.number):
            if (at := self._silence.ended(now)) is not None:
                world.streams.begin(self.copy, REGISTRY, at)
        elif self._silence.is_too_long(now, has_begun=self._offset > self._asked_from):
            self._ended(self._try, Unavailable("the registry does not answer"))
        else:
            world.streams.stop(self.copy)

    def source_gone(self) -> None:
        """Take note that the connection to the source was broken off."""
        self._ended(self._try, PeerUnreachable("the connection was broken off"))

    def received_all(self) -> None:
        """Take note that all bytes are here: the digest is compared."""
        self._stop()
        self._world.later(self._world.parameters.host_latency, self._matched)

    def freeze(self) -> ExitStack:
        """Stop without a word, and return the places among the followers of others that it keeps."""
        self._is_over = True
        return self._seat.pop_all()

    def end(self) -> None:
        """Stop, and let those who follow go elsewhere."""
        if not self._is_over:
            self._is_over = True
            self._stop()

    def _matched(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._world.copies.finish(self.copy)
            self._on_end(None)

    def _note_progress(self) -> None:
        got = self._world.copies.got.item(self.copy)
        if got > self._offset:
            self._offset = got
            self._course.moved(self._world.streams.boundary(self.copy), self._world.now())

    def _act(self, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case Ask(neighbours):
                    self._ask(neighbours)
                case Follow(neighbour, insist):
                    self._stop()
                    self._connect(neighbour, insist=insist)
                case GoUpstream():
                    self._stop()
                    world, number = self._world, self._member.number
                    world.heard(number)
                    self._silence, self._asked_from = Silence(world.parameters.retransmit), self._offset
                    wait = world.parameters.registry_answer + 4 * world.way(REGISTRY, number)
                    world.streams.begin(self.copy, REGISTRY, world.now() + wait)
                case Fail(error):
                    self._is_over = True
                    self._stop()
                    self._on_end(error)

    def _stop(self) -> None:
        self._try += 1
        self._seat.close()
        self._world.streams.stop(self.copy)

    def _ask(self, neighbours: Iterable[Neighbour]) -> None:
        world, me = self._world, self._member.number
        by_way: defaultdict[float, list[Neighbour]] = defaultdict(list)
        for neighbour in neighbours:
            by_way[world.way(me, world.number_of(neighbour))].append(neighbour)
        for way, as_far in by_way.items():
            # A connection is made before, to most of them for the first time.
            world.later(2 * way, partial(self._arrive, as_far, way))

    def _arrive(self, neighbours: Iterable[Neighbour], way: float) -> None:
        """Ask these, who are all as far away, and let them answer."""
        world, me = self._world, self._member.number
        answers: list[tuple[Neighbour, Standing | None]] = []
        for neighbour in neighbours:
            other = world.number_of(neighbour)
            if world.reach.between(me, other):
                world.heard(other)
                answers.append((neighbour, world.members[other].standing(self._blob)))
            elif world.reach.is_up(other) or world.reach.is_frozen(other):  # it hears nothing, and says nothing
                world.later(ANSWER_WITHIN, partial(self._answered, [(neighbour, None)]))
            else:
                answers.append((neighbour, None))
        world.later(way, partial(self._answered, answers))

    def _answered(self, answers: Iterable[tuple[Neighbour, Standing | None]]) -> None:
        for neighbour, standing in answers:
            if self._is_over:
                return
            self._world.heard(self._member.number)
            self._note_progress()
            self._act(self._course.answered(neighbour.node, standing, self._world.now()))

    def _connect(self, neighbour: Neighbour, *, insist: bool) -> None:
        world, me, number = self._world, self._member.number, self._try
        other = world.number_of(neighbour)
        way = world.way(me, other)

        def arrive() -> None:
            if self._is_over or number != self._try:
                return
            if world.reach.is_frozen(other):
                return  # connected, and that is all
            if not world.reach.between(me, other):
                wait = CONNECT_WITHIN if world.reach.is_up(other) else way
                world.later(wait, partial(self._ended, number, PeerUnreachable("it cannot be connected to")))
                return
            world.heard(other)
            target = world.members[other]
            if (relay := target.relay(self._blob)) is None:
                gone = PeerUnreachable("it has nothing of the blob")
                world.later(way, partial(self._ended, number, gone))
            elif instead := target.followers.instead(
                self._blob.digest,
                self._member.neighbour,
                world.streams.boundary(self.copy),
                cast("Relay", relay),
                insist=insist,
            ):
                world.later(way, partial(self._sent_on, number, instead))
            else:
                self._seat.enter_context(target.followers.serving(self._blob.digest, self._member.neighbour))
                world.streams.begin(self.copy, world.copies.at(other, self._blob.number), world.now() + way)
                if standing := target.standing(self._blob):
                    world.later(way, partial(self._let_in, number, standing))

        world.later(3 * way, arrive)

    def _let_in(self, number: int, standing: Standing) -> None:
        if not self._is_over and number == self._try:
            self._course.let_in(standing, self._world.now())

    def _sent_on(self, number: int, instead: Elsewhere) -> None:
        if not self._is_over and number == self._try:
            believed = [each for each in instead.neighbours if each.node.raw not in self._member.bans]
            self._note_progress()
            self._act(self._course.sent_on(believed, instead.depth, self._world.now()))

    def _ended(self, number: int, error: P2PlayerError) -> None:
        if not self._is_over and number == self._try:
            self._note_progress()
            self._stop()
            self._act(self._course.ended(error, self._world.now()))
