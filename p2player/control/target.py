"""What a user points at: an image by name, or a blob by digest."""

import re

from p2player.oci.digest import Digest
from p2player.oci.reference import Reference

Target = Reference | Digest

# `sha256:…` would also be the image `sha256` with a tag; nobody means that.
_LIKE_A_DIGEST = re.compile(r"sha[0-9]+:")


def parse_target(text: str) -> Target:
    """Return the digest or the reference that text spells, or raise InvalidDigest or InvalidReference."""
    return Digest.parse(text) if _LIKE_A_DIGEST.match(text) else Reference.parse(text)
