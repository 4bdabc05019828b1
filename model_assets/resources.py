"""What assets and checks work with: bound once in `definitions.py`, opened only when something is done."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from sqlalchemy import Connection, Engine

from model_assets import database
from model_assets.database import ledger_url, with_driver
from model_assets.fetching import patience
from model_assets.fetching.http import Policy
from model_assets.settings import read_settings


class Postgres(dg.ConfigurableResource):
    """The database of the ledger. `url` names it; left empty, it is the one of the environment: DATABASE_URL, or the embedded one, started
    when it is first needed."""

    url: str = ""

    @property
    def address(self) -> str:
        """The SQLAlchemy URL, its driver named."""
        return with_driver(self.url, "psycopg") if self.url else ledger_url(read_settings())

    @property
    def engine(self) -> Engine:
        """A pool of connections, one per process and URL."""
        return database.engine(self.address)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A connection in a transaction, committed at the end of the block, rolled back on an error."""
        with database.connect(self.address) as connection:
            yield connection


class Feeds(dg.ConfigurableResource):
    """Where payloads come from: the network, by the retry policy of the environment, and folders of recordings."""

    folders: list[str] = []  # noqa: RUF012  (a pydantic default, copied per instance)
    allow_loopback: bool = False

    @property
    def policy(self) -> Policy:
        """How often and how patiently a source is asked."""
        return patience.fetch_policy(self.allow_loopback)

    @property
    def recording_folders(self) -> list[Path]:
        """The folders whose recordings count, those of the environment unless others are given."""
        settings = read_settings()
        watched = [settings.model_watch_folder] if settings.model_watch_folder else []
        return [Path(folder) for folder in self.folders] or [*watched, *settings.model_recordings]
