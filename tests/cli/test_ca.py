import datetime as dt

import pytest

from p2player.peer.tlsfiles import TlsFiles


@pytest.fixture
def authority(run, tmp_path):
    directory = tmp_path / "ca"
    assert run("ca", "init", directory).code == 0
    return directory


def test_a_ca_is_made_and_the_next_step_told(run, tmp_path):
    told = run("ca", "init", tmp_path / "new" / "ca")
    assert told.code == 0
    assert f"p2player ca issue {tmp_path / 'new' / 'ca'} NAME" in told.out
    assert (tmp_path / "new" / "ca" / "ca.key").stat().st_mode & 0o777 == 0o600


def test_a_ca_is_never_overwritten(run, authority):
    before = (authority / "ca.key").read_bytes()
    told = run("ca", "init", authority)
    assert told.code == 2
    assert (authority / "ca.key").read_bytes() == before


def test_what_is_issued_is_what_a_node_takes(run, authority, tmp_path):
    told = run("ca", "issue", authority, "node-1", "--days", 5, "--out", tmp_path / "out")
    assert told.code == 0
    files = TlsFiles(*(tmp_path / "out" / name for name in ("ca.pem", "node-1.pem", "node-1.key")))
    now = dt.datetime.now(dt.UTC).timestamp()
    credential, expires = files.read(now)
    assert credential.root == (authority / "ca.pem").read_bytes()
    assert 4.9 < (expires - now) / 86400 <= 5
    assert files.key.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "out" / "ca.key").exists()
    assert "--tls-cert node-1.pem" in told.out


def test_a_second_node_gets_its_own_and_an_existing_one_is_not_overwritten(run, authority):
    assert run("ca", "issue", authority, "a").code == 0
    assert run("ca", "issue", authority, "b").code == 0
    assert (authority / "a.key").read_bytes() != (authority / "b.key").read_bytes()
    before = (authority / "a.pem").read_bytes()
    assert run("ca", "issue", authority, "a").code == 2
    assert (authority / "a.pem").read_bytes() == before


def test_both_speak_to_programs(run, tmp_path):
    (made,) = run("ca", "init", tmp_path / "ca", "--json").objects
    assert made["certificate"] == str(tmp_path / "ca" / "ca.pem")
    (issued,) = run("ca", "issue", tmp_path / "ca", "a", "--json").objects
    assert issued.keys() == {"ca", "certificate", "key", "expires"}
    assert issued["expires"] < made["expires"]
    (refused,) = run("ca", "issue", tmp_path / "ca", "a", "--json").objects
    assert (refused["error"], refused["exit_code"]) == ("BadInput", 2)


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".a", "ca", "a\nb", "x" * 65])
def test_what_is_no_name_for_a_node_exits_2_and_writes_nothing(run, authority, name):
    before = sorted(authority.iterdir())
    assert run("ca", "issue", authority, name).code == 2
    assert sorted(authority.iterdir()) == before


def test_without_a_ca_the_way_to_one_is_told(run, tmp_path):
    told = run("ca", "issue", tmp_path, "a")
    assert told.code == 2
    assert "p2player ca init" in told.err


@pytest.mark.parametrize("there", ["a.pem", "a.key"])
def test_half_of_an_existing_pair_is_not_completed_by_another_half(run, authority, there):
    (authority / there).write_text("mine")
    before = sorted(authority.iterdir())
    assert run("ca", "issue", authority, "a").code == 2
    assert sorted(authority.iterdir()) == before
    assert (authority / there).read_text() == "mine"


@pytest.mark.parametrize("damaged", ["ca.pem", "ca.key"])
def test_a_ca_that_cannot_be_read_exits_2(run, authority, damaged):
    (authority / damaged).write_text("no")
    assert run("ca", "issue", authority, "a").code == 2


def test_the_key_of_another_ca_exits_2(run, authority, tmp_path):
    run("ca", "init", tmp_path / "other")
    (authority / "ca.key").write_bytes((tmp_path / "other" / "ca.key").read_bytes())
    assert run("ca", "issue", authority, "a").code == 2
