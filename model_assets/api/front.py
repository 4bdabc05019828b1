"""Before the routes: kept pages are sent at once, HEAD is GET without its body, and when too many requests are under way others wait outside."""

import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model_assets.api.arriving import Arriving
from model_assets.api.callers import ANONYMOUS, bearer
from model_assets.api.errors import Problem, response_to, unavailable
from model_assets.api.pages import Pages, send_kept
from model_assets.api.profiles import Profiles, Tier

MOST_AT_WORK = 200  # requests; twelve connections to the database answer them
TOKEN_REMEMBERED = 5.0  # seconds that a verified token is
MOST_TOKENS = 10_000
#: what has to be answered however many are at work
ALWAYS = frozenset({"/health", "/healthz", "/readyz", "/metrics"})


class Front:
    """A kept page needs no thread and no database: who asks is known by a token that was verified within the last seconds, or by having none."""

    def __init__(
        self,
        app: ASGIApp,
        pages: Pages,
        profiles: Profiles,
        arriving: Arriving,
        viewed: Callable[[str, str | None], None] = lambda _id, _agent: None,
    ) -> None:
        self.app, self.pages, self.profiles, self.arriving, self.viewed = app, pages, profiles, arriving, viewed
        self.at_work = 0
        self._users: OrderedDict[str, tuple[str, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] in ("GET", "HEAD") and (tier := self._tier(scope)) is not None:
            page = self.pages.get(tier, scope["path"], scope["query_string"])
            if page is not None:
                scope["route"] = page.route
                if page.model_id and scope["method"] == "GET":
                    self.viewed(page.model_id, Headers(scope=scope).get("user-agent"))
                await send_kept(page, scope, send)
                return
        try:
            whole = await self.arriving.whole(scope, receive)
            if self.at_work >= MOST_AT_WORK and scope["path"] not in ALWAYS:
                raise unavailable("Too many requests are under way.")
        except Problem as problem:
            await response_to(Request(scope), problem)(scope, receive, send)
            return
        if whole is None:
            return  # the caller left
        self.at_work += 1
        try:
            await self._through(scope, whole, send)
        finally:
            self.at_work -= 1

    async def _through(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_head = scope["method"] == "HEAD"
        inner = {**scope, "method": "GET", "is_head": True} if is_head else scope

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and (standing := inner.get("standing")):
                MutableHeaders(scope=message).update(standing.headers())
            if is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            await self.app(inner, receive, sending)
            if (model_id := inner.get("viewed_model")) and not is_head:
                self.viewed(model_id, Headers(scope=scope).get("user-agent"))
        finally:
            scope["route"] = inner.get("route")
            self._remember(inner)

    def _tier(self, scope: Scope) -> Tier | None:
        """The tier of who asks, where that is known without asking anybody."""
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if not given:
            return ANONYMOUS.tier
        user_id, since = self._users.get(given[0].decode("latin-1"), ("", 0.0))
        if len(given) > 1 or not user_id or time.monotonic() - since > TOKEN_REMEMBERED:
            return None
        return self.profiles.remembered(user_id)

    def _remember(self, scope: Scope) -> None:
        caller = scope.get("caller")
        if caller is not None and caller.authenticated:
            given = Headers(scope=scope).get("authorization", "")
            if bearer(given) is not None:
                self._users.pop(given, None)
                self._users[given] = (caller.user_id, time.monotonic())
                while len(self._users) > MOST_TOKENS:
                    self._users.popitem(last=False)
