import os
import stat

import pytest

from p2player.errors import StorageError
from p2player.runtime.setup.access import Access
from p2player.runtime.setup.plan import plan_removal, plan_setup
from p2player.runtime.setup.target import Target
from p2player.runtime.setup.tree import DiskTree
from p2player.runtime.setup.writing import carry_out

TARGET = Target("127.0.0.1:5050")


@pytest.fixture
def setup(tmp_path):
    tree = DiskTree(tmp_path)

    def setup(runtime):
        carry_out(plan_setup(runtime, tree, TARGET), tree)

    return setup


@pytest.fixture
def remove(tmp_path):
    tree = DiskTree(tmp_path)

    def remove(runtime):
        carry_out(plan_removal(runtime, tree), tree)

    return remove


@pytest.fixture
def daemon_json(tmp_path):
    path = tmp_path / "etc/docker/daemon.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    return path


def test_setup_and_removal_leave_the_disk_as_it_was(tmp_path, daemon_json, setup, remove):
    before = sorted(tmp_path.rglob("*"))
    for runtime in ("docker", "containerd", "podman"):
        setup(runtime)
    assert len(list(tmp_path.rglob("*"))) > len(before)
    for runtime in ("docker", "containerd", "podman"):
        remove(runtime)
    assert sorted(tmp_path.rglob("*")) == before
    assert daemon_json.read_text() == "{}"


def test_a_file_and_its_backup_keep_mode_and_owner(daemon_json, setup):
    daemon_json.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(daemon_json, 12, 34)
    before = daemon_json.stat()
    setup("docker")
    for path in (daemon_json, daemon_json.with_name("daemon.json.p2player-backup")):
        after = path.stat()
        assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_a_file_with_a_token_can_be_read_by_its_owner_only_and_is_later_as_it_was(tmp_path, remove):
    (tmp_path / "token").write_text("token-0123456789abcdef")
    hosts = tmp_path / "etc/containerd/certs.d/a.example/hosts.toml"
    hosts.parent.mkdir(parents=True)
    hosts.write_text('server = "https://a"\n')
    hosts.chmod(0o644)
    target = Target("127.0.0.1:5050", asks=("token",), access=Access(str(tmp_path / "token")))
    tree = DiskTree(tmp_path)
    carry_out(plan_setup("containerd", tree, target), tree)
    for path in (hosts, hosts.parent.with_name("_default") / "hosts.toml"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "token-0123" in path.read_text()
    remove("containerd")
    assert stat.S_IMODE(hosts.stat().st_mode) == 0o644
    assert hosts.read_text() == 'server = "https://a"\n'


def test_new_files_can_be_read_by_everybody(tmp_path, setup):
    setup("containerd")
    hosts = tmp_path / "etc/containerd/certs.d/_default/hosts.toml"
    assert stat.S_IMODE(hosts.stat().st_mode) == 0o644


def test_a_link_stays_one_and_its_file_is_changed(tmp_path, daemon_json, setup):
    elsewhere = tmp_path / "elsewhere.json"
    daemon_json.replace(elsewhere)
    daemon_json.symlink_to(elsewhere)
    setup("docker")
    assert daemon_json.is_symlink()
    assert "5050" in elsewhere.read_text()


def test_a_directory_with_something_of_the_user_stays(tmp_path, setup, remove):
    setup("containerd")
    theirs = tmp_path / "etc/containerd/certs.d/theirs"
    theirs.mkdir()
    remove("containerd")
    assert theirs.is_dir()
    assert not (tmp_path / "etc/containerd/certs.d/_default").exists()


def test_where_nothing_can_be_written_the_place_is_told(tmp_path, setup):
    (tmp_path / "etc").write_text("a file")
    with pytest.raises(StorageError, match="cannot write /etc"):
        setup("docker")
    assert (tmp_path / "etc").read_text() == "a file"


@pytest.fixture
def nobody(tmp_path):
    """Be a user who may not write below tmp_path, while the test lasts."""
    tmp_path.chmod(0o500)
    if os.geteuid() == 0:
        os.seteuid(65534)
    yield
    os.seteuid(os.getuid())


def test_who_may_not_write_is_told_to_be_root(tmp_path, setup, nobody):
    with pytest.raises(StorageError) as caught:
        setup("docker")
    assert caught.value.hint == "run this as root"
