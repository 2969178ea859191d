import json
import tomllib

import pytest

from p2player.errors import InvalidConfig

DAEMON = "/etc/docker/daemon.json"
CERTS = "/etc/docker/certs.d"
STORE = '{"features": {"containerd-snapshotter": true}}'


def hosts(machine, registry):
    return tomllib.loads(machine.text(f"{CERTS}/{registry}/hosts.toml"))


def test_our_mirror_comes_before_those_of_the_user(machine):
    docker = machine({DAEMON: '{"registry-mirrors": ["https://m.example"], "debug": true}'})
    plan = docker.setup("docker")
    assert json.loads(docker.text(DAEMON)) == {"registry-mirrors": [docker.url, "https://m.example"], "debug": True}
    assert plan.restart == ("systemctl reload docker",)


def test_without_containerds_store_only_docker_hub_is_mirrored_and_the_user_hears_how_to_have_all(machine):
    docker = machine()
    plan = docker.setup("docker", version=(28, 5))
    assert not any(path.startswith(CERTS) for path in docker.files)
    assert "containerd-snapshotter" in plan.notes[0]


@pytest.mark.parametrize("files", [{DAEMON: STORE}, {}])
def test_with_containerds_store_every_registry_is_mirrored(machine, files):
    docker = machine(files)
    docker.setup("docker", version=(28, 5), containerd_store=True)
    assert list(hosts(docker, "_default")) == ["host"]
    assert hosts(docker, "_default")["host"] == {
        docker.url: {"capabilities": ["pull", "resolve"], "dial_timeout": "200ms"}
    }


def test_what_the_user_says_of_the_store_counts_and_not_what_runs_now(machine):
    docker = machine({DAEMON: '{"features": {"containerd-snapshotter": false}}'})
    docker.setup("docker", containerd_store=True)
    assert not any(path.startswith(CERTS) for path in docker.files)


def test_a_docker_that_knows_no_hosts_files_gets_none(machine):
    docker = machine({DAEMON: STORE})
    assert "Docker 28" in docker.setup("docker", version=(27, 5)).notes[0]
    assert not any(path.startswith(CERTS) for path in docker.files)


def test_mirrors_of_the_user_stay_behind_ours_where_hosts_files_count(machine):
    docker = machine({DAEMON: '{"registry-mirrors": ["https://m.example"]}'})
    docker.setup("docker", containerd_store=True)
    assert list(hosts(docker, "docker.io")["host"]) == [docker.url, "https://m.example"]


def test_an_insecure_registry_stays_one(machine):
    docker = machine({DAEMON: '{"insecure-registries": ["corp:5000", "10.0.0.0/8"]}'})
    plan = docker.setup("docker", containerd_store=True)
    assert hosts(docker, "corp:5000")["server"] == "http://corp:5000"
    assert hosts(docker, "corp:5000")["skip_verify"] is True
    assert "10.0.0.0/8" in plan.notes[0]


def test_certificates_of_a_registry_stay_in_use(machine):
    docker = machine({f"{CERTS}/a.example/{name}": "" for name in ("ca.crt", "me.cert", "me.key", "alone.cert")})
    docker.setup("docker", containerd_store=True)
    assert hosts(docker, "a.example") == {
        "ca": ["ca.crt"],
        "client": ["alone.cert", ["me.cert", "me.key"]],
        "host": {docker.url: {"capabilities": ["pull", "resolve"], "dial_timeout": "200ms"}},
    }


def test_the_endpoint_itself_gets_no_mirror(machine):
    docker = machine({f"{CERTS}/127.0.0.1:5050/ca.crt": ""})
    docker.setup("docker", containerd_store=True)
    assert f"{CERTS}/127.0.0.1:5050/hosts.toml" not in docker.files


@pytest.mark.parametrize("text", ["{", "[]", '{"registry-mirrors": "x"}', '{"registry-mirrors": [1]}', b"\xff"])
def test_what_is_broken_is_refused_by_its_name(machine, text):
    docker = machine({DAEMON: text})
    with pytest.raises(InvalidConfig, match=r"^/etc/docker/daemon\.json"):
        docker.setup("docker")


@pytest.mark.parametrize("flags", [("--debug", "--registry-mirror=https://m"), ("--registry-mirror", "https://m")])
def test_mirrors_given_as_a_flag_are_refused_since_both_cannot_be(machine, flags):
    docker = machine()
    with pytest.raises(InvalidConfig, match="would not start"):
        docker.setup("docker", flags=flags)
    docker.setup("docker", flags=("--registry-mirrors-of-mine",))


def test_a_mirror_that_the_user_names_twice_is_written_once(machine):
    docker = machine({DAEMON: '{"registry-mirrors": ["https://m", "https://m/"]}'})
    docker.setup("docker", containerd_store=True)
    assert list(hosts(docker, "docker.io")["host"]) == [docker.url, "https://m"]
