import pytest

from p2player.oci.digest import Digest
from p2player.peer.identity import NodeId
from p2player.peer.relay import Neighbour, Standing
from p2player.pull.chain.sources import Sources
from p2player.pull.chain.trust import Trust
from p2player.pull.holders import Lead, Sighting

HEAD, OTHER = (NodeId(bytes([number]) * 20) for number in (1, 2))
LEAD = Lead(Digest.of(b"blob"), 1000, Sighting())


class Peers:
    """Says that a node is in the chain of HEAD."""

    async def standing(self, host, port, digest, *, front, timeout):  # noqa: ASYNC109  (as the client has it)
        return Standing(1000, 500, 3, head=HEAD)


@pytest.mark.parametrize(("avoided", "head"), [({HEAD}, None), ({OTHER}, HEAD)])
async def test_a_head_that_is_not_believed_is_not_told_so_that_nobody_joins_its_chain(avoided, head):
    trust = Trust(frozenset, lambda: 0.0)
    sources = Sources(LEAD, None, None, access=None, peers=Peers(), trust=trust, avoided=avoided)
    assert await sources.standing(Neighbour(OTHER, "10.0.0.2", 7400), 0) == Standing(1000, 500, 3, head=head)
