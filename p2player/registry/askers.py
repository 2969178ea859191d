"""Who a client of the endpoint says it is (Authorization, RFC 9110 section 11.6.2)."""

import re
from collections.abc import Sequence

from p2player.registry.errors import Refused
from p2player.upstream.port import Asker, Login

_CREDENTIALS = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: +[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?")
# No user and no password: what podman, skopeo and CRI-O send to a registry they have no credentials for.
_NOBODY = re.compile(r"(?i:Basic) +Og==")


def asker_of(headers: Sequence[str]) -> Asker:
    """Return on whose behalf a request with these Authorization headers is. Raises Refused for what cannot be one.

    Nothing is decided here: who the client is, and what it may have, only the registry behind the endpoint can tell.
    """
    if not headers:
        return "anonymous"
    credentials = headers[0].strip(" \t")
    if len(headers) > 1 or not _CREDENTIALS.fullmatch(credentials):
        raise Refused(400, "not a well-formed Authorization header", code="UNAUTHORIZED")
    return "anonymous" if _NOBODY.fullmatch(credentials) else Login(credentials)
