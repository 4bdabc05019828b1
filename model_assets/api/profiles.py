"""The tiers of users, as access.profile gives them; remembered for seconds, so that a request need not ask the database."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal, cast

from sqlalchemy import Connection, text

Tier = Literal["free", "pro", "enterprise", "admin"]
MOST_PROFILES = 10_000
REMEMBERED = 5.0  # seconds that a tier is remembered


class Profiles:
    """The tiers of users, remembered for five seconds or until `forget`. `reading` opens a transaction, `clock` counts seconds."""

    def __init__(
        self,
        reading: Callable[[], AbstractContextManager[Connection]],
        clock: Callable[[], float] = time.monotonic,
        most: int = MOST_PROFILES,
    ) -> None:
        self.reading, self.clock, self.most = reading, clock, most
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[Tier, float]] = OrderedDict()
        self._forgotten = 0

    def tier(self, user_id: str) -> Tier:
        """The tier of a user; free where nobody knows of them. Raises what the database raises: without it nobody has a tier."""
        asked_at = self.clock()
        with self._lock:
            known, forgotten = self._known.get(user_id), self._forgotten
        if known and asked_at - known[1] < REMEMBERED:
            return known[0]
        with self.reading() as connection:
            found = connection.execute(text("select tier from access.profile where user_id = :user_id"), {"user_id": user_id}).scalar()
        tier = cast(Tier, found or "free")
        with self._lock:
            if forgotten == self._forgotten:  # else it may have been read before what we were told of
                self._known[user_id] = (tier, asked_at)
                self._known.move_to_end(user_id)
                while len(self._known) > self.most:
                    self._known.popitem(last=False)
        return tier

    def remembered(self, user_id: str) -> Tier | None:
        """The tier of a user who was asked for within the last seconds; null where the database would have to be asked."""
        with self._lock:
            known = self._known.get(user_id)
        return known[0] if known and self.clock() - known[1] < REMEMBERED else None

    def forget(self, user_id: str | None) -> None:
        """A user's tier may have changed; with null, anybody's."""
        with self._lock:
            self._forgotten += 1
            if user_id is None:
                self._known.clear()
            else:
                self._known.pop(user_id, None)
