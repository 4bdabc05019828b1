"""Dagster's storage in Postgres, over connections that are used more than once."""

from typing import Any

from dagster._serdes import ConfigurableClassData
from dagster_postgres.storage import DagsterPostgresStorage
from dagster_postgres.utils import get_token_provider_from_config, pg_url_from_config

STATEMENT_MS = 0  # no limit: `dagster instance migrate` may have to build an index over years of events
KEPT_SECONDS = 1  # of a connection: one that died with its server is not met for long


class KeptPostgresStorage(DagsterPostgresStorage):
    """Dagster's own storage, that keeps its connections for a moment, as it does in the webserver.

    By itself it logs in for each statement. A run of many assets makes thousands, which is more than half of the time that it takes; and
    the daemon, when nothing is to be done, two dozen a second.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for storage in (self.run_storage, self.event_log_storage, self.schedule_storage):
            storage.optimize_for_webserver(STATEMENT_MS, pool_recycle=KEPT_SECONDS, max_overflow=-1)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "KeptPostgresStorage":
        """As its parent does, which names itself."""
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data,
            get_token_provider_from_config(config_value),
        )
