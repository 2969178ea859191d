import asyncio
import logging

import pytest

from p2player.counters import Counters
from p2player.errors import InvalidConfig
from p2player.peer.keyring import Keyring
from p2player.peer.secret import ClusterSecret
from p2player.peer.secretfile import OVERLAP
from p2player.tasks import Tasks
from tests.virtual_time import VirtualTimeLoop

ONE, TWO, THREE = (ClusterSecret(f"{name}-secret-of-the-test".encode()) for name in ("one", "two", "three"))
BEGINS = 1_796_083_200  # 2026-12-01T00:00:00Z
ROTATED = b"one-secret-of-the-test\ntwo-secret-of-the-test from 2026-12-01T00:00:00Z\n"


class Clock:
    def __init__(self):
        self.now = BEGINS - 3600.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def counters():
    return Counters()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"one-secret-of-the-test\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def keyring(file, clock, counters):
    return Keyring.open(file, clock, counters=counters)


@pytest.fixture
def told(keyring):
    """What was accepted each time a change was told."""
    found = []
    keyring.on_change(lambda: found.append(keyring.accepted))
    return found


def test_a_fixed_keyring_has_one_secret_or_none():
    assert Keyring.of(ONE).accepted == (Keyring.of(ONE).current,) == (ONE,)
    assert not Keyring.of(ONE).is_public
    assert Keyring.of(ClusterSecret()).is_public
    assert Keyring.of(ClusterSecret()).current.is_public


def test_a_file_is_needed_to_begin_with(tmp_path):
    with pytest.raises(InvalidConfig, match="absent"):
        Keyring.open(tmp_path / "absent")


async def test_a_rotation_is_told_when_it_is_read_when_it_begins_and_when_it_is_over(keyring, file, clock, told):
    await keyring.look()
    assert told == []
    file.write_bytes(ROTATED)
    await keyring.look()
    clock.now = BEGINS
    assert keyring.current == TWO
    await keyring.look()
    await keyring.look()
    clock.now = BEGINS + OVERLAP
    await keyring.look()
    assert told == [(ONE, TWO), (TWO, ONE), (TWO,)]


async def test_a_secret_that_is_replaced_at_once_is_out_at_once(keyring, file, told):
    file.write_bytes(b"two-secret-of-the-test\n")
    await keyring.look()
    assert told == [(TWO,)]


@pytest.mark.parametrize("broken", [b"", b"one secret of the test\n", None])
async def test_a_file_that_breaks_changes_nothing_and_is_logged_and_counted_once(
    keyring, file, told, counters, caplog, broken
):
    file.unlink() if broken is None else file.write_bytes(broken)
    await keyring.look()
    await keyring.look()
    assert (keyring.accepted, told) == ((ONE,), [])
    assert counters.events == {"secret.unreadable": 1}
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "stay in use" in record.message

    file.write_bytes(b"two-secret-of-the-test\n")
    await keyring.look()
    assert told == [(TWO,)]
    file.unlink()
    await keyring.look()
    assert counters.events == {"secret.unreadable": 2}


async def test_a_callback_that_fails_keeps_nobody_else_from_hearing(file, clock, caplog):
    keyring = Keyring.open(file, clock)
    heard = []
    keyring.on_change(lambda: 1 / 0)
    keyring.on_change(lambda: heard.append(keyring.current))
    file.write_bytes(b"two-secret-of-the-test\n")
    await keyring.look()
    assert heard == [TWO]
    assert "not followed" in caplog.text


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
async def test_a_file_that_others_may_read_is_warned_of_once(file, clock, caplog, mode, warned):
    file.chmod(mode)
    keyring = Keyring.open(file, clock)
    await keyring.look()
    assert caplog.text.count("chmod 600") == warned


def test_watching_finds_changes_by_itself(file, clock):
    async def rotate():
        keyring = Keyring.open(file, clock)
        changed = asyncio.Event()
        keyring.on_change(changed.set)
        tasks = Tasks("test")
        tasks.spawn(keyring.watch(), "watch")
        started = asyncio.get_running_loop().time()
        file.write_bytes(ROTATED)
        await changed.wait()
        changed.clear()
        clock.now = BEGINS
        await changed.wait()
        await tasks.close()
        assert keyring.accepted == (TWO, ONE)
        return asyncio.get_running_loop().time() - started

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(rotate()) <= 10


async def test_no_secret_is_shown_in_a_log_or_a_repr(keyring, file, caplog):
    caplog.set_level(logging.DEBUG)
    file.write_bytes(ROTATED + b"three secret of the test\n")
    await keyring.look()
    file.write_bytes(b"two-secret-of-the-test\n")
    await keyring.look()
    assert "secret-of-the-test" not in caplog.text + repr(keyring) + repr(keyring.accepted)
