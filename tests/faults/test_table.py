"""What a fault costs: each fault in each stage of a pull on each machine, that a node gets from others and from a registry.

Every row asks for the same: the pull ends in time, with every byte or with an error; it does end well if somebody honest can
be reached; nobody is given anything else, then or later; and once the fault is lifted, all is as if it had never been.
"""

import asyncio
import os
import shutil
import zlib
from dataclasses import dataclass
from itertools import product

import pytest

from p2player.tasks import Tasks
from tests.faults import strikes
from tests.faults.cluster import BOUND, SIZE, Blob, Outcome, cluster_of
from tests.faults.staged import STAGES
from tests.wrongbytes import WrongBytes

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("tc", path="/usr/sbin:/sbin") is None, reason="needs root"),
]

CLOCK = {"clock ahead": 3600, "clock behind": -3600}
FAULTS = {
    "killed": strikes.killed,
    "frozen": strikes.frozen,
    "slow": strikes.slow,
    "partitioned": strikes.partitioned,
    "disk full": strikes.disk_full,
    "disk failed": strikes.disk_failed,
    "corrupted at rest": strikes.corrupted,
    "clock ahead": strikes.clock(CLOCK["clock ahead"]),
    "clock behind": strikes.clock(CLOCK["clock behind"]),
    "out of descriptors": strikes.out_of_descriptors,
    "dns gone": strikes.dns_gone,
    "upstream hangs": strikes.upstream("hangs"),
    "upstream resets": strikes.upstream("resets"),
    "upstream sends wrong bytes": strikes.upstream("sends wrong bytes"),
    "upstream sends half": strikes.upstream("sends half"),
}
PLACES = ("seed", "node", "third")
WAYS = ("swarm", "stream")
DISK = frozenset({"disk full", "disk failed"})
OF_THE_REGISTRY = frozenset(fault for fault in FAULTS if fault.startswith(("dns", "upstream")))
HARMLESS = frozenset({"slow", "corrupted at rest", *CLOCK})
"""Faults of the node itself in spite of which its pull ends well."""


@dataclass(frozen=True)
class Row:
    way: str
    stage: str
    fault: str
    place: str

    @property
    def title(self):
        return f"{self.way}-{self.stage}-{self.fault}-{self.place}".replace(" ", "_")

    @property
    def impossible(self):
        """Why there is no such row, or None."""
        where = STAGES.index(self.stage)
        if self.fault == "corrupted at rest" and self.place == "node" and self.stage != "announce":
            return "the node has nothing at rest yet"
        if self.fault == "corrupted at rest" and self.way == "stream":
            return "nobody has it at rest, or it is the same as in a swarm"
        if self.fault in OF_THE_REGISTRY and self.way == "swarm" and (self.place != "node" or self.stage != "lookup"):
            return "the registry is asked by who looks a blob up, and by nobody who has it"
        if self.fault in OF_THE_REGISTRY and where > STAGES.index("mid-blob"):
            return "nothing is asked of the registry any more"
        if self.fault not in OF_THE_REGISTRY and self.way == "stream" and self.stage not in {"first byte", "mid-blob"}:
            return "it is the same as in a swarm"
        return None

    @property
    def must_end_well(self):
        """Whether somebody honest can be reached, and the node can do its work."""
        if self.fault == "upstream sends wrong bytes":
            return self.way == "swarm"  # who was given some of them can only be cut off
        return self.place != "node" or self.fault in HARMLESS or (self.fault in OF_THE_REGISTRY and self.way == "swarm")


ROWS = [Row(*cells) for cells in product(WAYS, STAGES, FAULTS, PLACES)]
FAST = frozenset(
    {
        "swarm-mid-blob-killed-seed",
        "swarm-commit-killed-node",
        "swarm-mid-blob-partitioned-seed",
        "swarm-mid-blob-disk_full-node",
        "stream-mid-blob-killed-seed",
        "stream-first_byte-upstream_sends_half-node",
    }
)


POSSIBLE = [row for row in ROWS if row.impossible is None]


