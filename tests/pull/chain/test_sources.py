import pytest

from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.peer.standing import Neighbour, Place, Standing
from p2player.pull.chain.sources import Sources
from p2player.pull.chain.trust import Trust
from p2player.pull.fetch.holders import Lead, Sighting

HEAD, OTHER, NEAR, MIDDLE, FAR = (NodeId(bytes([number]) * 20) for number in range(1, 6))
LEAD = Lead(Digest.of(b"blob"), 1000, Sighting())


class Peers:
    """Says of a node that it has one place."""

    def __init__(self, place):
        self.place = place

    async def standing(self, host, port, digest, *, front, timeout):  # noqa: ASYNC109  (as the client has it)
        return Standing(1000, 500, self.place)


async def told(place, avoided):
    """Return which place is heard of, by a node that avoids some others."""
    trust = Trust(frozenset, lambda: 0.0)
    sources = Sources(LEAD, None, None, access=None, peers=Peers(place), trust=trust, avoided=avoided)
    return (await sources.standing(at(OTHER), 0)).place


def at(node):
    return Neighbour(node, "10.0.0.2", 7400)


@pytest.mark.parametrize(("avoided", "head"), [({HEAD}, None), ({OTHER}, HEAD)])
async def test_a_head_that_is_not_believed_is_not_told_so_that_nobody_joins_its_chain(avoided, head):
    assert await told(Place(3, HEAD), avoided) == Place(3, head)


@pytest.mark.parametrize(("avoided", "before"), [(set(), [NEAR, MIDDLE, FAR]), ({MIDDLE}, [NEAR]), ({NEAR}, [])])
async def test_of_those_that_a_node_takes_it_over_none_is_told_from_the_first_on_that_is_not_believed(avoided, before):
    place = Place(3, HEAD, tuple(map(at, (NEAR, MIDDLE, FAR))))
    assert await told(place, avoided) == Place(3, HEAD, tuple(map(at, before)))
