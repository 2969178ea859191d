import json
from dataclasses import replace

import pytest

DAEMON_JSON = "etc/docker/daemon.json"


@pytest.fixture
def setup(run, tmp_path):
    root = tmp_path / "root"
    root.mkdir()

    def setup(*arguments):
        return run("setup", *arguments, "--root", root, "--data-dir", tmp_path / "data")

    setup.root = root
    return setup


def test_the_running_daemons_endpoint_is_the_default(setup, daemon):
    assert setup("docker").code == 0
    assert json.loads((setup.root / DAEMON_JSON).read_text()) == {"registry-mirrors": ["http://127.0.0.1:5050"]}


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [("10.0.0.1:80", "10.0.0.1:80"), ("[::1]:80", "[::1]:80"), ("host.example:1", "host.example:1")],
)
def test_another_endpoint_can_be_given(setup, endpoint, url):
    setup("docker", "--endpoint", endpoint)
    assert url in (setup.root / DAEMON_JSON).read_text()


def test_people_are_told_what_was_written_and_what_to_run(setup):
    told = setup("docker")
    assert told.out.splitlines()[0] == "wrote /etc/docker/daemon.json"
    assert told.out.splitlines()[-1] == "now run: systemctl reload docker"


def test_a_second_run_has_nothing_to_change(setup):
    setup("podman")
    assert setup("podman").out == "nothing to change\n"


def test_a_dry_run_shows_the_change_and_makes_none(setup):
    told = setup("docker", "--dry-run")
    assert '+  "registry-mirrors": ["http://127.0.0.1:5050"]' in told.out
    assert list(setup.root.iterdir()) == []


def test_removal_leaves_nothing(setup):
    (setup.root / "etc").mkdir()
    setup("containerd")
    assert "removed /etc/containerd/config.toml" in setup("containerd", "--remove").out
    assert list((setup.root / "etc").iterdir()) == []
    assert setup("containerd", "--remove").out == "nothing to change\n"


def test_programs_get_one_object(setup):
    (told,) = setup("docker", "--json").objects
    assert (told["event"], told["runtime"], told["dry_run"]) == ("setup", "docker", False)
    assert [change["path"] for change in told["changes"]] == ["/etc/docker/daemon.json"]
    assert told["restart"] == ["systemctl reload docker"]
    assert len(told["notes"]) == 1


def test_a_broken_file_exits_2_and_is_left_alone(setup):
    (setup.root / "etc/docker").mkdir(parents=True)
    (setup.root / DAEMON_JSON).write_text("{\n  nonsense\n}")
    told = setup("docker")
    assert told.code == 2
    assert "/etc/docker/daemon.json, line 2" in told.err
    assert (setup.root / DAEMON_JSON).read_text() == "{\n  nonsense\n}"
    assert len(list(setup.root.rglob("*"))) == 3


def test_without_a_daemon_a_port_that_is_any_exits_2(setup, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('registry = "127.0.0.1:0"')
    told = setup("docker", "--config", config)
    assert told.code == 2
    assert "--endpoint" in told.err


def test_an_unknown_runtime_exits_2(setup):
    assert setup("rkt").code == 2


def test_a_node_that_listens_everywhere_is_reached_on_this_machine(setup, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('registry = "0.0.0.0:5050"\ninsecure = true')
    setup("docker", "--config", config)
    assert "http://127.0.0.1:5050" in (setup.root / DAEMON_JSON).read_text()


HOSTS = "etc/containerd/certs.d/_default/hosts.toml"


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text("token-0123456789abcdef\n")
    return path


def test_what_the_daemons_endpoint_asks_for_is_given_to_the_runtime(setup, daemon, token_file, tmp_path):
    daemon.config = replace(daemon.config, registry_cert=tmp_path / "cert", registry_token_file=token_file)
    told = setup("containerd")
    assert told.code == 2
    assert "--token-file" in told.err
    assert setup("containerd", "--token-file", token_file, "--ca", tmp_path / "ca.crt").code == 0
    text = (setup.root / HOSTS).read_text()
    assert '[host."https://127.0.0.1:5050"]' in text
    assert f'ca = "{tmp_path}/ca.crt"' in text
    assert "token-0123456789abcdef" in text
    assert setup("containerd").out == "nothing to change\n"


def test_a_dry_run_shows_no_token(setup, token_file):
    for json_ in ((), ("--json",)):
        told = setup("containerd", "--endpoint", "https://10.0.0.1:1", "--token-file", token_file, "--dry-run", *json_)
        assert "P2Player-Token" in told.out
        assert "0123456789abcdef" not in told.out


@pytest.mark.parametrize(
    ("endpoint", "more", "url"),
    [
        ("https://10.0.0.1:1", (), "https://10.0.0.1:1"),
        ("10.0.0.1:1", ("--ca", "/ca.crt"), "https://10.0.0.1:1"),
        ("10.0.0.1:1", (), "http://10.0.0.1:1"),
    ],
)
def test_an_endpoint_that_is_given_is_spoken_to_over_tls_if_anything_says_so(setup, endpoint, more, url):
    assert setup("containerd", "--endpoint", endpoint, *more).code == 0
    assert f'[host."{url}"]' in (setup.root / HOSTS).read_text()


def test_without_a_daemon_the_settings_say_what_the_endpoint_asks_for(setup, tmp_path, token_file):
    config = tmp_path / "c.toml"
    config.write_text('registry_token_file = "token"\nregistry_cert = "cert"\nregistry_key = "key"')
    assert setup("containerd", "--config", config).code == 0
    text = (setup.root / HOSTS).read_text()
    assert '[host."https://127.0.0.1:5050"]' in text
    assert "token-0123456789abcdef" in text
