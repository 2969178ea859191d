import asyncio
from dataclasses import replace

import pytest

from p2player.peer.evidence import seal_piece
from p2player.peer.identity import NodeId
from p2player.swarm.port import Spoilt

PIECES = frozenset({2, 3, 5})
OTHER = b"other bytes".ljust(65536, b"!")


@pytest.fixture
async def blob(cluster, make_blob):
    """Return a blob that is here at the first node, and that the second announces."""
    node, peer = cluster.add(), cluster.add()
    blob = make_blob()
    for each in (node, peer):
        await each.add(blob.data)
    return blob


@pytest.fixture
def node(cluster, blob):
    return cluster.nodes[0]


@pytest.fixture
def peer(cluster, blob):
    return cluster.nodes[1]


def spoilt_at(peer, pieces=PIECES):
    return Spoilt(pieces, frozenset({peer.address}))


def flooded_from(peer):
    return Spoilt(flooders=frozenset({peer.address}))


async def question(node, blob, spoilt, *holders):
    """Return what comes of it in the journal."""
    node.suspects.question(blob.digest, spoilt, holders)
    await asyncio.sleep(60)
    return node.history(blob.digest)


def let_sign(peer, data):
    async def piece(digest, index):
        return seal_piece(peer.identity, digest, index, data)

    peer.witness.piece = piece


@pytest.mark.parametrize("data", [OTHER, OTHER[:-1], b"", OTHER + b"and more"])
async def test_who_signs_a_wrong_piece_is_banned_and_why_says_so(node, peer, blob, data):
    let_sign(peer, data)
    history = await question(node, blob, spoilt_at(peer), peer.holder())
    assert node.store.bans() == {peer.identity.node_id.raw}
    reason = f"sent wrong pieces of {blob.digest}, and signed them"
    assert [ban.reason for ban in node.store.banned()] == [reason]
    assert history[-1] == f"banned {peer.identity.node_id.short}, which lied: it {reason}"


async def test_who_is_known_by_the_name_it_gives_itself_is_asked_as_well(node, peer, blob):
    let_sign(peer, OTHER)
    name = peer.identity.node_id.short
    await question(node, blob, Spoilt(PIECES, names=frozenset({name})), peer.holder())
    assert node.store.bans() == {peer.identity.node_id.raw}


async def test_who_shows_the_right_pieces_is_not_banned_whatever_the_swarm_says(node, peer, blob):
    history = await question(node, blob, spoilt_at(peer), peer.holder())
    assert node.store.bans() == frozenset()
    assert history[-1].endswith("may have sent wrong pieces, but shows the right ones")


async def test_a_node_with_a_bad_disk_shows_nothing_and_is_not_banned(node, peer, blob):
    peer.store.path(blob.digest).chmod(0o644)
    peer.store.path(blob.digest).write_bytes(bytes(len(blob.data)))
    history = await question(node, blob, spoilt_at(peer), peer.holder())
    assert node.store.bans() == frozenset()
    assert "may have sent wrong pieces, and does not show them" in history[-1]


async def test_what_another_has_signed_is_not_held_against_a_node(cluster, node, peer, blob):
    liar = cluster.add()
    let_sign(liar, OTHER)
    peer.witness.piece = liar.witness.piece
    await question(node, blob, spoilt_at(peer), peer.holder())
    assert node.store.bans() == frozenset()


async def test_who_is_not_among_the_suspects_is_not_asked(cluster, node, peer, blob):
    other = cluster.add()
    let_sign(other, OTHER)
    await question(node, blob, spoilt_at(peer), peer.holder(), other.holder())
    assert node.store.bans() == frozenset()


async def test_where_nothing_came_wrong_nobody_is_asked(node, peer, blob):
    let_sign(peer, OTHER)
    assert await question(node, blob, Spoilt(), peer.holder()) == []
    assert await question(node, blob, spoilt_at(peer, frozenset()), peer.holder()) == []


async def test_if_the_blob_has_left_the_store_meanwhile_nothing_is_proven(node, peer, blob):
    let_sign(peer, OTHER)
    node.store.remove([blob.digest])
    await question(node, blob, spoilt_at(peer), peer.holder())
    assert node.store.bans() == frozenset()


async def test_who_flooded_the_swarm_and_signs_that_it_is_there_is_banned_and_nobody_else_is(cluster, node, peer, blob):
    other = cluster.add()
    history = await question(node, blob, flooded_from(peer), peer.holder(), other.holder())
    assert node.store.bans() == {peer.identity.node_id.raw}
    assert history[-1].endswith(f"it sent blocks of {blob.digest} that nobody asked for")


async def test_who_flooded_under_no_signed_record_is_not_banned(node, peer, blob):
    stranger = replace(peer.holder(), node=None)
    await question(node, blob, flooded_from(peer), stranger)
    assert node.store.bans() == frozenset()


async def test_who_has_left_its_address_to_a_flooder_that_does_not_answer_is_not_banned(cluster, node, peer, blob):
    cluster.peers.dead.add(peer.host)
    history = await question(node, blob, flooded_from(peer), peer.holder())
    assert node.store.bans() == frozenset()
    assert "and it does not show that it is there" in history[-1]


async def test_who_has_left_its_port_to_a_flooder_is_not_banned(node, peer, blob):
    holder = peer.holder()
    peer.address = (peer.host, 7402)
    history = await question(node, blob, Spoilt(flooders=frozenset({holder.swarm})), holder)
    assert node.store.bans() == frozenset()
    assert history[-1].endswith(f"but it is at {peer.host}:7402")


async def test_who_is_asked_by_way_of_a_flooder_at_its_old_address_is_not_banned(cluster, node, peer, blob):
    holder = peer.holder()
    moved_to = "10.0.9.9"
    peer.host, peer.address = moved_to, (moved_to, 7401)
    assert cluster.peers.nodes[holder.http[0]] is peer, "the question is passed on"
    history = await question(node, blob, Spoilt(flooders=frozenset({holder.swarm})), holder)
    assert node.store.bans() == frozenset()
    assert history[-1].endswith(f"but it is at {moved_to}:7401")


async def test_who_is_told_by_others_that_it_is_at_the_address_of_a_flooder_is_not_banned(node, peer, blob):
    holder = peer.holder()
    peer.host = "10.0.9.9"  # and it announces the flooder's
    await question(node, blob, flooded_from(peer), holder)
    assert node.store.bans() == frozenset()


async def test_what_another_says_of_itself_is_not_held_against_a_node(cluster, node, peer, blob):
    flooder = cluster.add()
    flooder.host, flooder.address = peer.host, peer.address
    cluster.peers.nodes[peer.host] = flooder
    history = await question(node, blob, flooded_from(peer), peer.holder())
    assert node.store.bans() == frozenset()
    assert "and it does not show that it is there" in history[-1]


async def test_not_all_who_announce_the_address_of_a_flooder_are_asked(node, peer, blob):
    holders = [replace(peer.holder(), node=NodeId(bytes([number]) * 20)) for number in range(30)]
    assert len(await question(node, blob, flooded_from(peer), *holders)) == 8
