import pytest

from p2player.oci.digest import Digest
from p2player.swarm.metainfo import Metainfo
from p2player.swarm.realm import Realm

DATA = b"x" * 100_000


@pytest.fixture
def blob(daemon):
    return daemon.store.put(Digest.of(DATA), DATA)


def test_the_file_is_named_after_the_blob(ask, blob, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ask("torrent", blob.digest).out == f"wrote {blob.digest.short}.torrent\n"
    torrent = (tmp_path / f"{blob.digest.short}.torrent").read_bytes()
    assert Metainfo.from_torrent(torrent).root == blob.root


def test_the_file_may_be_named(ask, blob, tmp_path):
    (written,) = ask("torrent", blob.digest, "--output", tmp_path / "a.torrent", "--json").objects
    assert written == {"digest": str(blob.digest), "output": str(tmp_path / "a.torrent")}
    assert (tmp_path / "a.torrent").stat().st_size > 100


def test_it_may_go_to_a_pipe(call, daemon, blob, capsysbinary):
    assert call("torrent", blob.digest, "--output", "-", "--data-dir", daemon.config.data_dir) == 0
    assert Metainfo.from_torrent(capsysbinary.readouterr().out).digest == blob.digest


def test_that_only_members_can_use_it_is_said_where_it_is_so(ask, daemon, blob, tmp_path, monkeypatch):
    realm = Realm(b"salt", b"a root certificate")
    monkeypatch.setattr(daemon.holdings, "metainfo", lambda blob: Metainfo(blob.digest, blob.size, blob.root, realm))
    assert "Only nodes with the secret" in ask("torrent", blob.digest, "--output", tmp_path / "a.torrent").out


def test_a_blob_that_is_not_here_exits_3_and_writes_nothing(ask, tmp_path):
    assert ask("torrent", Digest.of(b"none"), "--output", tmp_path / "a.torrent").code == 3
    assert not (tmp_path / "a.torrent").exists()


def test_what_is_no_digest_exits_2(ask):
    assert ask("torrent", "alpine").code == 2
