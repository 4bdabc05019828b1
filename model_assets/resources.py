"""What assets and checks work with: bound once in `definitions.py`, opened only when something is done."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from sqlalchemy import Connection, Engine

from model_assets.database import engine


class Postgres(dg.ConfigurableResource):
    """The database of the ledger. `url` is a SQLAlchemy URL that names its driver (`postgresql+psycopg://`)."""

    url: str

    @property
    def engine(self) -> Engine:
        """A pool of connections, one per process and URL."""
        return engine(self.url)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A connection in a transaction, committed at the end of the block, rolled back on an error."""
        with self.engine.begin() as connection:
            yield connection
