"""Which image of several a client means that did not say."""

from contextlib import aclosing
from typing import Final

from p2player.control.ports import Images, Progress
from p2player.control.target import Target
from p2player.errors import ReferenceNotFound
from p2player.oci.digest import Digest
from p2player.oci.manifest import Document, Index
from p2player.oci.platform import Platform

ALL: Final = "all"
_ATTESTATION: Final = "unknown"  # the system buildkit gives to entries that are about an image and none themselves


async def pull_platform(images: Images, target: Target, wanted: str | None) -> Progress:
    """Yield how target is pulled for the platform that wanted spells, or for all of them.

    If nothing is wanted in particular that is this machine's or, where there is none for it, the only one there is.
    """
    if wanted is not None:
        pull = images.pull(target, None if wanted == ALL else Platform.parse(wanted))
    else:
        pull = _pull_default(images, target)
    async with aclosing(pull):
        async for event in pull:
            yield event


async def _pull_default(images: Images, target: Target) -> Progress:
    try:
        async with aclosing(images.pull(target, Platform.host())) as pull:
            async for event in pull:
                yield event
    except ReferenceNotFound:
        root = await (images.document(target) if isinstance(target, Digest) else images.resolve(target))
        offered = _platforms(root)
        if len(offered) != 1:
            raise
    else:
        return
    async with aclosing(images.pull(target, offered.pop())) as pull:
        async for event in pull:
            yield event


def _platforms(document: Document) -> set[Platform]:
    entries = document.content.manifests if isinstance(document.content, Index) else ()
    return {entry.platform for entry in entries if entry.platform and entry.platform.os != _ATTESTATION}
