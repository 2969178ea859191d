"""The registries that other tests pull from are what they are taken for."""

import pytest

from netsim.emulate.busybox import busybox_image
from netsim.emulate.certificates import Authority
from netsim.emulate.processes import ProgramError
from netsim.emulate.registry import Registry
from netsim.emulate.tokens import TokenServer

RIGHT, WRONG = "ada:right", "ada:wrong"
USERS = dict([RIGHT.split(":")])


@pytest.fixture
def small(require, directory):
    require("docker-registry", "skopeo", "busybox")
    return busybox_image(directory / "image", "hello")


@pytest.fixture
def copy(skopeo, directory):
    """Copy an image out of a registry into a directory."""

    def copy(registry, repository, *options):
        source = f"docker://{registry.name}/{repository}:1"
        skopeo("copy", "--src-tls-verify=false", *options, source, f"oci:{directory}/copy")

    return copy


def test_a_registry_tells_what_has_left_it_and_keeps_its_name_over_a_restart(small, copy, directory):
    with Registry(directory) as registry:
        registry.fill(small, "team/app:1")
        copy(registry, "team/app")
        layers = {digest: size for digest, size in small.sizes.items() if digest != small.digest}
        assert registry.sent(small) == layers
        name = registry.name
        registry.stop()
        with pytest.raises(ProgramError):
            copy(registry, "team/app")
        registry.start()
        assert registry.name == name
        copy(registry, "team/app")


def test_a_registry_forgets_a_tag(small, copy, directory):
    with Registry(directory) as registry:
        registry.fill(small, "team/app:1")
        registry.forget("team/app:1")
        with pytest.raises(ProgramError, match="manifest unknown"):
            copy(registry, "team/app")


@pytest.mark.parametrize("options", [(), ("--src-creds", WRONG)], ids=["nobody", "wrong"])
def test_a_password_or_a_token_is_needed_where_one_is_meant_to_be(small, copy, directory, options):
    for name in ("passwords", "tokens"):
        (directory / name).mkdir()
    with TokenServer(directory, users=USERS, public=["open/app"]) as tokens:
        for registry in (Registry(directory / "passwords", users=USERS), Registry(directory / "tokens", tokens=tokens)):
            with registry:
                registry.fill(small, "team/app:1")
                with pytest.raises(ProgramError, match="unauthorized"):
                    copy(registry, "team/app", *options)
                copy(registry, "team/app", "--src-creds", RIGHT)


def test_nobody_pulls_from_a_public_repository_beside_private_ones(small, copy, directory):
    with (
        TokenServer(directory, users=USERS, public=["open/app"]) as tokens,
        Registry(directory, tokens=tokens) as registry,
    ):
        registry.fill(small, "open/app:1")
        copy(registry, "open/app")


def test_a_registry_with_an_authority_speaks_tls(small, skopeo, directory):
    authority = Authority(directory)
    with Registry(directory, authority=authority) as registry:
        registry.fill(small, "team/app:1")
        source, target = f"docker://{registry.name}/team/app:1", f"oci:{directory}/copy"
        with pytest.raises(ProgramError, match="certificate"):
            skopeo("copy", source, target)
        skopeo("copy", "--src-cert-dir", str(authority.trust), source, target)
