import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2player.oci.mediatypes import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from p2player.registry.negotiation import accepts


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["*/*"],
        ["application/*;q=0.5"],
        ["application/json"],
        [f"{DOCKER_LIST}, {OCI_INDEX};q=0.9"],
        [DOCKER_LIST, OCI_INDEX],
        [f"{DOCKER_LIST}, */*"],
        [OCI_INDEX.upper()],
    ],
)
def test_a_client_takes_what_it_names_or_does_not_restrict(headers):
    assert accepts(headers, OCI_INDEX)


@pytest.mark.parametrize(
    "headers", [[DOCKER_MANIFEST], [f"{OCI_MANIFEST}, application/json"], [DOCKER_LIST, OCI_MANIFEST]]
)
def test_a_client_that_names_other_manifests_only_does_not_take_it(headers):
    assert not accepts(headers, OCI_INDEX)


@given(st.lists(st.text()))
def test_any_header_is_read(headers):
    assert accepts([*headers, OCI_INDEX], OCI_INDEX)
