"""Whether Dagster's daemon lives, seen from outside: by the heartbeats it writes into Dagster's database. A dead one tells nobody itself."""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from sqlalchemy.exc import OperationalError

from model_assets import dagster_home, database
from model_assets.settings import Settings

OLD = 180.0  # seconds; each part of the daemon writes one every 30
# one row per part of the daemon. Parts that are not in use any more keep their last one, so only these count.
QUERY = """
select daemon_type, extract(epoch from clock_timestamp())::float8 - (body::jsonb ->> 'timestamp')::float8 from daemon_heartbeats
where daemon_type in ('SCHEDULER', 'SENSOR', 'ASSET', 'QUEUED_RUN_COORDINATOR', 'MONITORING') order by 1
"""


@dataclass(frozen=True)
class Daemon:
    """How many seconds ago each part of the daemon had its last heartbeat."""

    heartbeat_ages: Mapping[str, float]

    @property
    def dead(self) -> list[str]:
        """The parts whose last heartbeat is too old."""
        return [name for name, age in self.heartbeat_ages.items() if age > OLD]

    @property
    def what_to_do(self) -> str:
        """One line: what is silent since when, and what helps."""
        oldest = max(self.heartbeat_ages.values(), default=0.0)
        return (
            f"Dagster's daemon is silent for {oldest / 60:.0f} minutes ({', '.join(self.dead)}), so nothing happens by itself."
            " Start `model-assets up`, or look at daemon.log among its logs; if only cron syncs here, say --without-daemon."
        )


def daemon(settings: Settings, url: str, environment: Mapping[str, str] | None = None) -> Daemon | None:
    """The daemon of the ledger at `url`; None where none ever ran on it, or where its own Dagster home keeps nothing in Postgres."""
    storage = dagster_home.storage_url(settings, url, environment)
    if storage is None:
        return None
    try:
        with psycopg.connect(database.plain(storage), connect_timeout=5) as connection:
            found: dict[str, float] = dict(connection.execute(QUERY).fetchall())
    except (psycopg.errors.UndefinedTable, psycopg.OperationalError) as error:
        if isinstance(error, psycopg.errors.UndefinedTable) or "does not exist" in str(error):
            return None
        raise OperationalError("heartbeats", None, error) from error
    return Daemon(found) if found else None
