"""The pages asked for last are made again as soon as something new is published, so that nobody waits for them."""

import logging
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Scope

from model_assets.api.callers import ANONYMOUS
from model_assets.api.pages import INWARD, Pages

LOG = logging.getLogger(__name__)
PAGES = 20
#: what is read by nobody is no view
HEADERS = [(b"x-request-id", b"warming-up"), (b"user-agent", b"warming-bot")]
Address = tuple[str, bytes]


def hottest(pages: Pages) -> list[Address]:
    """The addresses of those pages that callers without a token asked for last: path and query. What is kept under more than its query is none."""
    asked = [(path, query.removeprefix(INWARD)) for tier, path, query in pages.hottest(PAGES * 5) if tier == ANONYMOUS.tier]
    return [(path, query) for path, query in asked if b" " not in query][:PAGES]


async def warm(app: ASGIApp, addresses: Iterable[Address]) -> None:
    """Ask for each as a caller without a token would; the answers are kept on the way."""
    for path, query in addresses:
        try:
            await app(_request(path, query), _no_body, _to_nobody)
        except Exception as error:  # noqa: BLE001 - who asks for the page next sees it, and the log has it by then
            LOG.warning("%s could not be warmed: %s", path, type(error).__name__)


def _request(path: str, query: bytes) -> Scope:
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": query, "root_path": "", "headers": HEADERS, "client": None,
        "server": None,
    }  # fmt: skip


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _to_nobody(_: Message) -> None:
    return None
