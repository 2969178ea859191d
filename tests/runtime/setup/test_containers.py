import tomllib

import pytest

from p2player.errors import InvalidConfig
from p2player.runtime.setup.containers import DROP_IN

MAIN = "/etc/containers/registries.conf"


def mirrors(machine):
    tables = tomllib.loads(machine.text(DROP_IN))["registry"]
    return {table["location"]: [mirror["location"] for mirror in table["mirror"]] for table in tables}


def test_the_usual_registries_and_those_asked_for_are_mirrored(machine):
    podman = machine({MAIN: 'unqualified-search-registries = ["search.example", "docker.io"]\n'})
    podman.setup("podman", registries=("Registry.Example",))
    assert mirrors(podman) == {
        name: [f"127.0.0.1:5050/{name}"]
        for name in (
            *("docker.io", "ghcr.io", "quay.io", "registry.k8s.io", "gcr.io", "p2player.invalid"),
            *("search.example", "registry.example"),
        )
    }


def test_a_registry_once_asked_for_stays(machine):
    podman = machine()
    podman.setup("podman", registries=("a.example",))
    assert not podman.setup("podman").changes
    podman.setup("podman", registries=("b.example",))
    assert {"a.example", "b.example"} <= set(mirrors(podman))


@pytest.mark.parametrize("path", [MAIN, f"{MAIN}.d/000-mine.conf", f"{MAIN}.d/99-mine.conf"])
@pytest.mark.parametrize(
    "key", ['location = "quay.io"', 'prefix = "quay.io"\nlocation = "q.example"', 'prefix = "*.io"']
)
def test_a_registry_that_is_defined_already_is_left_alone_and_told_of(machine, path, key):
    podman = machine({path: f"[[registry]]\n{key}\n"})
    plan = podman.setup("podman")
    assert "quay.io" not in mirrors(podman)
    assert any(path in note and "127.0.0.1:5050/quay.io" in note for note in plan.notes)


def test_a_part_of_a_registry_that_is_defined_is_no_hindrance(machine):
    podman = machine({MAIN: '[[registry]]\nprefix = "quay.io/team"\nlocation = "q.example"\n'})
    assert podman.setup("podman").notes == ()
    assert "quay.io" in mirrors(podman)


def test_a_registry_with_a_port_is_mirrored_under_a_path_without_a_colon(machine):
    podman = machine({MAIN: 'unqualified-search-registries = ["corp:5000"]\n'})
    podman.setup("podman", registries=("localhost:80",))
    assert mirrors(podman)["corp:5000"] == ["127.0.0.1:5050/corp__5000"]
    assert mirrors(podman)["localhost:80"] == ["127.0.0.1:5050/localhost__80"]


@pytest.mark.parametrize("name", ["", "alpine", "a b.example", 'x".example'])
def test_what_is_no_registry_is_refused(machine, name):
    with pytest.raises(InvalidConfig, match="not a registry name"):
        machine().setup("podman", registries=(name,))


def test_cri_o_is_to_be_told_and_podman_is_not(machine):
    assert machine().setup("crio").restart == ("systemctl reload crio",)
    assert machine().setup("podman").restart == ()


@pytest.mark.parametrize("text", ["[[registry]\n", "registry = 1\n"])
def test_what_is_broken_is_refused_by_its_name(machine, text):
    with pytest.raises(InvalidConfig, match=r"^/etc/containers/registries\.conf"):
        machine({MAIN: text}).setup("podman")
