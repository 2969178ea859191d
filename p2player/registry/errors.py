"""How a failure looks to a client of the endpoint (OCI distribution spec, error codes)."""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from p2player.errors import LoginRequired, P2PlayerError

log = logging.getLogger(__name__)

# Short: the runtime asks the registry itself meanwhile, and a peer may be found at once.
_RETRY_AFTER_SECONDS = "1"
_NOT_IN_A_HEADER = re.compile(r"[^\x20-\x7e]")


class Refused(Exception):
    """A request that is answered without asking the library, because of what it is."""

    def __init__(
        self, status: int, message: str, *, code: str = "UNSUPPORTED", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An HTTP status, an OCI error code, and words for people."""

    status: int
    code: str
    message: str
    detail: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The JSON the specification prescribes."""
        error = {"code": self.code, "message": self.message}
        if self.detail:
            error["detail"] = self.detail
        return json.dumps({"errors": [error]}).encode()


def answer_to(error: Exception) -> ErrorAnswer:
    """Return what a client is told of error. What is not meant for users is logged and shows nothing of itself."""
    if isinstance(error, Refused):
        return ErrorAnswer(error.status, error.code, error.message, headers=error.headers)
    if isinstance(error, P2PlayerError):
        return ErrorAnswer(error.http_status, error.oci_code, error.message, error.hint, _headers_of(error))
    log.error("the endpoint failed", exc_info=error)
    return ErrorAnswer(500, "UNKNOWN", "internal error", "the node's log says more")


def _headers_of(error: P2PlayerError) -> dict[str, str]:
    if isinstance(error, LoginRequired):
        # The client gets its token where the registry says, not from us; what a registry sends may still be anything.
        return {"WWW-Authenticate": _NOT_IN_A_HEADER.sub("?", error.challenge)}
    return {"Retry-After": _RETRY_AFTER_SECONDS} if error.http_status in {429, 503} else {}
