import asyncio
from types import SimpleNamespace

import pytest

from p2player.errors import NotFound
from p2player.pull.chain.commands import Follow, GoUpstream
from p2player.pull.chain.doubts import Doubts
from p2player.tasks import Tasks
from tests.pull.chain.conversing import DIGEST, FIRST, SECOND, SIZE

HERE = 8_000_000
WRONG = 4 * 1024 * 1024


class Registry:
    """What asking the registry gives: for all kinds of questions the same."""

    def __init__(self, wrong):
        self.wrong = wrong
        self.asked = 0

    async def compare(self, *_):
        self.asked += 1
        if isinstance(self.wrong, Exception):
            raise self.wrong
        return self.wrong

    sample = compare

    async def is_right(self, _):
        return await self.compare() is None


class Doubting:
    """The doubts of a node that has some of a blob, and what has come of them."""

    def __init__(self, wrong, *, origin="origin", whole=(), known=False):
        self.registry = Registry(wrong)
        self.spoilt, self.distrusted, self.noted = [], [], []
        self.tasks = Tasks("doubts")
        holders = [SimpleNamespace(node=each.node) for each in whole]
        self.doubts = Doubts(
            SimpleNamespace(digest=DIGEST, size=SIZE, origin=origin, sighting=SimpleNamespace(whole=holders)),
            FIRST.node,
            SimpleNamespace(offset=HERE, front=lambda _: "here"),
            SimpleNamespace(boundary=HERE, has_received=lambda wrong: wrong < HERE),
            self.registry,
            trust=SimpleNamespace(needs_no_proof=lambda _: known),
            resume=None,
            tasks=self.tasks,
            spoilt=lambda wrong, following: self.spoilt.append((wrong, following)),
            distrust=self.distrusted.append,
            note=self.noted.append,
        )

    async def settled(self):
        await asyncio.sleep(0.01)
        await self.tasks.close()


@pytest.mark.parametrize(("wrong", "who"), [(WRONG, "here"), (None, "there")])
async def test_of_two_nodes_with_other_bytes_the_registry_tells_whose_are_right(wrong, who):
    doubting = Doubting(wrong)
    await doubting.doubts.compare(SECOND, "other", HERE)
    assert doubting.spoilt == ([(WRONG, None)] if who == "here" else [])
    assert doubting.distrusted == ([SECOND.node] if who == "there" else [])


@pytest.mark.parametrize("front", ["here", ""])
async def test_a_node_with_the_same_bytes_or_none_to_tell_of_is_no_ground_to_ask(front):
    doubting = Doubting(None)
    await doubting.doubts.compare(SECOND, front, HERE)
    assert not (doubting.registry.asked)
    assert not (doubting.distrusted)


async def test_who_finds_a_wrong_block_by_itself_goes_to_the_registry():
    doubting = Doubting(WRONG)
    doubting.doubts.sample([])
    await doubting.settled()
    assert doubting.spoilt == [(WRONG, GoUpstream())]


async def test_what_many_known_nodes_have_is_not_compared_but_looked_at_when_one_warns():
    doubting = Doubting(WRONG, known=True)
    doubting.doubts.sample([])
    await asyncio.sleep(0.01)
    assert not doubting.registry.asked
    doubting.doubts.warned(SECOND, WRONG)
    await doubting.settled()
    assert doubting.spoilt == [(WRONG, Follow(SECOND))]


async def test_without_a_registry_nobody_is_asked():
    doubting = Doubting(WRONG, origin=None)
    doubting.doubts.sample([])
    doubting.doubts.warned(SECOND, WRONG)
    await doubting.settled()
    assert not doubting.registry.asked


async def test_a_registry_that_does_not_have_what_others_have_whole_is_not_asked_for_blocks_again():
    doubting = Doubting(NotFound("not there"), whole=[SECOND])
    await doubting.doubts.compare(SECOND, "other", HERE)
    doubting.doubts.sample([])
    await doubting.settled()
    assert doubting.registry.asked == 1
    assert not (doubting.spoilt)
    assert not (doubting.distrusted)
    assert "does not tell" in doubting.noted[-1]


@pytest.mark.parametrize("wrong", [WRONG, None])
async def test_a_warning_is_believed_only_if_the_registry_says_the_same(wrong):
    doubting = Doubting(wrong)
    doubting.doubts.warned(SECOND, WRONG)
    await doubting.settled()
    assert doubting.spoilt == ([(WRONG, Follow(SECOND))] if wrong else [])
