import asyncio
from itertools import count

import pytest

from p2player.oci.digest import Digest
from p2player.peer.evidence import open_evidence, open_piece
from p2player.pull.integrity import witness
from tests.evidence import evidence_of, pieces_of


@pytest.fixture
async def seed(cluster):
    return cluster.add()


@pytest.fixture
async def blob(seed, make_blob):
    blob = make_blob()
    await seed.add(blob.data)
    return blob


def opened(seed, digest, sealed):
    return open_evidence(seed.identity.node_id, digest, sealed)


async def test_a_holder_tells_evidence_and_shows_every_piece(seed, blob):
    evidence = opened(seed, blob.digest, await seed.witness.evidence(blob.digest))
    assert evidence == evidence_of(blob.data)
    for index, piece in enumerate(pieces_of(blob.data)):
        sealed = await seed.witness.piece(blob.digest, index)
        assert open_piece(seed.identity.node_id, blob.digest, index, sealed) == piece
        assert evidence.shows(index, piece)


async def test_there_is_no_piece_behind_the_last(seed, blob):
    assert await seed.witness.piece(blob.digest, 16) is None
    assert await seed.witness.piece(blob.digest, 999_999) is None


async def test_what_is_not_here_is_not_spoken_for(seed, blob, make_blob):
    absent = make_blob(seed=1).digest
    assert await seed.witness.evidence(absent) is None
    assert await seed.witness.piece(absent, 0) is None
    seed.store.remove([blob.digest])
    assert await seed.witness.evidence(blob.digest) is None
    assert await seed.witness.piece(blob.digest, 0) is None


async def test_what_was_told_before_is_not_told_once_the_blob_is_gone(seed, blob):
    assert await seed.witness.evidence(blob.digest)
    seed.store.remove([blob.digest])
    assert await seed.witness.evidence(blob.digest) is None


async def test_a_damaged_disk_makes_a_holder_silent_and_not_a_liar(seed, blob):
    path = seed.store.path(blob.digest)
    damaged = bytearray(blob.data)
    damaged[3 * 65536] ^= 1
    path.chmod(0o644)
    path.write_bytes(damaged)
    assert await seed.witness.evidence(blob.digest) is None
    assert await seed.witness.piece(blob.digest, 3) is None
    assert await seed.witness.piece(blob.digest, 2)


async def test_a_file_that_is_cut_short_is_not_spoken_for(seed, blob):
    path = seed.store.path(blob.digest)
    path.chmod(0o644)
    path.write_bytes(blob.data[:-1])
    assert await seed.witness.evidence(blob.digest) is None
    assert await seed.witness.piece(blob.digest, 15) is None


async def test_a_blob_of_one_piece_and_one_of_another_algorithm_have_no_evidence(seed, make_blob):
    small = make_blob(60_000)
    await seed.add(small.data)
    assert await seed.witness.evidence(small.digest) is None
    assert await seed.witness.evidence(Digest("sha512", "0" * 128)) is None


async def test_a_private_blob_is_not_spoken_for_without_a_secret(seed, blob, monkeypatch):
    monkeypatch.setattr(seed.holdings, "shares", lambda _: False)
    assert await seed.witness.evidence(blob.digest) is None
    assert await seed.witness.piece(blob.digest, 0) is None


async def test_a_blob_is_read_once_however_many_ask(seed, blob, monkeypatch):
    reads, read = count(), witness.states_of_file
    monkeypatch.setattr(witness, "states_of_file", lambda *given: (next(reads), read(*given))[1])
    answers = await asyncio.gather(*(seed.witness.evidence(blob.digest) for _ in range(5)))
    assert len(set(answers)) == 1
    assert next(reads) == 1


async def test_without_a_libcrypto_that_shows_states_nothing_is_told(seed, blob, monkeypatch):
    monkeypatch.setattr(witness, "usable", lambda: False)
    assert await seed.witness.evidence(blob.digest) is None
    assert await seed.witness.piece(blob.digest, 0)
