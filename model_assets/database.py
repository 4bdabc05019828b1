"""Which Postgres, and connections to it: the one that DATABASE_URL names, or the embedded one."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from model_assets import embedded
from model_assets.errors import DatabaseDown, SettingsError
from model_assets.settings import Settings

OLDEST = 15
SESSION = {
    "timezone": "UTC",
    "jit": "off",
    "lock_timeout": "5s",
    "statement_timeout": "1h",  # as long as a run may take
    "idle_in_transaction_session_timeout": "15min",
    # a machine that is gone says nothing: its sessions, and the locks they hold, end after about a minute
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


def ledger_url(settings: Settings, *, start: bool = True) -> str:
    """The SQLAlchemy URL of the ledger's database, its driver named. Without DATABASE_URL the embedded server is started, if `start`.

    Raises DatabaseDown where nothing runs and `start` is false, SettingsError where DATABASE_URL is not a Postgres URL.
    """
    if settings.database_url:
        return with_driver(settings.database_url, "psycopg")
    server = embedded.ensure_running(settings.model_assets_home) if start else embedded.running(settings.model_assets_home)
    if server is None:
        raise DatabaseDown("The embedded Postgres is not running; any command that needs it starts it, for example `model-assets migrate`.")
    return with_driver(server.url(), "psycopg")


def with_driver(url: str, driver: str) -> str:
    """`url` (postgres://, postgresql://, with or without a driver) with the given driver named.

    A bare postgresql:// means psycopg 3 to SQLAlchemy 2.1, on which dagster-postgres breaks: so every URL here names its driver.
    """
    try:
        parsed = make_url(re.sub(r"^postgres://", "postgresql://", url.strip()))
    except (ArgumentError, ValueError):
        raise SettingsError("DATABASE_URL is not a URL. Use postgresql://user:password@host:port/database.") from None
    if parsed.get_backend_name() != "postgresql":
        raise SettingsError(f"DATABASE_URL names {parsed.get_backend_name()!r}; Model Assets needs PostgreSQL {OLDEST} or newer.")
    return _rendered(parsed.set(drivername=f"postgresql+{driver}"))


def _rendered(url: URL) -> str:
    # SQLAlchemy leaves the blanks of a password as they are, and libpq refuses them.
    return url.render_as_string(hide_password=False).replace(" ", "%20")


def plain(url: str) -> str:
    """`url` without a driver, as psql and other clients take it."""
    return re.sub(r"^postgresql\+\w+://", "postgresql://", url)


def dagster_url(url: str, *, make: bool = True) -> str:
    """The URL of Dagster's own database on the same server: `<database>_dagster`, which is made where it is missing (if `make`).

    Raises DatabaseDown where it cannot be made, with the statement an administrator can run.
    """
    own = make_url(with_driver(url, "psycopg2"))
    own = own.set(database=f"{own.database}_dagster")
    if make:
        _create_database(with_driver(url, "psycopg"), own)
    return _rendered(own)


def _create_database(url: str, wanted: URL) -> None:
    with connect(url) as connection:
        exists = text("select 1 from pg_database where datname = :name")
        if connection.execute(exists, {"name": wanted.database}).scalar():
            return
    name = f'"{wanted.database}"'
    try:
        with psycopg.connect(plain(url), autocommit=True) as own:
            own.execute(f"create database {name}".encode())
    except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
        return  # another process was quicker
    except psycopg.errors.InsufficientPrivilege:
        raise DatabaseDown(
            f"Dagster needs a database of its own, {name}, and this role may not make it. Run as an administrator: create database {name};"
        ) from None


@lru_cache(maxsize=8)
def engine(url: str) -> Engine:
    """A pool of connections to `url`, one per process. Connections that the server dropped are replaced when they are taken out."""
    return create_engine(with_driver(url, "psycopg"), pool_pre_ping=True, pool_size=8, max_overflow=8, connect_args=_connect_args())


@lru_cache(maxsize=8)
def _without_pool(url: str) -> Engine:
    """Makes a connection anew whenever one is wanted, and ends it when it is closed."""
    return create_engine(with_driver(url, "psycopg"), poolclass=NullPool, connect_args=_connect_args())


def _connect_args() -> dict[str, object]:
    options = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
    return {"connect_timeout": 10, "application_name": "model-assets", "options": options, **gone_after(60)}


def gone_after(seconds: int) -> dict[str, Any]:
    """Arguments of a connection by which it ends after about so many seconds in which the server's machine said nothing, not even that it lives.

    A process that is frozen on a machine that lives is not found so: its machine answers for it.
    """
    alive = {"keepalives_idle": seconds // 2, "keepalives_interval": seconds // 6, "keepalives_count": 3}
    return {"keepalives": 1, **alive, "tcp_user_timeout": seconds * 1000}


def wait_until_up(url: str, pause: float, trials: int = 3, growth: int = 2) -> None:
    """Return once the server answers; it is asked `trials` times, with a pause of so many seconds between, `growth` times as long each time.

    Raises DatabaseDown after the last; at once where it does answer, and refuses us: waiting would not mend that.
    """
    for trial in range(trials):
        try:
            with connect(url):
                return
        except DatabaseDown as error:
            # libpq gives no SQLSTATE for a connection that was refused us, only the server's own words
            answered = "FATAL:" in str(error) and not re.search("starting up|shutting down|in recovery|too many|reserved", str(error))
            if trial == trials - 1 or answered:
                raise
            time.sleep(pause * growth**trial)


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """A connection in a transaction of its own. Raises DatabaseDown, in one line, where the server does not answer."""
    try:
        with engine(url).begin() as connection:
            yield connection
    except OperationalError as error:
        if not error.connection_invalidated and not is_down(error):
            raise
        raise DatabaseDown(down_message(url, error)) from error


def session(url: str) -> Connection:
    """A connection outside of any transaction, for what a session holds; close it. Raises DatabaseDown as `connect` does.

    It is none of the pool's: as many syncs at once as the pool has connections would each hold one, and wait for ever for a second.
    """
    try:
        return _without_pool(url).connect().execution_options(isolation_level="AUTOCOMMIT")
    except OperationalError as error:
        raise DatabaseDown(down_message(url, error)) from error


def wait_in_line(connection: Connection, lock: str, given: Mapping[str, object] | None = None) -> None:
    """Take an advisory lock of the transaction, however long those before us take: a line for a merge is no lock that somebody forgot.

    Any other lock is waited for as long as SESSION says, before and after.
    """
    wait = "select set_config('lock_timeout', '0', true), {lock}, set_config('lock_timeout', '{timeout}', true)"
    connection.execute(text(wait.format(lock=lock, timeout=SESSION["lock_timeout"])), dict(given or {}))


def is_down(error: OperationalError) -> bool:
    """Whether an error says that the server cannot be reached, and not that a statement failed."""
    state = getattr(error.orig, "sqlstate", None)
    return state is None or state.startswith("08") or state in ("57P01", "57P02", "57P03", "28P01", "28000", "3D000", "53300")


def refusal(error: DBAPIError) -> str:
    """What the server said, without the place in the statement and the statement."""
    return str(error.orig).partition("\n")[0].strip()[:200]


def down_message(url: str, error: OperationalError) -> str:
    """One line: which server, what it said, what to do. Never the password."""
    where = make_url(url)
    said = " ".join(str(error.orig).split())[:200]
    return (
        f"The database at {where.host}:{where.port or 5432}/{where.database} does not answer ({said}). Start it, or correct DATABASE_URL."
    )
