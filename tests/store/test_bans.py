import errno
import json
import os
import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2player.errors import DiskFull, StorageError
from p2player.store import bans as bans_module
from p2player.store.rows import Ban

NODE, OTHER = b"n" * 20, b"o" * 20


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def fail_to_write(monkeypatch):
    """Have the disk refuse bans.json from now on, and take it again when the returned function is called."""

    def fail(error):
        def replace_file(*_):
            raise error

        with_room = bans_module.replace_file
        monkeypatch.setattr(bans_module, "replace_file", replace_file)
        return lambda: monkeypatch.setattr(bans_module, "replace_file", with_room)

    return fail


def test_a_ban_keeps_its_first_reason_and_its_time_over_a_restart(open_store):
    store = open_store()
    store.ban(NODE, "sent a false root")
    store.ban(NODE, "again")
    (ban,) = store.banned()
    assert (ban.node, ban.reason) == (NODE, "sent a false root")
    assert ban.at > 1_600_000_000
    store.close()
    again = open_store()
    assert again.banned() == (ban,)
    assert again.bans() == {NODE}


def test_a_ban_that_is_lifted_stays_lifted_over_a_restart_and_the_others_stay(open_store):
    store = open_store()
    store.ban(NODE, "lied")
    store.ban(OTHER, "lied too")
    assert store.unban(NODE)
    assert not store.unban(NODE)
    assert store.bans() == {OTHER}
    store.close()
    assert open_store().bans() == {OTHER}


@pytest.mark.parametrize(
    "damage",
    [
        lambda data_dir: (data_dir / "catalog.db").unlink(),
        lambda data_dir: (data_dir / "catalog.db").write_bytes(b"not a database"),
        lambda data_dir: (data_dir / "bans.json").unlink(),
        lambda data_dir: (data_dir / "bans.json").write_bytes(b"\xff\x00"),
        lambda data_dir: (data_dir / "bans.json").write_bytes(b'{"bans": [{"node": "00", "reason": "", "at": 1}]}'),
    ],
)
def test_whatever_one_file_is_lost_no_liar_is_forgiven(open_store, data_dir, damage):
    store = open_store()
    store.ban(NODE, "lied")
    before = store.banned()
    store.close()
    damage(data_dir)
    store = open_store()
    assert store.banned() == before
    store.close()
    assert open_store().banned() == before


def test_a_store_in_which_nobody_was_banned_has_no_file_of_bans(open_store, data_dir):
    open_store().close()
    assert not (data_dir / "bans.json").exists()


def test_a_ban_that_was_written_but_not_committed_holds(open_store, data_dir):
    open_store().close()
    entry = {"node": NODE.hex(), "reason": "lied", "at": 1_700_000_000}
    (data_dir / "bans.json").write_text(json.dumps({"bans": [entry]}))
    assert open_store().banned() == (Ban(NODE, "lied", 1_700_000_000),)


@pytest.mark.parametrize(
    "error", [DiskFull("full"), OSError(errno.EROFS, "read-only"), sqlite3.OperationalError("readonly database")]
)
def test_a_ban_that_the_disk_does_not_take_holds_and_is_written_with_the_next(open_store, fail_to_write, error):
    store = open_store()
    recover = fail_to_write(error)
    store.ban(NODE, "lied")
    assert store.bans() == {NODE}
    recover()
    store.ban(OTHER, "lied too")
    store.close()
    assert open_store().bans() == {NODE, OTHER}


@pytest.mark.parametrize("error", [DiskFull("full"), OSError(errno.EIO, os.strerror(errno.EIO))])
def test_a_ban_that_cannot_be_taken_back_on_the_disk_is_not_taken_back(open_store, fail_to_write, error):
    store = open_store()
    store.ban(NODE, "lied")
    fail_to_write(error)
    with pytest.raises(StorageError):
        store.unban(NODE)
    assert store.bans() == {NODE}
    store.close()
    assert open_store().bans() == {NODE}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["bans", "node", "reason", "at"]), inner, max_size=3)
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_content_of_the_file_keeps_the_store_from_opening(open_store, data_dir, content):
    open_store().close()
    (data_dir / "bans.json").write_bytes(content)
    store = open_store()
    assert all(len(node) == 20 for node in store.bans())
    store.close()


@pytest.mark.parametrize("at", [-1, 2**63, 10**30])
def test_a_ban_of_no_time_that_can_be_keeps_no_store_from_opening(open_store, data_dir, at):
    open_store().close()
    (data_dir / "bans.json").write_text(json.dumps({"bans": [{"node": NODE.hex(), "reason": "lied", "at": at}]}))
    store = open_store()
    assert store.bans() == frozenset()
    store.close()
