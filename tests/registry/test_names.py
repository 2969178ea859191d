import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.errors import InvalidReference
from p2player.oci.reference import Repository
from p2player.registry.names import RequestedName


@pytest.mark.parametrize(
    ("path", "namespace", "meant"),
    [
        ("library/alpine", None, "docker.io/library/alpine"),
        ("alpine", None, "docker.io/library/alpine"),
        ("team/app", None, "docker.io/team/app"),
        ("ghcr.io/team/app", None, "ghcr.io/team/app"),
        ("localhost/app", None, "localhost/app"),
        ("registry:5000/app", None, "registry:5000/app"),
        ("registry__5000/app", None, "registry:5000/app"),
        ("registry.corp__5000/team/app", None, "registry.corp:5000/team/app"),
        ("team__app/x", None, "docker.io/team__app/x"),
        ("team/app__5000", None, "docker.io/team/app__5000"),
        ("team__5000", None, "docker.io/library/team__5000"),
        ("a__5000/app", "ghcr.io", "ghcr.io/a__5000/app"),
        ("team/app", "ghcr.io", "ghcr.io/team/app"),
        ("library/alpine", "docker.io", "docker.io/library/alpine"),
        ("alpine", "registry-1.docker.io", "docker.io/library/alpine"),
        ("app", "localhost:5000", "localhost:5000/app"),
        ("ghcr.io/app", "quay.io", "quay.io/ghcr.io/app"),
    ],
)
def test_a_name_means_one_repository(path, namespace, meant):
    name = RequestedName.parse(path, namespace)
    assert str(name.repository) == meant
    assert (name.path, name.namespace) == (path, namespace)


@pytest.mark.parametrize(
    ("path", "namespace"),
    [
        ("", None),
        ("Team/App", None),
        ("a//b", None),
        ("../x", None),
        ("app", ""),
        ("app", "http://x"),
        ("app", "x/y"),
        ("app", "hub"),
    ],
)
def test_what_is_no_name_is_refused(path, namespace):
    with pytest.raises(InvalidReference):
        RequestedName.parse(path, namespace)


@given(st.text(), st.none() | st.text())
def test_any_text_is_a_repository_or_refused(path, namespace):
    try:
        name = RequestedName.parse(path, namespace)
    except InvalidReference:
        return
    assert Repository.parse(str(name.repository)) == name.repository
