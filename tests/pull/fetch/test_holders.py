import pytest

from p2player.dht.records import NodeAddress, Provider
from p2player.oci.digest import Digest
from p2player.peer.identity import Identity
from p2player.pull.fetch.holders import Holder, claims_of, sighting_of
from p2player.swarm.port import SwarmPeer
from p2player.swarm.realm import Realm

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
    (claim,) = claims_of([provider(1), provider(2, complete=False)], Realm(b"salt"))
    assert (claim.metainfo.size, claim.metainfo.root, claim.metainfo.realm) == (1_000_000, b"t" * 32, Realm(b"salt"))
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
    claims = claims_of(providers, Realm())
    assert len(claims) == 3
    assert [holder.swarm[0] for holder in claims[0].holders] == ["10.0.0.3", "10.0.0.4"]


@pytest.mark.parametrize("root", [b"", bytes(32)])
def test_a_blob_for_a_swarm_is_not_claimed_without_a_root(root):
    assert claims_of([provider(1, root=root)], Realm()) == []
    assert len(claims_of([provider(1, root=root, size=1000)], Realm())) == 1, "a small one needs none"


def test_the_size_is_the_manifests_unless_all_who_have_the_blob_say_otherwise():
    said = sighting_of([provider(1, size=2_000_000), provider(2, size=2_000_000), provider(3)], Realm())
    assert said.size_by(None) == 2_000_000
    assert said.size_by(1_000_000) == 1_000_000
    assert said.size_by(5) == 2_000_000
    assert sighting_of([], Realm()).size_by(5) == 5
    assert sighting_of([], Realm()).size_by(None) is None


def test_nobody_claims_nothing():
    assert claims_of([], Realm()) == []


def test_a_holder_is_called_by_its_node_or_its_address():
    node = Identity.from_seed(bytes(32)).node_id
    assert str(Holder(("10.0.0.1", 7401), complete=True, node=node)) == node.short
    assert str(Holder(("10.0.0.1", 7401), complete=True)) == "10.0.0.1:7401"
