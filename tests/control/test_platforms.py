import pytest

from p2player.errors import BadInput, ReferenceNotFound
from p2player.oci.digest import Digest
from p2player.oci.platform import Platform

NAME = "docker.io/library/app:1"
HOST = str(Platform.host())
OTHER = "linux/s390x"
THIRD = "linux/riscv64"


async def pulled_layers(daemon, client, target, platform):
    """Return which of the layers `one` and `two` came in."""
    async for _ in client.pull(target, platform):
        pass
    return {data for data in (b"one", b"two") if daemon.store.get(Digest.of(data))}


@pytest.mark.parametrize("by_digest", [False, True])
async def test_by_default_the_image_is_for_this_machine(daemon, client, by_digest):
    root = daemon.images.publish(NAME, {HOST: b"one", OTHER: b"two"})
    assert await pulled_layers(daemon, client, str(root.digest) if by_digest else NAME, None) == {b"one"}


@pytest.mark.parametrize("by_digest", [False, True])
async def test_by_default_it_is_the_only_one_there_is(daemon, client, by_digest):
    root = daemon.images.publish(NAME, {OTHER: b"two", "unknown/unknown": b"attestation"})
    assert await pulled_layers(daemon, client, str(root.digest) if by_digest else NAME, None) == {b"two"}


async def test_of_several_others_none_is_guessed(daemon, client):
    daemon.images.publish(NAME, {OTHER: b"one", THIRD: b"two"})
    with pytest.raises(ReferenceNotFound) as error:
        await pulled_layers(daemon, client, NAME, None)
    assert OTHER in error.value.hint
    assert THIRD in error.value.hint


async def test_a_platform_that_was_asked_for_is_not_replaced(daemon, client):
    daemon.images.publish(NAME, {OTHER: b"two", "unknown/unknown": b"attestation"})
    with pytest.raises(ReferenceNotFound):
        await pulled_layers(daemon, client, NAME, HOST)
    assert await pulled_layers(daemon, client, NAME, OTHER) == {b"two"}


async def test_all_are_all(daemon, client):
    daemon.images.publish(NAME, {OTHER: b"one", THIRD: b"two"})
    assert await pulled_layers(daemon, client, NAME, "all") == {b"one", b"two"}


async def test_what_is_no_platform_is_bad_input(daemon, client):
    with pytest.raises(BadInput):
        await pulled_layers(daemon, client, NAME, "linux")
