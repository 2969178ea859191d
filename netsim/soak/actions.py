"""What happens in a soak. Everything random is drawn when an action is chosen, so that a seed gives the same actions."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, TypeVar

from netsim.emulate.processes import ProgramError
from netsim.soak.clients import Client, RefusedError, WrongError
from netsim.soak.member import BusyError, Member
from netsim.soak.world import Named, World
from p2player.control.client import ControlClient
from p2player.errors import P2PlayerError

T = TypeVar("T")

_BUG: Final = ": exit 1\n"
"""What an exit code means that no error of ours has."""

_SAID: Final = re.compile(r"^error: (.+)", re.MULTILINE)
Job = Callable[[], None]
"""Raises RefusedError for an error that somebody was told, WrongError for what must never be, BusyError if it cannot be now."""


def pull(world: World, rng: Random) -> Job:
    """Pull an image through a node's endpoint."""
    member, named, by_digest = rng.choice(world.members), rng.choice(world.images), rng.random() < 0.3
    return lambda: _judged(member, lambda client: client.pull(named, by_digest=by_digest))


def read_range(world: World, rng: Random) -> Job:
    """Read a part of a layer through a node's endpoint."""
    member, named, digest = _layer(world, rng)
    start, stop = sorted(rng.sample(range(named.image.sizes[digest] + 1), 2))
    return lambda: _judged(member, lambda client: client.read(named, digest, start, stop))


def hang_up(world: World, rng: Random) -> Job:
    """Begin to read a layer and leave."""
    member, named, digest = _layer(world, rng)
    after = rng.randrange(named.image.sizes[digest])
    return lambda: _judged(member, lambda client: client.hang_up(named, digest, after))


def fetch(world: World, rng: Random) -> Job:
    """Fetch an image by the command line."""
    member, named = rng.choice(world.members), rng.choice(world.images)
    return lambda: _command(member, "fetch", named.reference)


def seed(world: World, rng: Random) -> Job:
    """Seed an image that no registry has."""
    member, named = rng.choice(world.members), rng.choice(world.seeded)
    return lambda: _command(member, "seed", f"oci:{named.image.layout}", "--as", named.reference)


def evict(world: World, rng: Random) -> Job:
    """Remove an image from a node."""
    member, named = rng.choice(world.members), rng.choice(world.images)

    async def remove(client: ControlClient) -> None:
        await client.remove(named.reference)

    return lambda: _asked(lambda: member.ask(remove))


def restart(world: World, rng: Random) -> Job:
    """End a node in its own time, and start it again."""
    return _interrupted(world, rng, kill=False)


def kill(world: World, rng: Random) -> Job:
    """End a node as a power cut would, and start it again."""
    return _interrupted(world, rng, kill=True)


def freeze(world: World, rng: Random) -> Job:
    """Let a node stand still for a while."""
    member, pause = rng.choice(world.members), rng.uniform(1, 8)

    def job() -> None:
        with member.changing():
            member.freeze(pause)

    return job


def registry_down(world: World, rng: Random) -> Job:
    """Take the registry away for a while."""
    pause = rng.uniform(2, 10)

    return lambda: world.registry_down(pause)


def damage(world: World, rng: Random) -> Job:
    """Change a byte of a stored blob, which the node then has to find."""
    member, place = rng.choice(world.members), rng.random()

    def job() -> None:
        with member.changing():
            blobs = _asked(member.blobs)
            if not blobs:
                raise BusyError
            digest = blobs[int(place * len(blobs))]
            try:
                with member.damaged(digest):
                    found = _asked(member.verify)
                    if digest not in found and digest in _asked(member.blobs):
                        raise WrongError(f"node {member.number} does not find that {digest} is damaged")
            except FileNotFoundError as error:
                raise BusyError from error

    return job


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of thing that happens, and how often beside the others."""

    weight: int
    choose: Callable[[World, Random], Job]


ACTIONS: Final[Mapping[str, Action]] = {
    "pull": Action(36, pull),
    "range": Action(12, read_range),
    "hang up": Action(12, hang_up),
    "fetch": Action(5, fetch),
    "seed": Action(6, seed),
    "evict": Action(14, evict),
    "restart": Action(2, restart),
    "kill": Action(2, kill),
    "freeze": Action(3, freeze),
    "registry": Action(2, registry_down),
    "damage": Action(2, damage),
}


def _layer(world: World, rng: Random) -> tuple[Member, Named, str]:
    named = rng.choice(world.images)
    return rng.choice(world.members), named, rng.choice(list(named.image.sizes))


def _interrupted(world: World, rng: Random, *, kill: bool) -> Job:
    # The others run from beginning to end, so that their memory can be followed.
    member, pause = rng.choice(world.mortals), rng.uniform(0, 4)

    def job() -> None:
        with member.changing():
            member.restart(world.doors, pause, kill=kill)

    return job


def _judged(member: Member, question: Callable[[Client], None]) -> None:
    """Ask a node's endpoint; what it gives while its disk is being damaged is not held against it."""
    daemon, damages = member.daemon, member.damages
    if daemon is None:
        raise BusyError
    try:
        question(Client(daemon.registry))
    except WrongError as error:
        if damages % 2 or member.damages != damages:
            raise RefusedError(str(error)) from error
        raise


def _command(member: Member, verb: str, *arguments: str) -> None:
    try:
        member.p2player(verb, *arguments)
    except ProgramError as error:
        if _BUG in str(error):
            raise WrongError(f"node {member.number}: {error}") from error
        said = _SAID.search(str(error))
        raise RefusedError(said[1] if said else str(error)) from error


def _asked(question: Callable[[], T]) -> T:
    try:
        return question()
    except P2PlayerError as error:
        if error.exit_code == P2PlayerError.exit_code:
            raise WrongError(f"a bug: {error}") from error
        raise RefusedError(f"{error.name}: {error}") from error
    except TimeoutError as error:
        raise RefusedError("no answer in time") from error