def test_each_fault_is_shown_in_each_stage_and_place_or_there_is_a_reason_why_not():
    shown = {(row.stage, row.fault, row.place) for row in POSSIBLE}
    left_out = {(row.stage, row.fault, row.place): row.impossible for row in ROWS if row.impossible}
    assert shown | left_out.keys() == set(product(STAGES, FAULTS, PLACES))
    assert {row.title for row in POSSIBLE} >= FAST


class Pulls(Tasks):
    """Pulls that nobody may have waited for, when something else was found first."""

    def __init__(self):
        super().__init__("row")
        self.begun = []

    def spawn(self, coro, name):
        self.begun.append(super().spawn(coro, name))
        return self.begun[-1]


@pytest.fixture
async def pulls():
    pulls = Pulls()
    yield pulls
    await pulls.close()
    for pull in pulls.begun:
        if not pull.cancelled() and isinstance(pull.exception(), WrongBytes):
            raise pull.exception()


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=row.title, marks=() if row.title in FAST else (pytest.mark.faults,)) for row in POSSIBLE],
)
async def test_a_fault_costs_no_more_than_it_must(row, pulls):
    seed = zlib.crc32(row.title.encode())
    print(f"seed {seed}")  # noqa: T201  (shown when it fails)
    blob = Blob.random(seed)
    holders = ("seed", "third") if row.way == "swarm" else ()
    own_disk = (row.place,) if row.fault in DISK else ()
    # A clock that is wrong when a blob is looked up has been wrong from the start.
    own_clock = {row.place: CLOCK[row.fault] if row.stage == "lookup" else 0} if row.fault in CLOCK else {}
    async with cluster_of(row.stage, blob, holders=holders, own_disk=own_disk, own_clock=own_clock) as cluster:
        machine, node = getattr(cluster, row.place), cluster.node
        others = []
        if row.way == "stream":
            cluster.origin.change(hold_at=SIZE // 4 if STAGES.index(row.stage) < 2 else SIZE * 3 // 4)
            others = [pulls.spawn(one.pull(blob), one.name) for one in (cluster.seed, cluster.third)]
        first = pulls.spawn(node.pull(blob), "first")
        await cluster.at_stage()
        kept = [one for one in cluster.machines if await one.holds(blob)]
        async with FAULTS[row.fault](cluster, machine):
            cluster.open_gate()
            if row.fault not in OF_THE_REGISTRY:
                cluster.origin.change()
            second = pulls.spawn(node.pull(blob), "second") if machine is not node else None
            if not (machine is node and row.fault == "frozen"):
                outcome = await first
                assert outcome.whole or not row.must_end_well, f"{outcome}\n{node.log}"
            if row.fault in CLOCK:
                await assert_known(cluster)
        for each in await asyncio.gather(first, *([second] if second else []), *others):
            assert "internal error" not in each.reason, node.log
        if row.fault == "corrupted at rest":
            await assert_mended(machine, blob)
            kept = [one for one in kept if one is not machine]  # what it has now it has got anew
        await assert_whole(cluster, kept)


async def assert_mended(machine, blob):
    """A runtime is given what is on the disk, and finds it wrong; soon after that it is not given it any more."""
    deadline = asyncio.get_running_loop().time() + BOUND
    while not (outcome := await ended(machine.pull(blob))).whole:
        assert asyncio.get_running_loop().time() < deadline, f"{outcome}\n{machine.log}"


async def ended(pull):
    try:
        return await pull
    except WrongBytes as wrong:
        return Outcome(False, f"{wrong}", 0)


async def assert_whole(cluster, kept):
    """Everybody who had the blob has it, and the others can get it, which makes it known."""
    for one in kept:
        assert await one.holds(cluster.blob), f"{one.name} has lost it"
    for one in cluster.machines:
        outcome = await one.pull(cluster.blob)
        assert outcome.whole, f"{one.name}: {outcome}\n{one.log}"
        assert await one.verify() == []
    await assert_known(cluster)


async def assert_known(cluster):
    """Each machine finds the others, who have the blob, and has its own time for that."""
    loop = asyncio.get_running_loop()
    for one in cluster.machines:
        deadline = loop.time() + BOUND
        everybody_else = {other.host.address for other in cluster.machines if other is not one}
        while (known := await one.announcers(cluster.blob)) != everybody_else:
            assert loop.time() < deadline, f"{one.name} knows of {known} only"
            await asyncio.sleep(0.1)
