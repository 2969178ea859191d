import pytest

from p2player.control.seeding import seed
from p2player.errors import BadInput, DigestMismatch
from p2player.oci.digest import Digest
from p2player.oci.reference import Reference

NAME = "docker.io/library/app:1"


@pytest.fixture
def root(daemon):
    return daemon.images.publish(NAME, {"linux/amd64": b"layer"})


def ignore(_):
    pass


async def test_an_image_comes_in_under_its_own_name(daemon, client, layout, root):
    seeded = await seed(client, [layout(root, "app:1")], None, ignore)
    assert [(str(image.name), image.digest) for image in seeded.images] == [(NAME, root.digest)]
    assert daemon.holdings.published[NAME].descriptor.digest == root.digest


async def test_a_new_name_goes_before_its_own(daemon, client, layout, root):
    await seed(client, [layout(root, "app:1")], Reference.parse("ghcr.io/a/b:2"), ignore)
    assert list(daemon.holdings.published) == ["ghcr.io/a/b:2"]


@pytest.mark.parametrize("name", [None, "1.0", "latest", "NOT A NAME"])
async def test_an_image_without_a_name_asks_for_one(daemon, client, layout, root, name):
    with pytest.raises(BadInput) as refused:
        await seed(client, [layout(root, name)], None, ignore)
    assert "--as" in refused.value.hint
    assert daemon.store.blobs() == []


async def test_one_name_does_not_fit_two_images(daemon, client, layout, root):
    other = daemon.images.publish("other", {"linux/amd64": b"other layer"})
    specs = [layout(root, "app:1", "one"), layout(other, "other:1", "two")]
    with pytest.raises(BadInput, match="2"):
        await seed(client, specs, Reference.parse("x"), ignore)
    assert daemon.store.blobs() == []
    await seed(client, specs, None, ignore)
    assert len(daemon.holdings.published) == 2


async def test_a_name_by_digest_is_no_new_name(client, layout, root):
    with pytest.raises(BadInput, match="new name"):
        await seed(client, [layout(root, "app:1")], Reference.parse(f"app@{Digest.of(b'')}"), ignore)


async def test_a_plain_file_comes_in_bare(daemon, client, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    seeded = await seed(client, [str(path)], None, ignore)
    assert [(file.path, file.digest) for file in seeded.files] == [(str(path), Digest.of(b"content"))]
    assert daemon.holdings.offered == {Digest.of(b"content")}


async def test_a_plain_file_takes_no_name(daemon, client, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with pytest.raises(BadInput, match="plain file"):
        await seed(client, [str(path)], Reference.parse("x"), ignore)
    assert daemon.store.blobs() == []


async def test_one_bad_source_keeps_all_others_out(daemon, client, layout, root, tmp_path, eventually):
    (tmp_path / "file").write_bytes(b"content")
    spec = layout(root, "app:1")
    (tmp_path / "layout/blobs/sha256" / root.content.layers[0].digest.hex).write_bytes(b"LAYER")
    with pytest.raises(DigestMismatch):
        await seed(client, [str(tmp_path / "file"), spec], None, ignore)
    await eventually(lambda: not list((daemon.config.data_dir / "staging").iterdir()))
    assert daemon.store.blobs() == []


async def test_each_blob_is_told_of_from_its_start_to_its_end(client, layout, root):
    told = []
    await seed(client, [layout(root, "app:1")], None, told.append)
    assert [(progress.number, progress.state) for progress in told] == [
        (number, state) for number in (1, 2, 3) for state in ("sending", "sent")
    ]
    assert all(progress.done == progress.size for progress in told if progress.state == "sent")


async def test_what_the_daemon_has_is_told_as_present(client, layout, root):
    spec = layout(root, "app:1")
    await seed(client, [spec], None, ignore)
    told = []
    await seed(client, [spec], None, told.append)
    assert [progress.state for progress in told] == ["present"] * 3
