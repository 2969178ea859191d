import pytest

BOUND = 15  # seconds, for what takes half of one when nothing happens


@pytest.fixture
def file(make_file):
    return make_file()


@pytest.fixture
def hold(file):
    """Let daemons hold the file."""

    def bring_in(*daemons):
        for daemon in daemons:
            daemon.p2player("seed", str(file.path))

    return bring_in


def test_a_peer_that_freezes_in_the_middle_is_replaced_by_another(cluster, hold, file, begin_pull):
    node, seed = cluster.nodes[:2]
    victim = cluster.add()
    hold(victim, seed)
    pull = begin_pull(node, file)
    with victim.frozen():
        assert pull.finish() < BOUND


def test_a_peer_that_is_killed_in_the_middle_is_replaced_by_another(cluster, hold, file, begin_pull):
    node, seed = cluster.nodes[:2]
    victim = cluster.add()
    hold(victim, seed)
    pull = begin_pull(node, file)
    victim.kill()
    assert pull.finish() < BOUND


def test_a_peer_that_was_frozen_before_does_not_keep_a_pull_from_the_others(cluster, hold, file, begin_pull):
    node, seed = cluster.nodes[:2]
    victim = cluster.add()
    hold(victim, seed)
    with victim.frozen():
        assert begin_pull(node, file).finish() < BOUND
