import pytest

from p2player.oci.mediatypes import OCI_LAYER, is_distributable


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ],
)
def test_foreign_layers_are_not_distributable(media_type):
    assert not is_distributable(media_type)


@pytest.mark.parametrize(
    "media_type", [OCI_LAYER, "application/vnd.docker.image.rootfs.diff.tar.gzip", "text/plain", ""]
)
def test_everything_else_is(media_type):
    assert is_distributable(media_type)
