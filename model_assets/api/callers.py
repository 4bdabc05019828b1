"""Who calls: a user, by a token that was verified, with the tier that access.profile gives; or nobody in particular, with the tier free.

Nothing else in a request makes a difference: no claim, header or parameter names a tier. Credentials that are there and wrong are a 401, never
a caller without a token; and after too many of them from one address, a 429 before they are looked at.
"""

import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, Literal, NamedTuple, Protocol, cast

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Connection, text

from model_assets.api.errors import Problem, unavailable
from model_assets.api.jwks import KeysAway
from model_assets.api.limits import Limits, Standing
from model_assets.api.tokens import Unauthenticated, Verifier
from model_assets.settings import Settings

Tier = Literal["free", "pro", "enterprise", "admin"]
BEARER = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A JWT: who calls. The tier is that of the account.")
MOST_PROFILES = 10_000
REMEMBERED = 5.0  # seconds that a tier is remembered


class Caller(NamedTuple):
    """Who calls. `authenticated`: by a token that was verified; then there is a user_id."""

    user_id: str | None
    tier: Tier
    authenticated: bool


ANONYMOUS = Caller(None, "free", False)


class Profiles:
    """The tiers of users, remembered for five seconds or until `forget`. `reading` opens a transaction, `clock` counts seconds."""

    def __init__(
        self,
        reading: Callable[[], AbstractContextManager[Connection]],
        clock: Callable[[], float] = time.monotonic,
        most: int = MOST_PROFILES,
    ) -> None:
        self.reading, self.clock, self.most = reading, clock, most
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[Tier, float]] = OrderedDict()
        self._forgotten = 0

    def tier(self, user_id: str) -> Tier:
        """The tier of a user; free where nobody knows of them. Raises what the database raises: without it nobody has a tier."""
        asked_at = self.clock()
        with self._lock:
            known, forgotten = self._known.get(user_id), self._forgotten
        if known and asked_at - known[1] < REMEMBERED:
            return known[0]
        with self.reading() as connection:
            found = connection.execute(text("select tier from access.profile where user_id = :user_id"), {"user_id": user_id}).scalar()
        tier = cast(Tier, found or "free")
        with self._lock:
            if forgotten == self._forgotten:  # else it may have been read before what we were told of
                self._known[user_id] = (tier, asked_at)
                self._known.move_to_end(user_id)
                while len(self._known) > self.most:
                    self._known.popitem(last=False)
        return tier

    def remembered(self, user_id: str) -> Tier | None:
        """The tier of a user who was asked for within the last seconds; null where the database would have to be asked."""
        with self._lock:
            known = self._known.get(user_id)
        return known[0] if known and self.clock() - known[1] < REMEMBERED else None

    def forget(self, user_id: str | None) -> None:
        """A user's tier may have changed; with null, anybody's."""
        with self._lock:
            self._forgotten += 1
            if user_id is None:
                self._known.clear()
            else:
                self._known.pop(user_id, None)


class Parts(Protocol):
    """What of the app's parts (`request.app.state.parts`) is needed to know a caller."""

    settings: Settings
    verifier: Verifier
    profiles: Profiles
    limits: Limits


def bearer(authorization: str | None) -> str | None:
    """What follows `Bearer` in an Authorization header; null where nothing does. The scheme's case does not matter (RFC 9110, 11.1), all else does."""
    scheme, _, token = (authorization or "").partition(" ")
    return token if scheme.lower() == "bearer" and token else None


def caller_of(authorization: str | None, verifier: Verifier, profiles: Profiles) -> Caller:
    """Who calls with this Authorization header (null: there is none). Raises Problem: 401 where it is wrong, 503 where nobody can say now."""
    if authorization is None:
        return ANONYMOUS
    token = bearer(authorization)
    if token is None:
        raise unauthenticated()
    try:
        user_id = verifier.verify(token)
    except Unauthenticated:
        raise unauthenticated() from None
    except KeysAway as away:
        raise unavailable(str(away)) from None
    return Caller(user_id, profiles.tier(user_id), True)


def unauthenticated() -> Problem:
    """The one answer to credentials that are missing or wrong, whatever is wrong with them."""
    return Problem(401, None, "This needs valid credentials, sent as `Authorization: Bearer ...`.", headers={"WWW-Authenticate": "Bearer"})


def secret_matches(given: str | None, expected: str) -> bool:
    """Whether a secret is the expected one, in a time that does not tell how much of it is right. An empty one is nobody's."""
    if not given or not expected:
        return False
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogateescape"))


def identify(request: Request) -> Caller:
    """Who sends a request. May wait for the database, and for the keys of tokens. Raises Problem: 401, 429, 503."""
    given = request.headers.getlist("authorization")
    caller = ANONYMOUS
    if given:
        parts = _parts(request)
        with _trying(request):
            caller = caller_of(given[0] if len(given) == 1 else "", parts.verifier, parts.profiles)
    request.scope["caller"] = caller
    return caller


def require_secret(request: Request, given: str | None, expected: str) -> None:
    """Let a request go on whose secret or key is the expected one. Raises Problem: 401 otherwise, and where none is configured; 429 after many."""
    if given is None:
        raise unauthenticated()
    with _trying(request):
        if not secret_matches(given, expected):
            raise unauthenticated()


@contextmanager
def _trying(request: Request) -> Iterator[None]:
    """Credentials are looked at: not after too many wrong ones from that address; and a wrong one counts."""
    limits, address = _parts(request).limits, address_of(request)
    standing = limits.may_try(address)
    if standing and not standing.allowed:
        said = f"Too many wrong credentials came from this address. Try again in {standing.retry_after} s."
        raise Problem(429, None, said, headers=standing.headers())
    try:
        yield
    except Problem as problem:
        if problem.status == 401:
            limits.wrong(address)
        raise


def address_of(request: Request) -> str:
    """The address that a request came from, behind proxies that are trusted."""
    peer = request.client.host if request.client else None
    return _parts(request).limits.address(peer, request.headers.getlist("x-forwarded-for"))


def count_work(request: Request, caller: Caller) -> Standing | None:
    """Count a request that makes the database work, before it does; how the caller stands then, or null without a limit.

    Raises Problem: 429 where the limit is reached."""
    standing = _parts(request).limits.ask(caller.user_id, caller.tier, address_of(request))
    request.scope["standing"] = standing  # its headers go with every answer
    if standing and not standing.allowed:
        said = f"The limit of {standing.limit} requests is reached. Try again in {standing.retry_after} s."
        raise Problem(429, None, said, headers=standing.headers())
    return standing


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


def anyone(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]) -> Caller:
    """Who calls, with a token or without. Their request counts."""
    caller = identify(request)
    count_work(request, caller)
    return caller


async def user(caller: Annotated[Caller, Depends(anyone)]) -> Caller:
    """Who calls, with a token: 401 without."""
    if not caller.authenticated:
        raise unauthenticated()
    return caller


async def admin(caller: Annotated[Caller, Depends(user)]) -> Caller:
    """An admin who calls: 401 without a token, 403 for anybody else."""
    if caller.tier != "admin":
        raise Problem(403, None, "This is for admins.")
    return caller


Anyone = Annotated[Caller, Depends(anyone)]
User = Annotated[Caller, Depends(user)]
Admin = Annotated[Caller, Depends(admin)]
