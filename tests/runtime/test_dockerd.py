import socket

import pytest

from p2player.errors import DaemonUnreachable, InvalidReference, ReferenceNotFound
from p2player.oci.digest import Digest
from p2player.runtime.dockerd import open_daemon_image
from tests.runtime.conftest import drain


def test_an_image_streams_out_of_the_daemon(serve_daemon, archive):
    path, asked = serve_daemon(200, archive[:1000], archive[1000:])

    images = drain(open_daemon_image("app:1", socket_path=path))

    assert [image.name for image in images] == ["app:1"]
    assert asked == ["/images/docker.io/library/app%3A1/get"]


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("app", "docker.io/library/app%3Alatest"),
        ("localhost:5000/a/b:1", "localhost%3A5000/a/b%3A1"),
        (f"app@{Digest.of(b'')}", f"docker.io/library/app%40sha256%3A{Digest.of(b'').hex}"),
    ],
)
def test_the_daemon_is_asked_for_one_whole_name(serve_daemon, archive, reference, name):
    path, asked = serve_daemon(200, archive)

    drain(open_daemon_image(reference, socket_path=path))

    assert asked == [f"/images/{name}/get"]


def test_docker_host_says_where_the_daemon_is(serve_daemon, archive, monkeypatch):
    path, _ = serve_daemon(200, archive)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")

    assert len(drain(open_daemon_image("app:1"))) == 1


def test_an_image_the_daemon_does_not_have_is_not_found(serve_daemon):
    path, _ = serve_daemon(404, b'{"message":"reference does not exist"}')

    with pytest.raises(ReferenceNotFound, match="no image docker"):
        open_daemon_image("app:1", socket_path=path)


def test_other_answers_are_told_as_the_daemon_gave_them(serve_daemon):
    path, _ = serve_daemon(500, b'{"message":"disk on fire"}')

    with pytest.raises(DaemonUnreachable, match="answered 500: disk on fire"):
        open_daemon_image("app:1", socket_path=path)


def test_a_daemon_that_breaks_off_is_unreachable(serve_daemon, archive):
    path, _ = serve_daemon(200, archive[:700], whole=False)

    with pytest.raises(DaemonUnreachable, match="broke off"):
        drain(open_daemon_image("app:1", socket_path=path))


def test_no_daemon_is_unreachable(tmp_path):
    with pytest.raises(DaemonUnreachable, match="no Docker daemon answers") as caught:
        open_daemon_image("app:1", socket_path=tmp_path / "none.sock")
    assert "DOCKER_HOST" in caught.value.hint

    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(str(tmp_path / "dead.sock"))
        with pytest.raises(DaemonUnreachable):
            open_daemon_image("app:1", socket_path=tmp_path / "dead.sock")


def test_a_remote_daemon_is_not_asked(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")

    with pytest.raises(DaemonUnreachable, match="not a local socket"):
        open_daemon_image("app:1")


def test_what_is_no_reference_never_reaches_the_daemon(tmp_path):
    with pytest.raises(InvalidReference):
        open_daemon_image("../containers/json?x=", socket_path=tmp_path / "none.sock")
