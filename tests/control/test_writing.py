from pathlib import Path

import pytest

from p2player.control.writing import directory_of, write_out
from p2player.errors import BadInput
from p2player.oci.destination import open_destination
from p2player.oci.digest import Digest
from p2player.oci.source import SourceImage
from p2player.runtime.sources import open_source

NAME = "docker.io/library/app:1"


async def pull(client, target, platform="all"):
    *_, pulled = [event async for event in client.pull(target, platform)]
    return pulled


@pytest.mark.parametrize("form", ["oci", "oci-archive"])
async def test_an_image_is_written_with_its_name_and_all_it_needs(daemon, client, tmp_path, form):
    root = daemon.images.publish(NAME, {"linux/amd64": b"one", "linux/arm64": b"two"})
    spec = f"{form}:{tmp_path / 'out'}"
    await write_out(client, await pull(client, NAME), open_destination(spec))
    with open_source(spec) as source:
        blobs = {blob.digest for blob in source.blobs()}
        assert source.images() == (SourceImage(NAME, root.descriptor),)
    assert blobs == set(daemon.images.elsewhere)


async def test_an_image_of_one_platform_is_written_without_the_others(daemon, client, tmp_path):
    daemon.images.publish(NAME, {"linux/amd64": b"one", "linux/arm64": b"two"})
    spec = f"oci:{tmp_path / 'out'}"
    await write_out(client, await pull(client, NAME, "linux/arm64"), open_destination(spec))
    with open_source(spec) as source:
        blobs = {blob.digest for blob in source.blobs()}
    assert Digest.of(b"two") in blobs
    assert Digest.of(b"one") not in blobs


async def test_a_blob_is_written_to_a_plain_file(daemon, client, tmp_path):
    digest = Digest.of(b"content")
    daemon.images.elsewhere[digest] = b"content"
    await write_out(client, await pull(client, str(digest)), open_destination(str(tmp_path / "out")))
    assert (tmp_path / "out").read_bytes() == b"content"


async def test_a_blob_has_no_place_among_images(daemon, client, tmp_path):
    digest = Digest.of(b"content")
    daemon.images.elsewhere[digest] = b"content"
    destination = open_destination(f"docker-archive:{tmp_path / 'out'}")
    with pytest.raises(BadInput, match="no image"):
        await write_out(client, await pull(client, str(digest)), destination)
    destination.discard()
    assert list(tmp_path.glob("*out*")) == []


async def test_an_image_has_no_place_in_a_plain_file(daemon, client, tmp_path):
    daemon.images.publish(NAME, {"linux/amd64": b"one"})
    destination = open_destination(str(tmp_path / "out"))
    with pytest.raises(BadInput, match="plain file"):
        await write_out(client, await pull(client, NAME), destination)
    destination.discard()


@pytest.mark.parametrize("spec", ["oci:/a/b", "oci:/a/b:name/x:1", "oci-archive:/a/b", "docker-archive:/a/b", "/a/b"])
def test_the_directory_of_a_destination_is_that_it_will_be_in(spec):
    assert directory_of(spec) == Path("/a")
