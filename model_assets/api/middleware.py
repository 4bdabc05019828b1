"""Around every request: an id, the time it took, headers that browsers heed, and bounds on what is read."""

import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model_assets.api.errors import Problem, response_to, unforeseen

LOG = logging.getLogger("model_assets.api.access")
BODY_LIMIT = 1_000_000  # bytes; 500 decisions are a tenth of it
QUERY_LIMIT = 8_192  # bytes
BROWSERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),  # unless it says otherwise: it may be for one caller, by a key that no cache heeds
)
#: addresses that hold a secret, up to where it begins
SECRET_PATHS = re.compile(r"(/admin/+pricing/+sync/+)[^/]+", re.IGNORECASE)

Observe = Callable[[str, str, int, float], None]


class Around:
    """Gives each request its id, answers what is too large, adds headers, and tells `observe` (method, route, status, seconds)."""

    def __init__(self, app: ASGIApp, observe: Observe = lambda *_: None) -> None:
        self.app = app
        self.observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = Headers(scope=scope)
        request_id = _request_id(headers.get("x-request-id"))
        scope["request_id"] = request_id
        status = 0
        too_large: list[bool] = []

        async def sending(message: Message) -> None:
            if too_large and not status:  # whatever a route made of a body that ended where it may not go on
                await response_to(Request(scope), _body_too_large())(scope, receive, send_noted)
            elif not too_large:
                await send_noted(message)

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                found = message.setdefault("headers", [])
                there = {name for name, _ in found}
                found += [(name, value) for name, value in BROWSERS if name not in there]
                found.append((b"x-request-id", request_id.encode()))
                found.append((b"x-response-time", b"%.1fms" % ((time.perf_counter() - began) * 1000)))
            await send(message)

        try:
            problem = _too_large(scope, headers)
            if problem:
                await response_to(Request(scope), problem)(scope, receive, sending)
            else:
                await self.app(scope, _bounded(receive, too_large), sending)
        except TooLarge:
            await response_to(Request(scope), _body_too_large())(scope, receive, sending)
        except Exception as error:
            if status:
                raise  # half of an answer is sent: the connection ends
            await response_to(Request(scope), unforeseen(error))(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", "(none)")
            status = status or 499  # the caller left before there was an answer
            self.observe(scope["method"], route, status, seconds)
            LOG.info("%s %s %s %d %.1fms", request_id, scope["method"], _shown(scope["path"]), status, seconds * 1000)


class TooLarge(Exception):
    """A body went on after its bound."""


def _request_id(given: str | None) -> str:
    """The caller's id where it has one that can be written anywhere, else a new one."""
    return given if given and re.fullmatch(r"[A-Za-z0-9._-]{8,64}", given) else uuid.uuid4().hex[:20]


def _too_large(scope: Scope, headers: Headers) -> Problem | None:
    if len(scope.get("query_string", b"")) > QUERY_LIMIT:
        return Problem(431, None, f"The query is longer than {QUERY_LIMIT} bytes. Ask for less at once.")
    length = headers.get("content-length", "0")
    return _body_too_large() if length.isdecimal() and int(length) > BODY_LIMIT else None


def _body_too_large() -> Problem:
    return Problem(413, None, f"The body is longer than {BODY_LIMIT} bytes. Send it in parts.", headers={"Connection": "close"})


def _bounded(receive: Receive, too_large: list[bool]) -> Receive:
    """A body that says nothing of its length ends where it passes the bound, which is noted."""
    seen = 0

    async def receiving() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > BODY_LIMIT:
            too_large.append(True)
            raise TooLarge
        return message

    return receiving


def _shown(path: str) -> str:
    """A path as it may be logged."""
    return SECRET_PATHS.sub(r"\1***", path).encode("unicode_escape").decode()[:300]
