"""What comes of claims that contradict each other: who can show its claim shows it, as in `pull.integrity.settling`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netsim.simulate.world import Blob, World
from p2player.pull.fetch.holders import Claim
from p2player.pull.integrity.dispute import Standing, Verdict

if TYPE_CHECKING:
    from p2player.peer.identity import NodeId


def settle(world: World, me: int, blob: Blob, claims: Sequence[Claim]) -> tuple[Verdict, float]:
    """Return what a node comes to that asks all holders of these claims of a blob, and how many seconds that takes."""
    refuted: dict[NodeId, str] = {}
    standings = {}
    for claim in claims:
        complete = [holder for holder in claim.holders if holder.complete]
        reached = [holder for holder in complete if world.reach.between(me, world.number_of_holder(holder))]
        is_right = claim.metainfo.root == blob.root
        if not is_right:
            refuted |= {holder.node: "showed what is not of the blob" for holder in reached if holder.node}
        heard = Standing.HEARD if is_right else Standing.REFUTED
        standings[claim.metainfo] = heard if reached else Standing.UNHEARD
    ways = (world.way(me, world.number_of_holder(holder)) for claim in claims for holder in claim.holders)
    return Verdict(refuted, standings), 6 * max(ways, default=0.0) + blob.size / world.parameters.hashing
