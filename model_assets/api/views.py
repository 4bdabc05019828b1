"""How often the page of each model is read: counted in memory, so that reading waits for nothing, and written every few seconds."""

import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from model_assets.errors import ModelAssetsError

LOG = logging.getLogger(__name__)
FLUSH_EVERY = 5.0  # seconds; what is lost where a process is killed
MOST_KEPT = 100_000  # models and days, while the database is away
#: those that say of themselves that nobody reads what they read
ROBOT = re.compile(r"bot\b|crawl|spider|slurp|preview|monitor|uptime|healthcheck", re.IGNORECASE)

# in one order, so that two processes that write at once do not wait for each other in a circle
ADD = """
insert into access.view_count as kept (day, model_id, views)
select day, model_id, views from unnest(cast(:days as date[]), cast(:models as text[]), cast(:views as bigint[])) as counted (day, model_id, views)
order by day, model_id
on conflict (day, model_id) do update set views = kept.views + excluded.views
"""


class Views:
    """Counts the views of a process, and adds them to access.view_count every `every` seconds in one statement. `writing` opens a transaction.

    What could not be written is kept for the next time. A process that is killed loses what it counted since the last time.
    """

    def __init__(
        self,
        writing: Callable[[], AbstractContextManager[Connection]],
        every: float = FLUSH_EVERY,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self.writing, self.every, self.today = writing, every, today
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._counted: Counter[tuple[date, str]] = Counter()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def count(self, model_id: str, user_agent: str | None = None) -> None:
        """One view of a model that is there; none where the reader says that it is a robot."""
        if user_agent and ROBOT.search(user_agent):
            return
        key = (self.today(), model_id)
        with self._lock:
            if key in self._counted or len(self._counted) < MOST_KEPT:
                self._counted[key] += 1

    def waiting(self) -> Mapping[tuple[date, str], int]:
        """What was counted and is not written yet, by day and model."""
        with self._lock:
            return dict(self._counted)

    def flush(self) -> None:
        """Write what was counted. Where that fails it is counted still, and the error is raised."""
        with self._writing:
            with self._lock:
                taken, self._counted = self._counted, Counter()
            if not taken:
                return
            rows = sorted(taken.items())
            try:
                with self.writing() as connection:
                    connection.execute(
                        text(ADD),
                        {
                            "days": [day for (day, _), _ in rows],
                            "models": [model for (_, model), _ in rows],
                            "views": [count for _, count in rows],
                        },
                    )
            except BaseException:
                with self._lock:
                    self._counted.update(taken)
                raise

    def start(self) -> None:
        """Write every few seconds, from now on."""
        self._ending.clear()
        self._thread = threading.Thread(target=self._run, name="views", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Write what is left, and end."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
            self._thread = None
            self._try()

    def _run(self) -> None:
        while not self._ending.wait(self.every):
            self._try()

    def _try(self) -> None:
        try:
            self.flush()
        except (DBAPIError, PoolTimeout, ModelAssetsError) as error:
            LOG.warning("views wait to be written: %s", " ".join(str(error).split())[:200])
