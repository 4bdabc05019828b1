"""Cursors: where a list goes on, as one word that cannot be edited, and that fits only the question it came from."""

import base64
import binascii
import hashlib
import hmac
import json
from functools import cached_property
from typing import NamedTuple

from model_assets.api.errors import Problem
from model_assets.api.own_key import own_key

TAG = 12  # bytes of the signature


class Place(NamedTuple):
    """The last row of a page: its sort value as text (null where it has none), and its id."""

    key: str | None
    last_id: str


class Cursors:
    """Writes and reads cursors, signed with what is made of the API's secret or, where it has none, with a key that the database at `url` keeps. All
    processes that answer for one database with one secret understand each other's."""

    def __init__(self, secret: str, url: str) -> None:
        self.secret, self.url = secret, url

    @cached_property
    def key(self) -> bytes:
        """What signs: made of nothing that somebody could guess."""
        if not self.secret:
            return own_key(self.url)
        return hashlib.sha256(f"cursor\n{self.secret}".encode("utf-8", "surrogateescape")).digest()

    def write(self, place: Place, question: str) -> str:
        """The cursor after a row, for whoever asks the same question again."""
        body = json.dumps(place, ensure_ascii=False, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._tag(body, question) + body).decode().rstrip("=")

    def read(self, cursor: str, question: str) -> Place:
        """The row that a cursor names. Raises Problem: 400 where it was edited, or comes from another question."""
        try:
            found = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _bad() from None
        tag, body = found[:TAG], found[TAG:]
        # more than one text decodes to the same bytes: only the one that we wrote is right
        if not hmac.compare_digest(tag, self._tag(body, question)) or base64.urlsafe_b64encode(found).decode().rstrip("=") != cursor:
            raise _bad()
        return Place(*json.loads(body))

    def _tag(self, body: bytes, question: str) -> bytes:
        return hmac.digest(self.key, question.encode() + b"\0" + body, "sha256")[:TAG]


def _bad() -> Problem:
    return Problem(400, "BAD_CURSOR", "The cursor is none that came with this list, its sorting and its filters. Begin again without it.")
