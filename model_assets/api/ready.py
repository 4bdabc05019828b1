"""Whether this process can do its work: the database, its revision, what is published, and Dagster's daemon, each by name."""

import json
import threading
import time
from collections.abc import Callable
from functools import lru_cache

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from model_assets.api.database import Database
from model_assets.errors import ModelAssetsError
from model_assets.readiness import MISSING, sqlstate
from model_assets.settings import Settings
from model_assets.upkeep.heartbeats import daemon

KEPT = 1.0  # seconds that an answer is given again
FINE = "ok"
STATE = "select json_build_array((select version_num from ops.alembic_version), (select version from catalog.published))::text"


class Readiness:
    """Looks, at most once a second and by one thread at a time; others are given what it found last."""

    def __init__(self, settings: Settings, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings, self.database, self.clock = settings, database, clock
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._found = {"database": "has not been asked yet"}

    def parts(self) -> dict[str, str]:
        """What is needed, each with `ok` or what is wrong with it."""
        if self._lock.acquire(blocking=False):
            try:
                if self.clock() - self._looked >= KEPT:
                    self._found = self._look()
                    self._looked = self.clock()
            finally:
                self._lock.release()
        return self._found

    def _look(self) -> dict[str, str]:
        try:
            said = self.database.json(STATE)
        except DBAPIError as error:
            if sqlstate(error) not in MISSING:
                return {"database": "does not answer"}
            self.database.close()  # what makes the tables makes the roles too, and connections take them on when they are opened
            return {"database": FINE, "revision": f"none; this version needs {_newest()}: run `model-assets migrate`"}
        except (SQLAlchemyError, ModelAssetsError):
            return {"database": "does not answer"}
        revision, version = json.loads(said or "[null, null]")
        fits = revision == _newest()
        return {
            "database": FINE,
            "revision": FINE if fits else f"{revision}; this version needs {_newest()}: run `model-assets migrate`",
            "published": FINE if version else "nothing yet: run `model-assets migrate`",
            "daemon": self._daemon(),
        }

    def _daemon(self) -> str:
        try:
            found = daemon(self.settings, self.database.url)
        except (SQLAlchemyError, ModelAssetsError):
            return "its database does not answer"
        if found is None:
            return "never ran here: start `model-assets up`"
        return found.what_to_do if found.dead else FINE


@lru_cache(maxsize=1)
def _newest() -> str:
    from model_assets.ledger.migrate import newest  # alembic takes a while to import

    return newest()
