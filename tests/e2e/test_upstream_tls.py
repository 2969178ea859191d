import pytest

from netsim.emulate.busybox import busybox_image
from netsim.emulate.certificates import Authority
from netsim.emulate.daemons import Daemon
from netsim.emulate.processes import ProgramError
from netsim.emulate.registry import Registry
from netsim.image import Image

NAME = "tls.example"


@pytest.fixture
def authority(directory):
    root = directory / "authority"
    root.mkdir()
    return Authority(root)


@pytest.fixture
def registry(require, authority, directory):
    require("docker-registry", "skopeo", "busybox")
    root = directory / "registry"
    root.mkdir()
    with Registry(root, authority=authority) as registry:
        yield registry


@pytest.fixture
def image(registry, directory):
    image = busybox_image(directory / "image", "hello over TLS")
    registry.fill(image, "team/app:1")
    return image


@pytest.fixture
def fetch(registry, image, directory):
    """Fetch the image by a node with these settings of the registry, and return what came."""

    def fetch(**settings):
        config = directory / "config.toml"
        lines = [f'{key} = "{value}"' for key, value in {"url": registry.url, **settings}.items()]
        config.write_text("\n".join([f'[upstream."{NAME}"]', *lines]))
        with Daemon(directory / "node", "--config", str(config)) as node:
            node.p2player("fetch", f"{NAME}/team/app:1", "--output", f"oci:{directory}/fetched")
        return Image.open(directory / "fetched")

    return fetch


def test_a_registry_with_a_certificate_of_a_private_authority_is_asked(fetch, authority, image):
    assert fetch(ca=authority.ca).sizes == image.sizes


def test_without_the_authority_it_is_not_believed(fetch):
    with pytest.raises(ProgramError, match=r"(?i)certificate"):
        fetch()


def test_an_authority_does_not_vouch_for_names_it_has_not_certified(fetch, registry, authority):
    port = registry.name.rpartition(":")[2]
    with pytest.raises(ProgramError, match=r"(?i)certificate"):
        fetch(ca=authority.ca, url=f"https://localhost:{port}")
