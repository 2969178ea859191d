import logging

from p2player.peer.identity import NodeId
from p2player.pull.integrity.banning import ban

LIAR = NodeId(b"l" * 20)


async def test_a_ban_is_kept_in_the_store_and_told_in_the_journal_and_the_log(cluster, make_blob, caplog):
    node, digest = cluster.add(), make_blob().digest
    with caplog.at_level(logging.WARNING):
        await ban(node.store, node.journal, digest, LIAR, "sent something else")
    assert node.store.bans() == {LIAR.raw}
    assert node.history(digest) == [f"banned {LIAR.short}, which lied: it sent something else"]
    assert f"node {LIAR} is banned: it sent something else" in caplog.text
