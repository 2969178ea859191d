"""Whether a client can read a manifest's media type (Accept, RFC 9110 section 12.5.1)."""

from collections.abc import Iterable

_MANIFEST_FAMILIES = ("application/vnd.oci.image.", "application/vnd.docker.distribution.manifest.")
_ANYTHING = frozenset({"*/*", "application/*"})


def accepts(headers: Iterable[str], media_type: str) -> bool:
    """Tell whether a client that sent these Accept headers takes a manifest of media_type.

    One that names no kind of manifest takes any: it did not mean to choose between them.
    """
    types = {part.partition(";")[0].strip().lower() for header in headers for part in header.split(",")}
    if media_type in types or types & _ANYTHING:
        return True
    return not any(name.startswith(_MANIFEST_FAMILIES) for name in types)
