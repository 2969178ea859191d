"""Which image of several a client means that did not say."""

from typing import Final

from p2player.control.ports import Images
from p2player.control.target import Target
from p2player.errors import InvalidManifest, NotFound
from p2player.oci.digest import Digest
from p2player.oci.manifest import Document, Index
from p2player.oci.platform import Platform

ALL: Final = "all"
_ATTESTATION: Final = "unknown"  # the platform buildkit gives to entries that are about an image and none themselves


async def choose_platform(images: Images, target: Target, wanted: str | None) -> Platform | None:
    """Return the platform that wanted spells, None for "all".

    If nothing is wanted in particular, that is this machine's, or the only one there is. Raises BadInput.
    """
    if wanted == ALL:
        return None
    if wanted is not None:
        return Platform.parse(wanted)
    host = Platform.host()
    offered = await _offered(images, target)
    if len(offered) == 1 and not any(platform.satisfies(host) for platform in offered):
        return offered.pop()
    return host


async def _offered(images: Images, target: Target) -> set[Platform]:
    document = await _document(images, target)
    if document is None or not isinstance(document.content, Index):
        return set()
    platforms = {entry.platform for entry in document.content.manifests}
    return {platform for platform in platforms if platform and platform.os != _ATTESTATION}


async def _document(images: Images, target: Target) -> Document | None:
    try:
        return await (images.document(target) if isinstance(target, Digest) else images.resolve(target))
    except (InvalidManifest, NotFound):
        return None  # a blob, or nothing: the pull itself will tell
