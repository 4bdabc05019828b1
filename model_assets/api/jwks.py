"""The public keys of those who sign users' tokens: a JWKS (RFC 7517) in a file or behind a URL, read again as it changes.

A file is read again when it is another one; a URL every ten minutes, and when a token names a key that is not there (at most once a minute: a
token is anybody's text). Where reading fails, it is tried again every minute; the keys read before go on counting for a day, and the log says so;
then nobody is let in by them.
"""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt

from model_assets.errors import BadPayload, FetchFailed, ModelAssetsError
from model_assets.fetching import strict_json
from model_assets.fetching.http import Policy, Response, fetch

LOG = logging.getLogger(__name__)
FRESH, AT_MOST_EVERY, FIRST_TRIES_EVERY, STALE = 600.0, 60.0, 5.0, 86_400.0  # seconds
PATIENCE = 1.0  # seconds that a request waits while another one reads the keys
MAX_BYTES = 256 * 1024
KEY_TYPES = {"RS256": "RSA", "ES256": "EC"}
RSA_BITS = range(2048, 8193)


class KeysAway(ModelAssetsError):
    """No keys could be read, so that no token can be judged now."""


class Jwks(ABC):
    """The keys of a place, for one algorithm. `clock` counts seconds."""

    def __init__(self, place: str, algorithm: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.place, self.algorithm, self.clock = place, algorithm, clock
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._tried_at: float | None = None
        self._failing_since: float | None = None
        self._lock = threading.Lock()

    def key(self, kid: str | None) -> jwt.PyJWK | None:
        """The key of that id; without an id, the only key, if there is only one. Null where there is none such. May wait for a URL to answer.

        Raises KeysAway."""
        self._refresh(wait=not self._keys)
        if kid is not None and kid not in self._keys:
            self._refresh(wait=True, unknown=True)
        if not self._keys or (self._failing_since is not None and self.clock() - self._failing_since > STALE):
            raise KeysAway("The keys that tokens are signed with cannot be read now.")
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid)

    def read(self) -> None:
        """Read the keys anew. Raises BadPayload, FetchFailed or OSError, and then the keys stay as they are."""
        try:
            self._keys, self._failing_since = public_keys(self._body(), self.algorithm), None
        finally:
            self._tried_at = self.clock()

    def _refresh(self, *, wait: bool, unknown: bool = False) -> None:
        if not self._due(unknown) or not self._lock.acquire(timeout=PATIENCE if wait else 0):
            return
        try:
            if self._due(unknown):  # nobody else did it meanwhile
                self.read()
        except (BadPayload, FetchFailed, OSError) as error:
            self._failing_since = self.clock() if self._failing_since is None else self._failing_since
            LOG.warning("the keys of JWT_JWKS could not be read (%s); %d read before go on counting", error, len(self._keys))
        finally:
            self._lock.release()

    @abstractmethod
    def _due(self, unknown: bool) -> bool:
        """Whether the keys should be read; `unknown`: a token names one that is not there."""

    @abstractmethod
    def _body(self) -> bytes:
        """What is there now."""


class FileJwks(Jwks):
    """Keys in a file."""

    _mark: object = None

    def _due(self, unknown: bool) -> bool:
        if self._tried_at is None or self._mark_now() != self._mark:
            return True
        # who may read it, for one, is nothing that its mark tells
        return self._failing_since is not None and self.clock() - self._tried_at >= AT_MOST_EVERY

    def _mark_now(self) -> object:
        try:
            found = Path(self.place).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _body(self) -> bytes:
        self._mark = self._mark_now()  # before reading: what is written while we read is read again
        with Path(self.place).open("rb") as file:
            return file.read(MAX_BYTES)


class UrlJwks(Jwks):
    """Keys behind a URL: https of a public host, or http of this machine where the URL names it."""

    def _due(self, unknown: bool) -> bool:
        if self._tried_at is None:
            return True
        since = self.clock() - self._tried_at
        if not self._keys:
            return since >= FIRST_TRIES_EVERY
        return since >= (AT_MOST_EVERY if unknown or self._failing_since is not None else FRESH)

    def _body(self) -> bytes:
        here = urlsplit(self.place).hostname in ("127.0.0.1", "::1", "localhost")
        policy = Policy(
            attempts=1, connect_timeout=2, read_timeout=3, body_deadline=4, total_deadline=4, max_body_bytes=MAX_BYTES, allow_loopback=here
        )
        answer = fetch(self.place, policy=policy, accept="application/jwk-set+json, application/json")
        assert isinstance(answer, Response)  # no validator was sent
        return answer.body


def public_keys(body: bytes, algorithm: str) -> dict[str | None, jwt.PyJWK]:
    """The keys of a set that verify signatures of `algorithm`, by their ids. Those for anything else are left out. Raises BadPayload."""
    content = strict_json.loads(body)
    listed = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise BadPayload("it is no JWKS: an object with a list `keys` was expected")
    found: dict[str | None, jwt.PyJWK] = {}
    for one in listed:
        if (key := _key(one, algorithm)) is None:
            continue
        if key.key_id in found:
            raise BadPayload(f"two {algorithm} keys have one id (kid). Give each its own")
        found[key.key_id] = key
    if not found:
        raise BadPayload(f"it has no key that verifies {algorithm}: kty {KEY_TYPES[algorithm]}, of at least 2,048 bits or on P-256")
    return found


def _key(one: Any, algorithm: str) -> jwt.PyJWK | None:
    if not isinstance(one, dict) or one.get("kty") != KEY_TYPES[algorithm]:
        return None
    if "d" in one:
        raise BadPayload("it holds a private key. Publish only the public half, and make a new pair, since this one may have been read")
    operations = one.get("key_ops", ["verify"])
    named = isinstance(one.get("kid", ""), str) and isinstance(operations, list)
    if not named or one.get("use", "sig") != "sig" or one.get("alg", algorithm) != algorithm or "verify" not in operations:
        return None
    try:
        key = jwt.PyJWK(one, algorithm)
        key.Algorithm.prepare_key(key.key)  # the curve
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return key if algorithm != "RS256" or key.key.key_size in RSA_BITS else None
