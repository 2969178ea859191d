import json
import tomllib

import pytest

from p2player.errors import InvalidConfig
from p2player.runtime.setup.access import Access
from p2player.runtime.setup.containerd import CONFIG
from p2player.runtime.setup.record import record_path

TOKEN, NEWER = "token-0123456789abcdef", "newer-0123456789abcdef"
HOSTS = "/etc/containerd/certs.d/_default/hosts.toml"
URL = "https://127.0.0.1:5050"
ASKS = ("tls", "token")


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"# ours\n{TOKEN}\n{'other-' * 4}\n")
    return path


@pytest.fixture
def access(token_file):
    return Access(str(token_file), "/etc/p2player/ca.crt")


def test_containerd_gets_the_authority_and_the_first_token(machine, access):
    containerd = machine()
    containerd.setup("containerd", asks=ASKS, access=access)
    assert tomllib.loads(containerd.text(HOSTS))["host"] == {
        URL: {
            "capabilities": ["pull", "resolve"],
            "dial_timeout": "200ms",
            "ca": "/etc/p2player/ca.crt",
            "header": {"P2Player-Token": TOKEN},
        }
    }


@pytest.mark.parametrize(("key", "wanted"), [("/k", [["/c", "/k"]]), ("", "/c")])
def test_containerd_gets_a_certificate_to_show(machine, key, wanted):
    containerd = machine()
    containerd.setup("containerd", asks=("tls", "certificate"), access=Access("", "", "/c", key))
    (mirror,) = tomllib.loads(containerd.text(HOSTS))["host"].values()
    assert mirror["client"] == wanted
    assert "header" not in mirror


@pytest.mark.parametrize("before", [{}, {HOSTS: b'server = "https://x"\n'}])
def test_what_was_given_once_is_given_again_and_a_new_token_takes_the_place_of_the_old(
    machine, access, token_file, before
):
    containerd = machine(before)
    containerd.setup("containerd", asks=ASKS, access=access)
    assert not containerd.setup("containerd", asks=ASKS).changes
    token_file.write_text(NEWER)
    assert [change.path for change in containerd.setup("containerd", asks=ASKS).changes] == [HOSTS]
    text = containerd.text(HOSTS)
    assert (TOKEN in text, NEWER in text, text.count("p2player: begin")) == (False, True, 1)
    containerd.remove("containerd")
    assert containerd.files == before


def test_an_endpoint_that_begins_to_ask_is_set_up_anew(machine, access):
    containerd = machine()
    containerd.setup("containerd")
    containerd.setup("containerd", asks=ASKS, access=access)
    assert list(tomllib.loads(containerd.text(HOSTS))["host"]) == [URL]
    docker = machine()
    docker.setup("docker")
    docker.setup("docker", asks=ASKS, access=access)
    assert json.loads(docker.text("/etc/docker/daemon.json"))["registry-mirrors"] == [URL]
    docker.remove("docker")
    assert docker.files == {}


def test_without_what_the_endpoint_asks_for_nothing_is_written_and_the_user_is_told(machine):
    for asks, flag in ((ASKS, "--token-file"), (("tls", "certificate"), "--client-cert")):
        containerd = machine()
        with pytest.raises(InvalidConfig) as refused:
            containerd.setup("containerd", asks=asks)
        assert flag in refused.value.hint
        assert containerd.files == {}


def test_a_token_is_in_no_diff_and_in_no_record_and_its_file_is_marked_as_secret(machine, access):
    plan = machine().setup("containerd", asks=ASKS, access=access)
    assert not [change for change in (*plan.changes, *plan.books) if TOKEN in change.diff]
    assert [change.path for change in plan.changes if change.secret] == [HOSTS]
    assert CONFIG in [change.path for change in plan.changes if not change.secret]
    (record,) = [change for change in plan.books if change.path == record_path("containerd")]
    assert TOKEN.encode() not in record.after


def test_removal_needs_no_token_any_more(machine, access, token_file):
    containerd = machine()
    containerd.setup("containerd", asks=ASKS, access=access)
    token_file.unlink()
    with pytest.raises(InvalidConfig, match="token"):
        containerd.setup("containerd", asks=ASKS)
    containerd.remove("containerd")
    assert containerd.files == {}


def test_podman_is_told_to_trust_the_mirror_and_its_user_what_else_to_run(machine, access):
    podman = machine()
    notes = podman.setup("podman", asks=ASKS, access=access).notes
    drop_in = tomllib.loads(podman.text("/etc/containers/registries.conf.d/50-p2player.conf"))
    assert {mirror["insecure"] for table in drop_in["registry"] for mirror in table["mirror"]} == {False}
    assert any("ln -s /etc/p2player/ca.crt /etc/containers/certs.d/127.0.0.1:5050/ca.crt" in note for note in notes)
    assert any("podman login" in note and access.token_file in note for note in notes)
    assert podman.setup("podman", asks=ASKS).notes == ()


def test_docker_with_its_own_store_cannot_show_a_token_and_says_so(machine, access):
    notes = machine().setup("docker", asks=ASKS, access=access).notes
    assert any("no token" in note for note in notes)
    assert any("/etc/docker/certs.d/127.0.0.1:5050/ca.crt" in note for note in notes)


def test_docker_with_containerds_store_shows_the_token(machine, access):
    docker = machine()
    docker.setup("docker", asks=ASKS, access=access, containerd_store=True, version=(28, 0))
    hosts = tomllib.loads(docker.text("/etc/docker/certs.d/_default/hosts.toml"))["host"]
    assert hosts[URL]["header"] == {"P2Player-Token": TOKEN}
