import tomllib

import pytest

from p2player.errors import InvalidConfig
from p2player.runtime.setup.containerd import hosts_directory
from p2player.runtime.setup.tree import MemoryTree

CONFIG = "/etc/containerd/config.toml"
CERTS = "/etc/containerd/certs.d"
HOSTS = f"{CERTS}/_default/hosts.toml"
CRI_2 = 'plugins."io.containerd.grpc.v1.cri"'
CRI_3 = 'plugins."io.containerd.cri.v1.images"'
DEBIAN = f'version = 2\n\n[plugins]\n  [{CRI_2}]\n    [{CRI_2}.cni]\n      bin_dir = "/usr/lib/cni"\n'


def registry(machine, *path):
    place = tomllib.loads(machine.text(CONFIG))
    for key in path:
        place = place[key]
    return place


def test_a_config_without_a_path_gets_one_and_needs_a_restart(machine):
    runtime = machine({CONFIG: DEBIAN})
    plan = runtime.setup("containerd", version=(1, 6))
    assert registry(runtime, "plugins", "io.containerd.grpc.v1.cri", "registry") == {"config_path": CERTS}
    assert plan.restart == ("systemctl restart containerd",)
    assert list(tomllib.loads(runtime.text(HOSTS))["host"]) == [runtime.url]


@pytest.mark.parametrize(
    ("config", "table"),
    [
        ("", ("plugins", "io.containerd.grpc.v1.cri", "registry")),
        ("version = 3\n", ("plugins", "io.containerd.cri.v1.images", "registry")),
        ("root = '/x'\n", ("plugins", "cri", "registry")),
        (f"version = 2\n[{CRI_2}.registry]\n", ("plugins", "io.containerd.grpc.v1.cri", "registry")),
        (f"version = 2\n[{CRI_2}.registry]", ("plugins", "io.containerd.grpc.v1.cri", "registry")),
        (
            f"version = 2\n[{CRI_2}.registry]\nx = 1\n config_path = ''\n",
            ("plugins", "io.containerd.grpc.v1.cri", "registry"),
        ),
        (f"version = 2\n[{CRI_2}.registry.configs.a]\n", ("plugins", "io.containerd.grpc.v1.cri", "registry")),
    ],
)
def test_the_path_goes_where_the_version_of_the_file_has_it_and_out_again(machine, config, table):
    runtime = machine({CONFIG: config})
    runtime.setup("containerd")
    assert registry(runtime, *table)["config_path"] == CERTS
    assert not runtime.setup("containerd").changes
    # an edit of the user's, so that our part is taken out and not the whole file put back
    runtime.edit(CONFIG, lambda text: "# mine\n" + text)
    runtime.remove("containerd")
    assert tomllib.loads(runtime.text(CONFIG)) == tomllib.loads(config) or not config
    assert runtime.text(CONFIG).startswith("# mine\n")


def test_a_new_config_is_of_the_version_that_the_containerd_found_writes(machine):
    runtime = machine()
    runtime.setup("containerd", version=(2, 1))
    assert registry(runtime, "version") == 3


def test_a_containerd_that_reads_the_directory_anyhow_needs_no_path(machine):
    runtime = machine({CONFIG: "version = 3\n"})
    plan = runtime.setup("containerd", version=(2, 2))
    assert runtime.text(CONFIG) == "version = 3\n"
    assert HOSTS in runtime.files
    assert plan.restart == ()


def test_the_users_own_directory_is_used(machine):
    runtime = machine({CONFIG: f'version = 2\n[{CRI_2}.registry]\nconfig_path = "/my/certs:/more"\n'})
    plan = runtime.setup("containerd")
    assert [change.path for change in plan.changes] == ["/my/certs/_default/hosts.toml"]
    assert hosts_directory(MemoryTree(runtime.files)) == "/my/certs"


def test_a_path_in_an_imported_file_counts(machine):
    imported = f'[{CRI_2}.registry]\nconfig_path = "/my/certs"\n'
    runtime = machine(
        {
            CONFIG: 'version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n',
            "/etc/containerd/conf.d/a.toml": imported,
        }
    )
    runtime.setup("containerd")
    assert "/my/certs/_default/hosts.toml" in runtime.files
    assert runtime.text(CONFIG).count("\n") == 2


def test_a_registry_with_files_of_its_own_gets_our_mirror_first(machine):
    own = '# theirs\nserver = "https://corp"\n[host."https://m"]\n'
    runtime = machine({f"{CERTS}/corp_5000_/hosts.toml": own})
    runtime.setup("containerd")
    hosts = tomllib.loads(runtime.text(f"{CERTS}/corp_5000_/hosts.toml"))
    assert list(hosts["host"]) == [runtime.url, "https://m"]
    assert hosts["server"] == "https://corp"


@pytest.mark.parametrize(
    "old", ['[{}.registry.mirrors."docker.io"]\nendpoint = ["x"]\n', "[{}.registry.configs.a.tls]\n"]
)
@pytest.mark.parametrize(("version", "table"), [(2, CRI_2), (3, CRI_3)])
def test_the_older_way_to_name_mirrors_is_refused_since_both_cannot_be(machine, old, version, table):
    runtime = machine({CONFIG: f"version = {version}\n{old.format(table)}"})
    with pytest.raises(InvalidConfig, match="takes no config_path beside") as caught:
        runtime.setup("containerd")
    assert "hosts.toml" in caught.value.hint


def test_a_registry_that_would_be_hidden_is_refused(machine):
    runtime = machine({"/etc/docker/certs.d/corp/ca.crt": ""})
    with pytest.raises(InvalidConfig, match="no longer"):
        runtime.setup("containerd", version=(2, 2))


def test_what_setup_wrote_for_docker_hides_nothing(machine):
    runtime = machine({"/etc/docker/daemon.json": '{"insecure-registries": ["corp:5000"]}'})
    runtime.setup("docker", containerd_store=True)
    runtime.setup("containerd", version=(2, 2))
    assert HOSTS in runtime.files


def test_a_containerd_without_cri_is_told_of(machine):
    runtime = machine({CONFIG: 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'})
    assert "switches CRI off" in runtime.setup("containerd").notes[0]


@pytest.mark.parametrize("text", ["version = \n", f"version = 2\n[{CRI_2}]\nregistry = 1\n", b"\xff"])
def test_what_is_broken_is_refused_by_its_name(machine, text):
    runtime = machine({CONFIG: text})
    with pytest.raises(InvalidConfig, match=r"^/etc/containerd/config\.toml"):
        runtime.setup("containerd")


def test_what_cannot_be_added_to_is_left_to_the_user(machine):
    runtime = machine({CONFIG: 'version = 2\nplugins."io.containerd.grpc.v1.cri".registry = {headers = {}}\n'})
    with pytest.raises(InvalidConfig, match="cannot be added to safely"):
        runtime.setup("containerd")
