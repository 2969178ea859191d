import pytest

from netsim.emulate.processes import run
from netsim.image import Image
from tests.wrongbytes import require_same


@pytest.mark.parametrize("by_digest", [False, True], ids=["tag", "digest"])
def test_skopeo_copies_the_image_unchanged(skopeo, node, image, fetched, directory, by_digest):
    target = f"@{image.digest}" if by_digest else ":1"
    source = f"docker://{node.registry}/registry.example/team/app{target}"
    skopeo("copy", "--src-tls-verify=false", source, f"oci:{directory}/copy:1")
    copy = Image.open(directory / "copy")
    require_same((copy.digest, copy.sizes), (image.digest, image.sizes))
    fetched()


def test_skopeo_reads_the_store_directory_as_it_is(skopeo, seed, image, directory):
    skopeo("copy", f"oci:{seed.data_dir}/store:registry.example/team/app:1", f"oci:{directory}/copy:1")
    require_same(Image.open(directory / "copy").digest, image.digest)


def test_umoci_unpacks_a_fetched_layout(require, node, directory):
    require("umoci")
    node.p2player("fetch", "registry.example/team/app:1", "--output", f"oci:{directory}/layout")
    tags = run(["umoci", "list", "--layout", str(directory / "layout")])
    (tag,) = tags.split()
    run(["umoci", "unpack", "--image", f"{directory}/layout:{tag}", str(directory / "bundle")])
    assert (directory / "bundle/rootfs/bin/busybox").is_file()
