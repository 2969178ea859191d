import io
import tarfile

import pytest

from p2player.doctor.image import NAME, TinyImage, seeded
from p2player.oci.digest import Digest
from p2player.oci.platform import Platform


def test_no_two_images_are_alike():
    one, other = TinyImage.make(), TinyImage.make()
    assert one.tag != other.tag
    assert not set(one.blobs) & set(other.blobs) - {b"{}"}


def test_it_is_an_image_of_one_file_for_this_machine():
    image = TinyImage.make()
    assert [Digest.of(blob) for blob in image.blobs[:2]] == [child.digest for child in image.manifest.children][::-1]
    with tarfile.open(fileobj=io.BytesIO(image.blobs[0])) as layer:
        assert layer.getnames() == ["p2player-doctor"]
    assert Platform.host().architecture.encode() in image.blobs[1]


async def test_it_is_in_the_daemon_only_meanwhile(daemon, client):
    image = TinyImage.make()
    async with seeded(client, image):
        assert [row.reference for row in daemon.store.names()] == [f"{NAME}:{image.tag}"]
        assert {blob.digest for blob in daemon.store.blobs()} == {Digest.of(blob) for blob in image.blobs}
    assert daemon.store.names() == []
    assert daemon.store.blobs() == []


async def test_it_goes_whatever_happens(daemon, client):
    with pytest.raises(KeyError):
        async with seeded(client, TinyImage.make()):
            raise KeyError
    assert daemon.store.blobs() == []
