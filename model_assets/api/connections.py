"""HTTP connections with bounds: what is slow, too long or too much is cut, so that one client cannot take what all need."""

import asyncio
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from model_assets.api.errors import CODES, RETRY_AFTER

HEAD_LIMIT = 32_768  # bytes of request line and headers; a token is at most 8 KiB
HEAD_SECONDS = 10.0  # from the first byte, or from the connection, to the end of the headers
BODY_SECONDS = 30.0  # from there to the end of the body
WRITE_SECONDS = 30.0  # in which a client has to read some of an answer that it does not take
CONNECTIONS = 4_000

MESSAGES = {
    400: "This is not HTTP that can be read.",
    408: "The request did not arrive in time. Send it again, faster.",
    431: f"The request line and headers are longer than {HEAD_LIMIT} bytes.",
    503: f"There are too many connections. Try again in {RETRY_AFTER} s.",
}


class HeadTooLong(Exception):
    """Request line and headers go on after their bound."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Its errors have the one shape of all."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.access_log = False  # ours hides secrets in addresses; uvicorn's own would not, wherever somebody gave it a handler
        self.timer: asyncio.TimerHandle | None = None
        self.writing: asyncio.TimerHandle | None = None
        self.in_head, self.head_size = True, 0
        if len(self.connections) > CONNECTIONS:
            self.refuse(503)
        else:
            self._wait(HEAD_SECONDS, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.in_head:
            if self.timer is None:  # the first bytes after an answer: the wait for the next request is over
                self._wait(HEAD_SECONDS, self._late)
            self.head_size += len(data)
        super().data_received(data)
        # what is longer than the bound and came at once was counted by the parser's calls
        if self.in_head and self.head_size > HEAD_LIMIT and not self.transport.is_closing():
            self.refuse(431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.in_head, self.taken = True, 0

    def on_url(self, url: bytes) -> None:
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(name, value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self.in_head, self.head_size = False, 0
        self._wait(BODY_SECONDS, self._late)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.in_head = True
        self._wait(None)
        super().on_message_complete()

    def pause_writing(self) -> None:
        self.writing = self.loop.call_later(WRITE_SECONDS, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        if self.writing:
            self.writing.cancel()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self.refuse(431 if self.taken > HEAD_LIMIT else 400)

    def refuse(self, status: int) -> None:
        """Say why, where no answer has begun, and end the connection."""
        self._wait(None)
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_error(status))
            if self.cycle is not None:
                self.cycle.disconnected = True  # what the application says from now on is for nobody
        self.transport.close()

    def _count(self, *parts: bytes) -> None:
        self.taken += sum(map(len, parts))
        if self.taken > HEAD_LIMIT:
            raise HeadTooLong  # the parser calls send_400_response

    def _late(self) -> None:
        if self.pipeline:  # the request before it is still being answered, and this one waits for that
            self._wait(BODY_SECONDS, self._late)
        elif self.in_head and not self.head_size:
            self.transport.close()  # opened and never used
        elif not self.transport.is_closing():
            self.refuse(408)

    def _wait(self, seconds: float | None, then: Callable[[], None] = lambda: None) -> None:
        if self.timer:
            self.timer.cancel()
        self.timer = None if seconds is None else self.loop.call_later(seconds, then)

    # before connection_made
    taken = 0
    timer: Any = None
    writing: Any = None


def _error(status: int) -> bytes:
    """A whole answer in the one shape; the connection ends with it."""
    error = {"code": CODES[status], "message": MESSAGES[status], "request_id": uuid.uuid4().hex[:20], "details": None}
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = json.dumps({"error": error, "timestamp": now}).encode()
    head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\ncache-control: no-store\r\nconnection: close\r\n"
    wait = f"retry-after: {RETRY_AFTER}\r\n" if status == 503 else ""
    return STATUS_LINE[status] + f"{head}{wait}\r\n".encode() + body
