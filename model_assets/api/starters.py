"""Who may start a sync: an admin; whoever has ADMIN_KEY, in a header or an address; a schedule that has CRON_SECRET. Each returns who it was, in a word.

Scripts that know of no header may have the key in their address, `https://sync:ADMIN_KEY@host`: curl makes Basic credentials of it.
"""

import base64
import binascii
import hmac
import re
import time
from typing import Annotated

from fastapi import Path, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials
from starlette.concurrency import run_in_threadpool

from model_assets.access.audit import BY_KEY, BY_SECRET
from model_assets.api.callers import BEARER, admin, bearer, identify, require_secret, secret_matches, unauthenticated, user
from model_assets.api.errors import Problem

KEY = APIKeyHeader(
    name="X-Admin-Key",
    auto_error=False,
    description="ADMIN_KEY. Also taken as a bearer token, or as the password of Basic credentials (any user name), but not from a browser.",
)
SIGNED_FOR = 300  # seconds that a signature with a time counts
_Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]


async def person(http: Request, _: _Bearer, key: Annotated[str | None, Security(KEY)]) -> str:
    """An admin, or ADMIN_KEY. Raises Problem: 401, 403, 429."""
    expected = http.app.state.parts.settings.admin_key
    what = "The key in X-Admin-Key"
    if key is None:
        key, what = _basic_password(http), ""
    if key is not None:
        require_secret(http, key, expected, what)
        return BY_KEY
    if secret_matches(token := _token(http), expected):
        require_secret(http, token, expected)  # not after too many that were wrong
        return BY_KEY
    return str((await admin(await user(await run_in_threadpool(identify, http)))).user_id)


async def by_schedule(http: Request, _: _Bearer) -> str:
    """A schedule, by CRON_SECRET as a bearer token. Raises Problem: 401, also where none is configured; 429."""
    require_secret(http, _token(http), http.app.state.parts.settings.cron_secret)
    return BY_SECRET


async def by_program(http: Request, _: _Bearer) -> str:
    """A program, by CRON_SECRET as a bearer token, or by an HMAC-SHA256 with it, in hex, in X-Signature: of the body, or, so that nobody can send it
    once more later, of the seconds since 1970 in X-Timestamp, a dot and the body. Raises Problem as before."""
    signature, timestamp = http.headers.get("x-signature"), http.headers.get("x-timestamp")
    if signature is None:
        return await by_schedule(http, None)
    secret = http.app.state.parts.settings.cron_secret
    signed = await http.body() if timestamp is None else timestamp.encode() + b"." + await http.body()
    expected = hmac.new(secret.encode(), signed, "sha256").hexdigest() if secret else ""
    require_secret(http, signature.strip().lower().removeprefix("sha256="), expected, "The signature in X-Signature")
    if timestamp is not None and not (re.fullmatch("[0-9]{1,12}", timestamp) and abs(time.time() - int(timestamp)) <= SIGNED_FOR):
        said = f"X-Timestamp is not within {SIGNED_FOR} s of the clock here. Send the seconds since 1970 of now, and sign them anew."
        raise Problem(401, None, said)
    return BY_SECRET


async def holder_of_path_key(http: Request, key: Annotated[str, Path(description="ADMIN_KEY")]) -> str:
    """Whoever has ADMIN_KEY in the address. Raises Problem: 401, 429."""
    require_secret(http, key, http.app.state.parts.settings.admin_key, "The key in the address, which has to be ADMIN_KEY,")
    return BY_KEY


def _token(http: Request) -> str | None:
    given = http.headers.getlist("authorization")
    return bearer(given[0]) if len(given) == 1 else None


def _basic_password(http: Request) -> str | None:
    """The password of Basic credentials; null where there are none. A browser would send those it once knew to whoever asks for it: not from there."""
    given = http.headers.getlist("authorization")
    scheme, _, encoded = (given[0] if len(given) == 1 else "").partition(" ")
    if scheme.lower() != "basic":
        return None
    if "origin" in http.headers or "sec-fetch-site" in http.headers:
        raise unauthenticated()
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
