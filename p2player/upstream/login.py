"""Finds out what to show a registry, so that it answers whoever asks: nothing, a password, or a token for it."""

import re
from dataclasses import dataclass, field, replace
from typing import Final

from yarl import URL

from p2player.errors import AccessDenied, LoginRequired, NotAllowed
from p2player.oci.reference import Repository
from p2player.upstream.challenge import Challenge, parse_challenges
from p2player.upstream.credentials import Credentials
from p2player.upstream.port import Asker, Login
from p2player.upstream.reasons import NoAnswer, reason_of_status
from p2player.upstream.settings import UpstreamSettings
from p2player.upstream.tokens import MAX_ANSWER, Refused, Token, TokenRequest, Tokens, parse_token
from p2player.upstream.transport import Transport, follow, read_body

_MAX_KNOWN: Final = 4096
_ABSOLUTE: Final = re.compile(r"https?://[^/]", re.IGNORECASE)
_TOO_LITTLE: Final = "insufficient_scope"  # RFC 6750 section 3.1


@dataclass(frozen=True, slots=True)
class Place:
    """A repository at one of the addresses of its registry."""

    settings: UpstreamSettings
    url: str
    repository: Repository

    @property
    def root(self) -> URL:
        """Where the repository's manifests and blobs are."""
        api, name = self._split()
        return URL(f"{URL(self.url, encoded=True).origin()}/{api}/{name}", encoded=True)

    @property
    def scope(self) -> str:
        """What a token has to be good for, if the registry does not say so itself."""
        return f"repository:{self._split()[1]}:pull"

    def _split(self) -> tuple[str, str]:
        """Return the path of the API, and the repository's name there: what follows /v2/ in the address is its prefix."""
        path = URL(self.url, encoded=True).raw_path.strip("/")
        if path == "v2" or path.startswith("v2/"):
            return "v2", f"{path[3:]}/{self.repository.path}".lstrip("/")
        return f"{path}/v2".lstrip("/"), self.repository.path


@dataclass(frozen=True, slots=True)
class Shown:
    """What goes into the Authorization header. fresh: made for this very question, so no other would do better."""

    authorization: str = field(default="", repr=False)
    fresh: bool = False
    with_login: bool = False
    """Whether somebody's credentials are behind it."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a place answered 401 with: the header, and the way to log in that was chosen of it."""

    header: str
    challenge: Challenge


class Logins:
    """What each asker shows at each place. What a place wants is remembered, passwords are not."""

    def __init__(self, transport: Transport, credentials: Credentials) -> None:
        self._transport = transport
        self._credentials = credentials
        self._wanted: dict[Place, _Wanted] = {}
        self._tokens = Tokens(self._fetch)

    async def show(self, place: Place, asker: Asker) -> Shown:
        """Return what to show at a place to begin with. Raises NotAllowed, NoAnswer."""
        if isinstance(asker, Login):
            if not (asker.authorization.isascii() and asker.authorization.isprintable()):
                raise refusal(place, asker, "", Shown())
            if not _is_basic(asker):
                return Shown(asker.authorization, fresh=True)
        wanted = self._wanted.get(place)
        return await self._follow(place, asker, wanted, fresh=False) if wanted else Shown()

    async def improve(self, place: Place, asker: Asker, header: str, shown: Shown) -> Shown:
        """Return what to show after a place has answered 401 with this header. Raises NotAllowed, NoAnswer."""
        challenges = [one for one in parse_challenges(header) if one.scheme in {"bearer", "basic"}]
        is_vain = shown.fresh or (shown.authorization and any(one.error == _TOO_LITTLE for one in challenges))
        # A token is good for less than a password.
        for challenge in [] if is_vain else sorted(challenges, key=lambda one: one.scheme, reverse=True):
            wanted = _Wanted(header, challenge)
            better = await self._follow(place, asker, wanted, fresh=bool(shown.authorization))
            if better.authorization:
                self._remember(place, wanted)
                return replace(better, fresh=True)
        self._wanted.pop(place, None)
        raise refusal(place, asker, header, shown)

    def _remember(self, place: Place, wanted: _Wanted) -> None:
        if len(self._wanted) >= _MAX_KNOWN:
            self._wanted.pop(next(iter(self._wanted)))
        self._wanted[place] = wanted

    async def _follow(self, place: Place, asker: Asker, wanted: _Wanted, *, fresh: bool) -> Shown:
        authorization, identity_token = await self._credentials_of(place, asker)
        if wanted.challenge.scheme == "basic":
            return Shown(authorization, with_login=True)
        parameters = wanted.challenge.parameters
        request = TokenRequest(
            place.settings,
            _token_server(place, wanted.challenge.realm),
            parameters.get("service", ""),
            parameters.get("scope", "") or place.scope,
            authorization,
            identity_token,
        )
        try:
            token = await self._tokens.get(request, fresh=fresh)
        except Refused:
            self._wanted.pop(place, None)
            raise refusal(place, asker, wanted.header, Shown()) from None
        return Shown(token.authorization, with_login=request.has_login)

    async def _credentials_of(self, place: Place, asker: Asker) -> tuple[str, str]:
        """Return a Basic header and an identity token, each empty if there is none."""
        if isinstance(asker, Login):
            return asker.authorization, ""
        found = await self._credentials.find(place.repository) if asker == "node" else None
        return (found.authorization, found.identity_token) if found else ("", "")

    async def _fetch(self, request: TokenRequest) -> Token:
        own = {URL(url, encoded=True).origin() for url in request.settings.urls}
        headers = {"Authorization": request.authorization} if request.authorization else {}
        try:
            response = await self._transport.request(
                request.settings,
                "POST" if request.identity_token else "GET",
                request.realm if request.identity_token else request.url,
                headers,
                form=request.form if request.identity_token else None,
                is_own=request.realm.origin() in own,
            )
            if response.status in {401, 403}:
                response.release()
                raise Refused
            if response.status != 200:
                response.release()
                raise reason_of_status(response, "its token server")
            return parse_token(await read_body(response, MAX_ANSWER))
        except NoAnswer as error:
            if error.reached:
                raise
            reason = f"its token server {request.realm.host} gave no token: {error.reason}"
            raise NoAnswer(reason, again=error.again, hint=error.hint) from error

    async def close(self) -> None:
        """End what is being asked."""
        await self._tokens.close()


def refusal(place: Place, asker: Asker, header: str, shown: Shown) -> NotAllowed:
    """Return the error for a place that does not let asker in, in which its own challenge is handed on."""
    registry, repository = place.repository.registry, place.repository
    if shown.with_login and any(one.error == _TOO_LITTLE for one in parse_challenges(header)):
        return AccessDenied(f"{registry} does not give {repository} to this login", hint="ask its owner for access")
    if isinstance(asker, Login):
        message = f"{registry} does not accept this login for {repository}"
    else:
        message = f"{registry} wants a login for {repository}"
    whose = "on this node" if asker == "node" else "with your runtime"
    challenge = header if header.isprintable() and header else f'Basic realm="{registry}"'
    return LoginRequired(message, challenge=challenge, hint=f"log in {whose}: docker login {registry}")


def _token_server(place: Place, realm: str) -> URL:
    """Return the URL that a challenge's realm is. Raises NoAnswer if it is none that should be asked."""
    if not _ABSOLUTE.match(realm):
        raise NoAnswer("it names no token server", again=False)
    return follow(URL(place.url, encoded=True), realm)


def _is_basic(login: Login) -> bool:
    return login.authorization[:6].lower() == "basic "
