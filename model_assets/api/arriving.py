"""Bodies that are on their way: each is read whole before its request counts as at work, so that who sends slowly keeps nobody else waiting."""

from collections import Counter
from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from model_assets.api.errors import Problem, unavailable
from model_assets.api.limits import bucket_of

UNFINISHED = 30  # requests of one address
#: bytes of a body that a connection takes before anybody reads it; what is beyond it is held for all requests together up to HELD
SMALL, HELD = 65_536, 64_000_000
AGAIN_AFTER = 30  # seconds; by then a body has come or was cut
END = {"Connection": "close"}  # the rest of the body is not read


class Arriving:
    """How many bodies of each address are on their way, and how much of all of them is held. `address`: who asks, of its peer and X-Forwarded-For."""

    def __init__(self, address: Callable[[str | None, Sequence[str]], str]) -> None:
        self.address = address
        self.held = 0
        self.unfinished: Counter[str] = Counter()

    async def whole(self, scope: Scope, receive: Receive) -> Receive | None:
        """What to receive the request from, its body read to the end; null where the caller left meanwhile. Raises Problem: 429 where too many of the
        address are unfinished, 503 where too much is held."""
        if not _has_body(scope):
            return receive
        first = await receive()
        if first["type"] == "http.disconnect":
            return None
        if not first.get("more_body", False):  # mostly it comes at once
            return _handing_on(first.get("body", b""), receive)
        body = await self._rest(scope, first, receive)
        return None if body is None else _handing_on(body, receive)

    async def _rest(self, scope: Scope, first: Message, receive: Receive) -> bytes | None:
        request = Request(scope)
        key = bucket_of(self.address(request.client.host if request.client else None, request.headers.getlist("x-forwarded-for")))
        if self.unfinished[key] >= UNFINISHED:
            said = f"{UNFINISHED} requests of this address have not been sent to their end. Send them, or try again in {AGAIN_AFTER} s."
            raise Problem(429, None, said, headers={"Retry-After": str(AGAIN_AFTER), **END})
        self.unfinished[key] += 1
        try:
            return await self._read(first, receive)
        finally:
            self.unfinished[key] -= 1
            if not self.unfinished[key]:
                del self.unfinished[key]

    async def _read(self, message: Message, receive: Receive) -> bytes | None:
        body, held = bytearray(), 0
        try:
            while message["type"] != "http.disconnect":
                body += message.get("body", b"")
                more = max(0, len(body) - SMALL) - held
                if self.held + more > HELD:
                    problem = unavailable("Too many long requests are on their way.", AGAIN_AFTER)
                    problem.headers |= END
                    raise problem
                self.held, held = self.held + more, held + more
                if not message.get("more_body", False):
                    return bytes(body)
                message = await receive()
            return None
        finally:
            self.held -= held


def _has_body(scope: Scope) -> bool:
    return any(name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in scope["headers"])


def _handing_on(body: bytes, receive: Receive) -> Receive:
    """The body as one message, and then whatever comes."""
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return whole.pop() if whole else await receive()

    return receiving
