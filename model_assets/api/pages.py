"""Pages as bytes: what depends on nothing but what is published is made once per number, query and tier, and sent again as it is."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope, Send

LIMIT = 64 * 1024 * 1024  # bytes
#: begins the query under which a page is kept that is not sent before its route was asked; no query that comes over HTTP holds it
INWARD = b"\x00"


@dataclass(frozen=True)
class Page:
    """An answer of a published version, ready to be sent."""

    body: bytes
    etag: str | None
    """Null where it stands for no published number: it cannot be asked for by a tag, and is not kept."""
    media_type: str = "application/json"
    route: Any = None
    """Whose answer it is, for the log and the metrics."""
    model_id: str | None = None
    """Of which model it is the page: reading it is a view."""

    @cached_property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What is said of it, whether it is sent or the caller has it."""
        said = {"cache-control": "private, no-cache", "vary": "Authorization, Accept", **({"etag": self.etag} if self.etag else {})}
        return [(name.encode(), value.encode()) for name, value in said.items()]


class Pages:
    """Keeps pages of one published number, for as long as nothing else is read of it than when they were made: another number empties it, and
    where something comes by itself (see publishing.COMES_AT) nothing is sent from here until that is published. Safe from several threads."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._version: int | None = None
        self._until = math.inf
        self._pages: OrderedDict[tuple[str, str, bytes], Page] = OrderedDict()
        self._size = 0

    @property
    def version(self) -> int | None:
        """The number of what is published, as far as is known for certain; null while nobody can say, and while what is read is not what it was
        when that was published. Then nothing is kept."""
        return self._version if time.monotonic() < self._until else None

    def now_is(self, version: int | None, until: float = math.inf) -> None:
        """What is published has this number until an instant of time.monotonic, if nobody says so again; null where it is not known any more."""
        with self._lock:
            self._until = until
            if version != self._version:
                self._version = version
                self._pages.clear()
                self._size = 0

    def at_least(self, version: int) -> None:
        """What is published has this number or a later one: whoever changed it knows at once, without waiting to be told."""
        with self._lock:
            if self._version is not None and version > self._version:
                self._version = version
                self._pages.clear()
                self._size = 0

    def get(self, tier: str, path: str, query: bytes) -> Page | None:
        """The page for a tier, as long as what is published is known to be what it was."""
        with self._lock:
            page = self._pages.get((tier, path, query)) if self.version is not None else None
            if page is not None:
                self._pages.move_to_end((tier, path, query))
            return page

    def keep(self, tier: str, path: str, query: bytes, version: int, page: Page) -> None:
        """Keep a page of a version, if that is still the one; the longest unused go where room is needed."""
        size = len(page.body) + len(query) + 200
        with self._lock:
            key = (tier, path, query)
            if version != self.version or size > self.limit // 8 or key in self._pages:
                return
            self._pages[key] = page
            self._size += size
            while self._size > self.limit:
                (_, _, old_query), old = self._pages.popitem(last=False)
                self._size -= len(old.body) + len(old_query) + 200

    def etag(self, version: int, tier: str) -> str | None:
        """The tag of everything that a tier sees of a published number. Null where an answer that was just read may be other than one that was
        read of the same number before: one tag never stands for two."""
        return f'"{version}-{tier}"' if version == self.version else None

    def hottest(self, count: int) -> list[tuple[str, str, bytes]]:
        """The pages asked for last, for warming the next version's."""
        with self._lock:
            return list(reversed(self._pages))[:count]


def send(request: Request, page: Page) -> Response:
    """A page, or 304 where the caller has it."""
    said = {name.decode(): value.decode() for name, value in page.headers}
    if matches(request.headers.get("if-none-match"), page.etag):
        return Response(status_code=304, headers=said)
    return Response(page.body, media_type=page.media_type, headers=said)


async def send_kept(page: Page, scope: Scope, send: Send) -> None:
    """The same without a route: as ASGI messages."""
    has_it = matches(Headers(scope=scope).get("if-none-match"), page.etag)
    body = b"" if has_it or scope["method"] == "HEAD" else page.body
    headers = list(page.headers)
    if not has_it:
        headers += [(b"content-type", page.media_type.encode()), (b"content-length", b"%d" % len(page.body))]
    await send({"type": "http.response.start", "status": 304 if has_it else 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def matches(given: str | None, etag: str | None) -> bool:
    """Whether If-None-Match names a tag (weak comparison, RFC 9110, 13.1.2)."""
    if given is None or etag is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in given.split(",")]
    return "*" in tags or etag in tags


Make = Callable[[], tuple[int, bytes] | None]


def published(
    request: Request,
    pages: Pages,
    tier: str,
    make: Make,
    media_type: str = "application/json",
    model_of: Callable[[], str | None] = lambda: None,
) -> Response | None:
    """The page of a request: kept, or made. `make` gives the published number and the bytes, read in one statement; null for what is not there.
    `model_of` says afterwards of which model it is the page, if it is one's.

    `tier` is the one that sees it; it is kept for the caller's own, by which who asks again is known before any route (see front.py)."""
    path, query = request.scope["path"], request.scope.get("query_string", b"")
    caller = request.scope.get("caller")
    asker = caller.tier if caller else tier
    page = pages.get(asker, path, query)
    if page is None:
        made = make()
        if made is None:
            return None
        version, body = made
        page = Page(body, pages.etag(version, tier), media_type, request.scope.get("route"), model_of())
        pages.keep(asker, path, query, version, page)
    request.scope["viewed_model"] = page.model_id
    return send(request, page)
