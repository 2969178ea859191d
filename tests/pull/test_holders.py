import pytest

from p2player.dht.records import NodeAddress, Provider
from p2player.oci.digest import Digest
from p2player.peer.identity import Identity
from p2player.pull.holders import Holder, claims_of
from p2player.swarm.port import SwarmPeer

DIGEST = Digest.of(b"blob")


def provider(number, *, root=b"t" * 32, size=1_000_000, complete=True):
    return Provider.make(
        Identity.from_seed(number.to_bytes(32, "big")),
        digest=DIGEST,
        size=size,
        root=root,
        address=NodeAddress(f"10.0.0.{number}", 7400, 7401),
        complete=complete,
        issued=1,
        expires=2,
    )


def test_providers_who_say_the_same_make_one_claim():
    (claim,) = claims_of([provider(1), provider(2, complete=False)], b"salt")
    assert (claim.metainfo.size, claim.metainfo.root, claim.metainfo.salt) == (1_000_000, b"t" * 32, b"salt")
    assert [holder.swarm for holder in claim.holders] == [("10.0.0.1", 7401), ("10.0.0.2", 7401)]
    assert [holder.http for holder in claim.holders] == [("10.0.0.1", 7400), ("10.0.0.2", 7400)]
    assert [holder.peer for holder in claim.holders] == [
        SwarmPeer(("10.0.0.1", 7401), is_seed=True),
        SwarmPeer(("10.0.0.2", 7401), is_seed=False),
    ]
    assert claim.weight == (1, 2)


def test_another_root_or_size_is_another_claim_and_the_likeliest_comes_first():
    providers = [
        provider(1, root=b"a" * 32),
        provider(2, size=1_000_001),
        provider(3, complete=False),
        provider(4),
    ]
    claims = claims_of(providers, b"")
    assert len(claims) == 3
    assert [holder.swarm[0] for holder in claims[0].holders] == ["10.0.0.3", "10.0.0.4"]


@pytest.mark.parametrize("root", [b"", bytes(32)])
def test_a_blob_for_a_swarm_is_not_claimed_without_a_root(root):
    assert claims_of([provider(1, root=root)], b"") == []
    assert len(claims_of([provider(1, root=root, size=1000)], b"")) == 1, "a small one needs none"


def test_nobody_claims_nothing():
    assert claims_of([], b"") == []


def test_a_holder_is_called_by_its_node_or_its_address():
    node = Identity.from_seed(bytes(32)).node_id
    assert str(Holder(("10.0.0.1", 7401), complete=True, node=node)) == node.short
    assert str(Holder(("10.0.0.1", 7401), complete=True)) == "10.0.0.1:7401"
