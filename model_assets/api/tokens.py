"""Whose token it is: a JWT that was signed with our key, for us, and holds now. All else is refused, and the caller is not told why.

The algorithm is fixed by JWT_ALGORITHM; what a token says of it only has to agree. A token names no key but one of ours: `kid` selects within
JWT_JWKS, and jku, x5u, jwk and x5c are not read. PyJWT verifies the signature; the JSON and the claims are read here, more strictly than it does.
"""

import base64
import binascii
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt

from model_assets.access.audit import is_no_user
from model_assets.api.jwks import FileJwks, Jwks, UrlJwks
from model_assets.errors import BadPayload, SettingsError
from model_assets.fetching import strict_json
from model_assets.settings import Settings

LOG = logging.getLogger(__name__)
LONGEST = 8 * 1024
LONGEST_SUBJECT = 255
LEEWAY = 30  # seconds that our clock and the signer's may differ
FAR = 253_402_300_800  # the year 10000: what ends later was meant never to end
SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
TYPES = ("jwt", "at+jwt", "application/at+jwt")


class Unauthenticated(Exception):
    """A token that is not accepted. Why is only in the log."""


class _Refused(Exception):
    """Why a token is not accepted, without a letter of it."""


class Verifier:
    """Verifies tokens as the settings say. `now` is the time in seconds since 1970, `clock` counts seconds.

    Raises SettingsError where the settings contradict each other or the keys cannot be used.
    """

    def __init__(self, settings: Settings, now: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic) -> None:
        self.algorithm, self.issuer, self.audience = settings.jwt_algorithm, settings.jwt_issuer, settings.jwt_audience
        self.now = now
        self._jws = jwt.PyJWS()
        self._secret = _secret(settings)
        self._jwks = _jwks(settings, clock)
        self.configured = bool(self._secret or self._jwks)
        """Whether any token can be accepted."""
        if self.configured and not (self.issuer and self.audience):
            raise SettingsError("JWT_ISSUER or JWT_AUDIENCE is missing. Set both to what your tokens say in `iss` and `aud`.")

    def verify(self, token: str) -> str:
        """The subject of a token. May wait some seconds for JWT_JWKS, where that is a URL: not for an event loop.

        Raises Unauthenticated, and KeysAway where no token can be judged now."""
        try:
            return self._subject(token)
        except _Refused as refused:
            LOG.info("a token was refused: %s", refused)
            raise Unauthenticated from None

    def _subject(self, token: str) -> str:
        if not self.configured:
            raise _Refused("neither JWT_SECRET nor JWT_JWKS is set")
        if len(token) > LONGEST:
            raise _Refused("too long")
        if not SHAPE.fullmatch(token):
            raise _Refused("not three parts in base64url")
        key = self._key(_key_id(token))
        try:
            body = self._jws.decode(token, key, algorithms=[self.algorithm])
        except (jwt.PyJWTError, ValueError) as error:
            raise _Refused(f"the signature does not hold ({type(error).__name__})") from None
        return self._checked(_object(body, "claims"))

    def _key(self, kid: str | None) -> jwt.PyJWK | bytes:
        if self._jwks is None:
            return self._secret
        if (key := self._jwks.key(kid)) is None:
            raise _Refused("signed with a key that JWT_JWKS does not have")
        return key

    def _checked(self, claims: dict[str, Any]) -> str:
        """The subject, where all claims hold."""
        now = self.now()
        if not now - LEEWAY < _instant(claims, "exp") < FAR:
            raise _Refused("expired, or never to expire")
        for name in ("nbf", "iat"):
            if name in claims and _instant(claims, name) > now + LEEWAY:
                raise _Refused(f"{name} is in the future")
        if claims.get("iss") != self.issuer:
            raise _Refused("another issuer")
        audience = claims.get("aud")
        meant = audience if isinstance(audience, list) else [audience]
        if not all(isinstance(one, str) for one in meant) or self.audience not in meant:
            raise _Refused("another audience")
        subject = claims.get("sub")
        if (
            not isinstance(subject, str)
            or not 0 < len(subject) <= LONGEST_SUBJECT
            or not subject.isprintable()
            or subject != subject.strip()
        ):
            raise _Refused("no usable subject")
        if is_no_user(subject):
            raise _Refused("its subject is a name by which the audit knows something else, and no user")
        return subject


def _key_id(token: str) -> str | None:
    """The id of the key that a token names, if any; where its header is one that we take. Its algorithm is PyJWT's to compare."""
    try:
        raw = base64.urlsafe_b64decode(token.partition(".")[0] + "==")
    except binascii.Error:
        raise _Refused("the header is not base64url") from None
    header = _object(raw, "header")
    if "crit" in header:
        raise _Refused("the header demands an extension")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise _Refused("a token of another type")
    kid = header.get("kid")
    if "kid" in header and not (isinstance(kid, str) and 0 < len(kid) <= LONGEST_SUBJECT):
        raise _Refused("the key's id is no text")
    return kid


def _object(raw: bytes, what: str) -> dict[str, Any]:
    """A JSON object in which no key occurs twice."""
    try:
        found = strict_json.loads(raw)
    except BadPayload:
        raise _Refused(f"the {what} is not strict JSON") from None
    if not isinstance(found, dict):
        raise _Refused(f"the {what} is no object")
    return found


def _instant(claims: dict[str, Any], name: str) -> int:
    """A time in seconds since 1970. Text, fractions and truth values are none."""
    found = claims.get(name)
    if type(found) is not int or found < 0:
        raise _Refused(f"{name} is no time")
    return found


def _secret(settings: Settings) -> bytes:
    """The secret of HS256; empty where there is none."""
    if not settings.jwt_secret:
        return b""
    if settings.jwt_algorithm != "HS256":
        raise SettingsError(f"JWT_SECRET is set, but JWT_ALGORITHM is {settings.jwt_algorithm}. Unset it, or use HS256.")
    secret = settings.jwt_secret.encode("utf-8", "surrogateescape")
    try:
        jwt.get_algorithm_by_name("HS256").prepare_key(secret)
    except jwt.InvalidKeyError:  # what everybody may know is no secret
        raise SettingsError("JWT_SECRET is a public key or a certificate. Use a secret, or JWT_JWKS with RS256 or ES256.") from None
    return secret


def _jwks(settings: Settings, clock: Callable[[], float]) -> Jwks | None:
    """The public keys; a file's are read at once, a URL's with the first token, since what serves it may start after us."""
    if not settings.jwt_jwks:
        if settings.jwt_algorithm != "HS256":
            raise SettingsError(
                f"JWT_ALGORITHM is {settings.jwt_algorithm}, but JWT_JWKS is not set. Set it to a file or URL of public keys."
            )
        return None
    if settings.jwt_algorithm == "HS256":
        raise SettingsError("JWT_JWKS is set, but JWT_ALGORITHM is HS256, whose key is a secret. Set JWT_ALGORITHM to RS256 or ES256.")
    place = settings.jwt_jwks
    if urlsplit(place).scheme in ("http", "https"):
        return UrlJwks(place, settings.jwt_algorithm, clock)
    keys = FileJwks(str(Path(place).absolute()), settings.jwt_algorithm, clock)
    try:
        keys.read()
    except (BadPayload, OSError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"JWT_JWKS is {place[:100]!r}, which cannot be used: {said}.") from None
    return keys
