import pytest

from p2player.oci.digest import Digest
from p2player.pull.fetch.holders import Claim
from p2player.pull.fetch.streams import BARELY_BEGUN, FAST, MAX_RESTARTS, Streams
from p2player.swarm.metainfo import Metainfo
from tests.pull.fetch.hunting import LIE, TRUE, claim, holder

LARGE = FAST * BARELY_BEGUN


@pytest.fixture
def streams():
    """A hunt's streams, of which one is running."""
    streams = Streams()
    assert not streams.begin(0.0)
    assert streams.is_running
    return streams


@pytest.mark.parametrize("has_origin", [True, False])
def test_what_others_passed_on_wrong_is_begun_anew_and_then_comes_from_the_registry_alone_if_there_is_one(
    streams, has_origin
):
    for _ in range(MAX_RESTARTS):
        streams.lied(was_relayed=True, has_origin=has_origin)
        assert streams.is_possible
        assert not streams.begin(0.0)
    streams.lied(was_relayed=True, has_origin=has_origin)
    assert not streams.is_possible
    assert streams.is_left == has_origin
    assert streams.is_spent != has_origin
    if has_origin:
        assert streams.begin(0.0)
        streams.lied(was_relayed=True, has_origin=True)
        assert streams.is_spent


def test_what_the_registry_itself_sent_wrong_is_not_asked_for_again(streams):
    streams.lied(was_relayed=False, has_origin=True)
    assert streams.is_spent
    assert not streams.is_left


@pytest.mark.parametrize("has_news", [True, False])
def test_a_stream_that_failed_is_begun_anew_only_if_that_has_told_something(streams, has_news):
    streams.failed(has_news=has_news)
    assert streams.is_possible == has_news
    assert streams.is_spent != has_news


def test_what_one_node_alone_has_is_streamed_unless_it_is_small_or_was_tried():
    streams = Streams()
    assert streams.suit([claim(TRUE, 1)], 0)
    assert not streams.suit([claim(TRUE, 1, 2)], 0)
    assert not streams.suit([claim(TRUE, 1), claim(TRUE, 2)], 0)
    assert not streams.suit([Claim(Metainfo(Digest.of(b""), 1, b""), claim(TRUE, 1).holders)], 0)
    streams.begin(0.0)
    streams.failed(has_news=False)
    assert not streams.suit([claim(TRUE, 1)], 0)


def test_what_a_few_have_is_streamed_while_as_many_stream_it():
    a_few = [claim(TRUE, 1, 2, 3)]
    assert not Streams().suit(a_few, 2)
    assert Streams().suit(a_few, 3)
    assert not Streams().suit([claim(TRUE, 1, 2), claim(LIE, 3)], 3), "who of them lies has to be settled before"
    fetching = Claim(TRUE, (holder(1, complete=False), holder(2, complete=False)))
    assert not Streams().suit([fetching], 3), "there is a swarm already, and nobody to follow"


def test_a_fast_stream_gives_way_to_a_swarm_while_little_has_come_and_only_once(streams):
    assert not streams.give_way(FAST - 1, LARGE, 1.0)
    assert not streams.give_way(FAST + 1, LARGE, 1.0)
    assert streams.give_way(FAST, LARGE, 1.0)
    assert streams.is_possible
    assert not streams.suit([claim(TRUE, 1)], 0)
    assert not streams.give_way(FAST, LARGE, 1.0)
