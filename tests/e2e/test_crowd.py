from concurrent.futures import ThreadPoolExecutor

from netsim.emulate.busybox import busybox_image
from netsim.emulate.daemons import LocalCluster
from netsim.image import Image

NAME = "crowd.example"
NODES = 6


def test_a_crowd_that_wants_the_same_new_image_at_once_takes_about_one_copy_of_it(registry, directory):
    image = busybox_image(directory / "image", "hello to all", ballast=32 << 20)
    registry.fill(image, "team/app:1")
    with LocalCluster(directory, NODES, "--upstream", f"{NAME}={registry.url}") as cluster:

        def fetch(node):
            target = directory / f"{node.data_dir.name}-fetched"
            node.p2player("fetch", f"{NAME}/team/app:1", "--output", f"oci:{target}")
            return Image.open(target).sizes

        with ThreadPoolExecutor(NODES) as pool:
            fetched = list(pool.map(fetch, cluster.nodes))
        assert fetched == [image.sizes] * NODES
        statuses = [node.status() for node in cluster.nodes]
    assert sum(registry.sent(image).values()) <= 1.1 * image.total
    assert sum(status.peer for status in statuses) >= (NODES - 1.1) * image.total
