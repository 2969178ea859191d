import asyncio
import random

import pytest

from p2player.errors import PeerUnreachable, StoreDamaged, TransferStalled
from p2player.oci.digest import Digest
from p2player.peer.identity import Identity
from p2player.peer.segments import Segment, end_of, new_run, segment_bytes
from p2player.pull.chain.growing import Growing
from p2player.pull.chain.incoming import Front, Incoming, Received

SEGMENT = segment_bytes(1)
"""Bytes of a segment of all these blobs: they are small."""

ME = Identity.from_seed(b"m" * 32)
HEAD = Identity.from_seed(b"h" * 32)
RUN = new_run()
DATA = random.Random(2).randbytes(80 * SEGMENT + 100)
DIGEST = Digest.of(DATA)


@pytest.fixture
async def growing(tmp_path):
    growing = Growing(tmp_path / "blob", len(DATA), "sha256")
    with growing.held():
        yield growing


@pytest.fixture
async def incoming(growing):
    return Incoming(growing, DIGEST, ME, Front(None))


def received(start, check=lambda: None):
    data = DATA[start : end_of(start, len(DATA))]
    return Received(Segment.sign(HEAD, RUN, DIGEST, len(DATA), start, data), HEAD.node_id, "connection"), data, check


async def fill(incoming):
    for start in range(incoming.boundary, len(DATA), SEGMENT):
        await incoming.add(*received(start))


async def passed_on(incoming, start=0):
    return [each async for each in incoming.read(start)]


async def test_what_came_from_others_is_passed_on_as_they_have_signed_it(incoming):
    await fill(incoming)
    incoming.release()
    segments = await passed_on(incoming)
    assert b"".join(data for _, data in segments) == DATA
    assert {segment.signer for segment, _ in segments} == {HEAD.public_key}
    assert [each.segment for each in incoming.received] == [segment for segment, _ in segments]


@pytest.mark.parametrize("chunk", [1000, SEGMENT, 5 * SEGMENT])
async def test_what_came_from_the_registry_is_signed_by_this_node_in_one_run(incoming, chunk):
    following = asyncio.gather(passed_on(incoming))
    for start in range(0, len(DATA), chunk):
        await incoming.append(DATA[start : start + chunk])
        await asyncio.sleep(0)
    incoming.release()
    (segments,) = await following
    assert b"".join(data for _, data in segments) == DATA
    assert all(segment.is_signed(DIGEST, len(DATA)) and segment.is_of(data) for segment, data in segments)
    assert {segment.signer for segment, _ in segments} == {ME.public_key}
    assert incoming.received == []


async def test_only_whole_segments_can_be_passed_on_and_the_last_only_when_the_digest_has_matched(incoming):
    await incoming.append(DATA[: SEGMENT + 1])
    assert (incoming.offset, incoming.boundary) == (SEGMENT, SEGMENT)
    await incoming.append(DATA[SEGMENT + 1 :])
    before_last = 80 * SEGMENT
    assert (incoming.offset, incoming.boundary) == (before_last, len(DATA))
    waiting = asyncio.gather(anext(incoming.read(before_last)))
    await asyncio.sleep(1)
    assert not waiting.done()
    incoming.release()
    ((_, data),) = await waiting
    assert data == DATA[before_last:]
    assert incoming.offset == len(DATA)


async def test_who_waits_for_the_last_bytes_is_told_that_they_were_wrong(incoming):
    await fill(incoming)
    waiting = asyncio.gather(passed_on(incoming, 80 * SEGMENT), return_exceptions=True)
    await asyncio.sleep(0)
    incoming.fail(error := TransferStalled("wrong"))
    assert await waiting == [error]


async def test_a_segment_that_the_registry_has_begun_is_completed_by_another_node(incoming, growing):
    await incoming.append(DATA[:1000])
    assert await incoming.add(*received(0)) == SEGMENT - 1000
    await fill(incoming)
    assert growing.digest == DIGEST


async def test_a_segment_that_differs_from_what_the_registry_has_begun_is_refused(incoming, growing):
    await incoming.append(b"other bytes")
    with pytest.raises(PeerUnreachable):
        await incoming.add(*received(0))
    assert growing.offset == len(b"other bytes")
    assert incoming.received == []


async def test_of_a_segment_that_fails_its_check_nothing_is_taken(incoming, growing):
    def forged():
        raise PeerUnreachable("forged")

    with pytest.raises(PeerUnreachable, match="forged"):
        await incoming.add(*received(0, forged))
    assert (growing.offset, incoming.boundary, incoming.received) == (0, 0, [])
    await fill(incoming)
    assert growing.digest == DIGEST


async def test_what_is_read_from_the_disk_is_signed_in_a_run_that_never_signs_a_last_segment_with_the_rest(incoming):
    await incoming.append(DATA)
    incoming.release()
    segments = [segment for segment, _ in await passed_on(incoming)]
    assert len({segment.run for segment in segments}) == 2
    assert segments[0].run != segments[-1].run


async def test_bytes_that_the_disk_has_changed_are_not_passed_on(incoming, tmp_path):
    await fill(incoming)
    with (tmp_path / "blob").open("r+b") as file:
        file.write(b"changed")
    with pytest.raises(StoreDamaged):
        await anext(incoming.read(0))
    _, data = await anext(incoming.read(SEGMENT))
    assert data == DATA[SEGMENT : 2 * SEGMENT]
