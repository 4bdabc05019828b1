"""A payload that is made of several requests: the text of each answer, exactly as it came, with where it came from.

It is a JSON object, `{"gathered": 1, "parts": [{"url": ..., "etag": ..., "link": ..., "body": ...}]}`, the marker first. `etag` and `link` are
headers of the answer, null where it had none. Nothing that differs from look to look is in it, so that equal answers make equal bytes. Request
headers are never kept: they may hold a key.

A source whose recordings hold one bare file reads both: what does not begin with the marker is that file (`parts(body, alone=URL)`).
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from model_assets.errors import BadPayload, FetchFailed
from model_assets.fetching import strict_json
from model_assets.sources.base import Ask, kind, mapping, sequence

VERSION = 1
_BEGINS = re.compile(rb'\s*\{\s*"gathered"\s*:')
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[^;,"]+(?:"[^"]*")?)*)')


@dataclass(frozen=True)
class Request:
    """What to ask for."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    accept: str = "application/json"


@dataclass(frozen=True)
class Part:
    """The answer to one request. `body` is its text, letter for letter; `link` the header `Link`, where a list has further pages."""

    url: str
    etag: str | None
    body: str
    link: str | None = None

    def next_url(self) -> str | None:
        """The URL that the `Link` header calls next; null where there is none."""
        for url, words in _LINK.findall(self.link or ""):
            if re.search(r';\s*rel\s*=\s*"?next\b', words):
                return str(url)
        return None


def gather(ask: Ask, kept: bytes | None, wanted: Sequence[Request]) -> bytes:
    """The payload of some requests, in their order. An answer that has not changed since the payload `kept` is taken from there.

    Raises FetchFailed where one of them fails: half a payload would look as if the rest were gone.
    """
    known = known_parts(kept)
    return pack(part_of(ask, known, request, f"request {number} of {len(wanted)}") for number, request in enumerate(wanted, 1))


def part_of(ask: Ask, known: Mapping[str, Part], request: Request, which: str | None = "one of several requests") -> Part:
    """The answer to one request, or the known part of that URL where the server says that it has not changed. Raises FetchFailed.

    `which` says in an error which of the payload's requests it was; None where the payload goes on without it.
    """
    before = known.get(request.url)
    whole = f" It is {which}, and a payload is made of all or none." if which else ""
    try:
        answer = ask(request.url, headers=request.headers, accept=request.accept, etag=before.etag if before else None)
        if answer is not None:
            return Part(request.url, answer.headers.get("etag"), answer.body.decode("utf-8"), answer.headers.get("link"))
    except FetchFailed as failed:
        raise FetchFailed(f"{failed}{whole}", failed.kind) from None
    except UnicodeDecodeError as broken:
        where = f"byte {broken.start:,} of {request.url.partition('?')[0]} is not UTF-8"
        raise FetchFailed(f"{where}.{whole} Look at what the URL serves.", "encoding") from None
    if before is None:
        raise FetchFailed(f"{request.url.partition('?')[0]} answered 304 to a request without a condition; try again later.", "protocol")
    return before


def known_parts(kept: bytes | None) -> dict[str, Part]:
    """url -> part of the payload kept last; empty where there is none, or where it was not gathered in this form."""
    if kept is None or not _BEGINS.match(kept):
        return {}
    try:
        return {part.url: part for part in parts(kept)}
    except BadPayload:  # one of another version: all is asked for anew
        return {}


def pack(found: Iterable[Part]) -> bytes:
    """The payload made of some parts, as bytes. Equal parts in the same order give equal bytes."""
    payload = {"gathered": VERSION, "parts": [{"url": part.url, "etag": part.etag, "link": part.link, "body": part.body} for part in found]}
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def parts(body: bytes, alone: str | None = None) -> list[Part]:
    """The parts of a payload. With `alone`, a body without the marker is one part by itself, that of this URL. Raises BadPayload."""
    if alone is not None and not _BEGINS.match(body):
        try:
            return [Part(alone, None, body.decode("utf-8"))]
        except UnicodeDecodeError as broken:
            raise BadPayload(f"byte {broken.start:,} of {len(body):,} is not UTF-8. Look at the payload, and tell the source.") from None
    payload = mapping(strict_json.loads(body), "a gathered payload")
    if payload.get("gathered") != VERSION or isinstance(payload.get("gathered"), bool):
        raise BadPayload(
            f"the payload was gathered in form {str(payload.get('gathered'))[:20]!r}; this version reads {VERSION}. Update it."
        )
    found = sequence(payload.get("parts"), "`parts` of a gathered payload")
    if not found:
        raise BadPayload("a gathered payload has no parts. Look at it in raw.")
    return [_part(mapping(one, "a part of a gathered payload")) for one in found]


def _part(found: Mapping[str, object]) -> Part:
    url, etag, link, body = (found.get(key) for key in ("url", "etag", "link", "body"))
    if not isinstance(url, str) or not isinstance(body, str):
        raise BadPayload(f"a part of a gathered payload has {kind(url)} for a URL and {kind(body)} for a body. Look at it in raw.")
    return Part(url, etag if isinstance(etag, str) else None, body, link if isinstance(link, str) else None)
