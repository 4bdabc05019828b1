"""A Postgres of the benchmark's own, migrated and empty."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from model_assets import database, embedded
from model_assets.ledger.migrate import migrate


@contextmanager
def scratch() -> Iterator[tuple[str, int]]:
    """(SQLAlchemy URL, process id of the server). The server is stopped and its folder removed at the end."""
    with tempfile.TemporaryDirectory(prefix="model-assets-bench-") as folder:
        Path(folder).chmod(0o755)  # as root the server runs as another user, who must be able to enter
        home = Path(folder) / "home"
        url = database.with_driver(embedded.ensure_running(home).url(), "psycopg")
        try:
            migrate(url)
            with database.connect(url) as connection:
                folder_of_data = connection.execute(text("show data_directory")).scalar_one()
            yield url, int((Path(folder_of_data) / "postmaster.pid").read_text().split()[0])
        finally:
            database.engine(url).dispose()
            embedded.stop(home)
