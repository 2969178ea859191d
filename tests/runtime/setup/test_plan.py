import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidConfig
from p2player.runtime.setup.plan import RUNTIMES, Change

DAEMON = "/etc/docker/daemon.json"
MAIN = "/etc/containers/registries.conf"
HOSTS = "/etc/containerd/certs.d/a.example/hosts.toml"

names = st.text("ab.-", min_size=1, max_size=4)
jsons = st.builds(
    lambda members, form: json.dumps(members, **form),
    st.fixed_dictionaries(
        {},
        optional={
            "registry-mirrors": st.lists(names | st.just("http://127.0.0.1:5050"), max_size=3),
            "insecure-registries": st.lists(st.sampled_from(["corp:5000", "10.0.0.0/8", "b.example"]), max_size=2),
            "features": st.dictionaries(st.just("containerd-snapshotter"), st.booleans()),
            "é": names,
        },
    ),
    st.sampled_from([{}, {"indent": 3}]),
)
configs = st.sampled_from(
    [
        "",
        "version = 2\r\n# é\r\n",
        'version = 3\n[plugins."io.containerd.cri.v1.images".registry]\n  config_path = ""',
        '[plugins.cri.registry]\nconfig_path = "/etc/containerd/certs.d"\n',
        "[plugins]\n[plugins.cri]\n[plugins.cri.cni]\n",
    ]
)
hosts = st.sampled_from(['server = "https://x"', '[host."https://m"]\n', "# nothing\n", ""])
files = st.fixed_dictionaries(
    {},
    optional={
        DAEMON: jsons,
        "/etc/docker/certs.d/docker.io/hosts.toml": hosts,
        "/etc/docker/certs.d/corp:5000/ca.crt": names,
        "/etc/containerd/config.toml": configs,
        HOSTS: hosts,
        MAIN: st.sampled_from(
            ['unqualified-search-registries = ["x.example"]\n', '[[registry]]\nlocation = "quay.io"\n']
        ),
        f"{MAIN}.d/50-p2player.conf": st.sampled_from(["# mine\n", ""]),
    },
)
facts = st.fixed_dictionaries({"containerd_store": st.booleans()})
versions = {"docker": (28, 5), "containerd": (2, 1)}


@pytest.mark.parametrize("runtime", RUNTIMES)
@given(
    before=files,
    facts=facts,
    known=st.booleans(),
    again=st.sampled_from(["127.0.0.1:5050", "10.0.0.1:80"]),
    more=st.sampled_from([(), ("a.example",)]),
)
def test_setup_and_removal_together_change_nothing(machine, runtime, before, facts, known, again, more):
    facts = {**facts, "version": versions.get(runtime) if known else None}
    machine = machine(before)
    untouched = dict(machine.files)
    machine.setup(runtime, **facts)
    machine.setup(runtime, endpoint=again, registries=more, **facts)
    assert not machine.setup(runtime, endpoint=again, **facts).changes
    machine.remove(runtime)
    assert machine.files == untouched
    assert not machine.remove(runtime).changes


@pytest.mark.parametrize("runtime", RUNTIMES)
@given(before=files, facts=facts)
def test_what_the_user_adds_later_stays(machine, runtime, before, facts):
    machine = machine(before)
    changed = [change.path for change in machine.setup(runtime, **facts).changes if not change.path.endswith(".json")]
    for path in changed:
        machine.edit(path, lambda text: f"# later\n{text}")
    machine.remove(runtime)
    for path in changed:
        assert machine.text(path).startswith("# later\n")
        assert "127.0.0.1:5050" not in machine.text(path).replace(str(before.get(path)), "")


def test_a_setting_the_user_adds_later_to_json_stays(machine):
    docker = machine({DAEMON: '{"debug": true}'})
    docker.setup("docker")
    docker.edit(DAEMON, lambda text: text.replace("true", "false"))
    docker.remove("docker")
    assert docker.files == {DAEMON: b'{"debug": false}'}


def test_a_file_of_ours_goes_even_when_its_form_was_changed(machine):
    docker = machine()
    docker.setup("docker")
    docker.edit(DAEMON, lambda text: text.replace("\n", " "))
    docker.remove("docker")
    assert docker.files == {}


def test_a_file_the_user_deleted_stays_away(machine):
    docker = machine({DAEMON: "{}"})
    docker.setup("docker")
    del docker.files[DAEMON]
    docker.remove("docker")
    assert docker.files == {}


def test_the_file_as_it_was_lies_beside_it_and_is_written_once(machine):
    docker = machine({DAEMON: "{}"})
    docker.setup("docker")
    docker.edit(DAEMON, lambda text: text.replace("{", '{"debug": true,', 1))
    docker.setup("docker", endpoint="10.0.0.1:80")
    assert docker.text(f"{DAEMON}.p2player-backup") == "{}"


def test_a_backup_of_somebody_else_is_neither_overwritten_nor_put_back(machine):
    docker = machine({DAEMON: '{"debug": true}', f"{DAEMON}.p2player-backup": "older"})
    docker.setup("docker")
    assert docker.text(f"{DAEMON}.p2player-backup") == "older"
    docker.remove("docker")
    assert docker.text(DAEMON) == '{"debug": true}'


def test_another_endpoint_takes_the_place_of_the_one_before(machine):
    docker = machine({DAEMON: '{"registry-mirrors": ["https://m"]}'})
    docker.setup("docker", containerd_store=True)
    docker.setup("docker", endpoint="10.0.0.1:80", containerd_store=True)
    assert json.loads(docker.text(DAEMON)) == {"registry-mirrors": ["http://10.0.0.1:80", "https://m"]}
    assert not any(b"127.0.0.1:5050" in data for data in docker.files.values())
    assert b"https://m" in docker.files["/etc/docker/certs.d/docker.io/hosts.toml"]


def test_a_file_that_broke_since_is_told_and_nothing_is_undone(machine):
    docker = machine({DAEMON: "{}"})
    docker.setup("docker")
    docker.edit(DAEMON, lambda text: text + ",")
    with pytest.raises(InvalidConfig, match="line"):
        docker.remove("docker")


def test_directories_that_were_made_are_removed_in_turn(machine):
    containerd = machine({"/etc/containerd/config.toml": ""})
    made = containerd.setup("containerd").made
    assert made == (
        *("/etc/containerd/certs.d", "/etc/containerd/certs.d/_default"),
        *("/etc/p2player", "/etc/p2player/setup"),
    )
    unmade = containerd.remove("containerd").unmade
    assert unmade[: len(made)] == tuple(reversed(made))
    assert "/etc/containerd" not in unmade


def test_removal_says_what_is_to_be_restarted(machine):
    docker = machine()
    docker.setup("docker")
    assert docker.remove("docker").restart == ("systemctl reload docker",)


def test_podman_and_cri_o_share_what_was_set_up(machine):
    both = machine()
    both.setup("podman")
    assert not both.setup("crio").changes
    both.remove("crio")
    assert both.files == {}


def test_a_change_shows_as_a_diff():
    assert Change("/a", None, b"x\n").diff == "--- /dev/null\n+++ /a\n@@ -0,0 +1 @@\n+x\n"
    assert Change("/a", b"x", None).diff.splitlines()[-2:] == ["-x", "\\ No newline at end of file"]
