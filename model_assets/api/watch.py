"""Knows the number of what is published: told by the database at once, and asked again every few seconds."""

import logging
import threading
import time
from collections.abc import Callable

import psycopg
from psycopg.conninfo import make_conninfo

from model_assets.access.users import PROFILES
from model_assets.api.pages import Pages
from model_assets.api.silence import Listening
from model_assets.api.warm import Address, hottest
from model_assets.database import gone_after, plain
from model_assets.publishing import CHANNEL, COMES_AT

LOG = logging.getLogger(__name__)
ASK_EVERY = 5.0  # seconds
SURE_FOR = 2 * ASK_EVERY  # seconds after it was asked for the number: where the next answer takes longer than ASK_EVERY nobody knows it
AGAIN_AFTER = 1.0  # seconds after a connection was lost
#: the number, and in how many seconds something else is read of it than when it was published
NUMBER = f"select version, extract(epoch from {COMES_AT} - now())::float8 from catalog.published"


class Watch(threading.Thread):
    """Keeps `pages` at the published number. While it has no connection, or one on which no answer comes, the number is unknown, and nothing old
    is served."""

    heeds_within = 0.5  # seconds in which it notices that it is to end

    def __init__(
        self,
        url: str,
        pages: Pages,
        forget_profile: Callable[[str | None], None],
        warm: Callable[[list[Address]], object] = lambda _: None,
    ) -> None:
        super().__init__(name="published", daemon=True)
        self.url = plain(url)
        self.pages = pages
        self.forget_profile = forget_profile
        self.warm = warm
        self._ending = threading.Event()
        self._knowing = threading.Lock()
        self._told = 0

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                LOG.warning("the database does not tell of what is published: %s", " ".join(str(error).split())[:200])
            finally:
                self.pages.now_is(None)
                self.forget_profile(None)
            self._ending.wait(AGAIN_AFTER)

    def end(self) -> None:
        """End the thread, within a second."""
        self._ending.set()

    def at_least(self, version: int) -> None:
        """What is published has this number or a later one: whoever changed it says so at once, and an older answer does not undo it."""
        with self._knowing:
            self._told += 1
            self.pages.at_least(version)

    def _listen(self) -> None:
        where = make_conninfo(self.url, connect_timeout=3, application_name="model-assets api (watch)", **gone_after(12))
        with Listening.connect(where, autocommit=True) as connection:
            connection.execute(f"listen {CHANNEL}".encode())
            connection.execute(f"listen {PROFILES}".encode())
            self._look(connection)
            waited = 0.0
            while not self._ending.is_set():
                told = list(connection.notifies(timeout=self.heeds_within, stop_after=1))
                waited += self.heeds_within
                for notice in told:
                    if notice.channel == PROFILES:
                        self.forget_profile(notice.payload or None)
                if waited >= ASK_EVERY or any(notice.channel == CHANNEL for notice in told):
                    waited = 0.0
                    self._look(connection)

    def _look(self, connection: psycopg.Connection) -> None:
        before, wanted = self.pages.version, hottest(self.pages)
        while not self._asked(connection):
            pass
        if wanted and self.pages.version not in (None, before):
            self.warm(wanted)

    def _asked(self, connection: psycopg.Connection) -> bool:
        """Ask for the number; false where somebody changed it meanwhile, so that the answer may be older than what they were told."""
        told, asked_at = self._told, time.monotonic()
        row = connection.execute(NUMBER.encode()).fetchone()
        with self._knowing:
            if told != self._told:
                return False
            version, seconds = row or (None, 0.0)
            # from before the question: what the answer says of the time that is left is never too much
            self.pages.now_is(version, until=asked_at + min(SURE_FOR, seconds))
        return True
