"""Bring a database to this version's tables and SQL models. One process at a time does it; the others wait."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from model_assets.access.roles import grant_rights, make_roles
from model_assets.database import OLDEST, connect, wait_in_line
from model_assets.errors import SettingsError
from model_assets.sql_models import deploy, load_models

LOCK = 0x6D6F64656C  # any constant will do, as long as it is this one everywhere


def migrate(url: str) -> str:
    """Apply what is missing, then make the SQL models anew where they changed. Returns the revision. Safe to call from several processes.

    Raises SettingsError where the server is older than Postgres 15 or cannot provide btree_gist.
    """
    with connect(url) as connection:
        make_roles(connection)
    with connect(url) as connection:
        wait_in_line(connection, "pg_advisory_xact_lock(:lock)", {"lock": LOCK})
        _check_server(connection)
        connection.execute(text("create schema if not exists ops"))
        config = _config(connection)
        command.upgrade(config, "head")
        deploy(connection, load_models())
        grant_rights(connection)
        return revision(connection) or ""


def revision(connection: Connection) -> str | None:
    """The revision the database is at; null where it was never migrated."""
    return MigrationContext.configure(connection, opts={"version_table_schema": "ops"}).get_current_revision()


def newest() -> str:
    """The revision this version of the project needs."""
    return ScriptDirectory.from_config(_config(None)).get_current_head() or ""


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _check_server(connection: Connection) -> None:
    version = int(connection.execute(text("show server_version_num")).scalar_one())
    if version < OLDEST * 10_000:
        raise SettingsError(
            f"The server is Postgres {version // 10_000}; Model Assets needs {OLDEST} or newer. Set DATABASE_URL to a newer one."
        )
    if not connection.execute(text("select 1 from pg_available_extensions where name = 'btree_gist'")).scalar():
        raise SettingsError(
            "This Postgres has no btree_gist extension, which the ledger's constraint needs. Install postgresql-contrib on the server."
        )
