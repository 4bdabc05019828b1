"""Who calls: a user, by a token that was verified, with the tier that access.profile gives; or nobody in particular, with the tier free.

Nothing else in a request makes a difference: no claim, header or parameter names a tier. Credentials that are there and wrong are a 401, never
a caller without a token; and after too many of them from one address, a 429 before they are looked at.
"""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NamedTuple, Protocol

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from model_assets.api.errors import Problem, unavailable
from model_assets.api.jwks import KeysAway
from model_assets.api.limits import Limits, Standing
from model_assets.api.profiles import Profiles, Tier
from model_assets.api.tokens import Unauthenticated, Verifier
from model_assets.settings import Settings

BEARER = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A JWT: who calls. The tier is that of the account.")


class Caller(NamedTuple):
    """Who calls. `authenticated`: by a token that was verified; then there is a user_id."""

    user_id: str | None
    tier: Tier
    authenticated: bool


ANONYMOUS = Caller(None, "free", False)


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


def unauthenticated(wrong: str = "") -> Problem:
    """The one answer to credentials that are missing or wrong, whatever is wrong with them. `wrong` names those that were sent in another place
    than Authorization; whether they are expected at all is not told."""
    said = f"{wrong} is wrong, or none is set here." if wrong else "This needs valid credentials, sent as `Authorization: Bearer ...`."
    return Problem(401, None, said, headers={"WWW-Authenticate": "Bearer"})


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


def require_secret(request: Request, given: str | None, expected: str, what: str = "") -> None:
    """Let a request go on whose secret or key is the expected one; `what` it is, where it did not come as Authorization. Raises Problem: 401
    otherwise, and where none is configured; 429 after many."""
    if given is None:
        raise unauthenticated()
    with _trying(request):
        if not secret_matches(given, expected):
            raise unauthenticated(what)


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


async def anyone(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]) -> Caller:
    """Who calls, with a token or without. Their request counts."""
    # who says nothing is known without asking anybody, so that no thread has to be waited for
    caller = await run_in_threadpool(identify, request) if "authorization" in request.headers else identify(request)
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
