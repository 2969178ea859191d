import stat

import pytest

from p2player.errors import DaemonUnreachable, InvalidReference
from p2player.runtime.podman import open_podman_image
from tests.runtime.conftest import drain


@pytest.fixture
def podman(tmp_path, monkeypatch, archive):
    """Put a podman in the program's place that saves one image."""
    (tmp_path / "image.tar").write_bytes(archive)
    path = tmp_path / "podman"
    path.write_text(
        "#!/bin/sh\n"
        '[ "$*" = "save --quiet --format docker-archive docker.io/library/app:1" ]'
        f' && exec cat {tmp_path}/image.tar\necho "$5: image not known" >&2; exit 125\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def test_an_image_streams_out_of_podman(podman):
    assert [image.name for image in drain(open_podman_image("app:1"))] == ["app:1"]


def test_an_image_that_podman_does_not_have_is_told_as_it_says(podman):
    with pytest.raises(DaemonUnreachable, match="image not known"):
        drain(open_podman_image("other:1"))


def test_what_is_no_reference_never_reaches_podman(podman):
    with pytest.raises(InvalidReference):
        open_podman_image("--all")
