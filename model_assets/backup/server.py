"""The databases of a server: made, renamed and dropped."""

import re
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from model_assets import database
from model_assets.database import plain, with_driver
from model_assets.errors import DatabaseDown, ModelAssetsError

PATIENCE = 5.0  # seconds, as Postgres itself waits before it says that a database is in use


def name_of(url: str) -> str:
    """The database that a URL names."""
    return make_url(with_driver(url, "psycopg")).database or ""


def at(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return with_driver(make_url(with_driver(url, "psycopg")).set(database=name).render_as_string(hide_password=False), "psycopg")


def dagster_name(name: str) -> str:
    """Dagster's database beside a ledger's, as `database.dagster_url` names it."""
    return f"{name}_dagster"


@contextmanager
def administration(url: str) -> Iterator[psycopg.Connection]:
    """A connection to the server's database `postgres`, outside of any transaction. Raises DatabaseDown where it cannot be had."""
    where = make_url(with_driver(url, "psycopg"))
    try:
        connection = psycopg.connect(
            plain(at(url, "postgres")), autocommit=True, connect_timeout=10, application_name="model-assets backup"
        )
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split())[:200]
        raise DatabaseDown(
            f"The server at {where.host}:{where.port or 5432} does not let us into its database postgres ({said}). Start it, or correct the address."
        ) from error
    with connection:
        yield connection


def major(connection: psycopg.Connection) -> int:
    """The server's major version."""
    return connection.info.server_version // 10_000


def exists(admin: psycopg.Connection, name: str) -> bool:
    """Whether the server has a database of this name."""
    return admin.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is not None


def still_using(admin: psycopg.Connection, names: Sequence[str]) -> list[str]:
    """Which programs stay connected to these databases, by the names that they give; one on its way out is waited for."""
    deadline = time.monotonic() + PATIENCE
    while (found := _users(admin, names)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _users(admin: psycopg.Connection, names: Sequence[str]) -> list[str]:
    query = (
        "select distinct coalesce(nullif(application_name, ''), 'a program without a name') from pg_stat_activity"
        " where datname = any(%s) and backend_type = 'client backend' order by 1"
    )
    return [name for (name,) in admin.execute(query, [list(names)])]


@dataclass
class Fresh:
    """A new, empty database, which is dropped at the end unless it was renamed meanwhile. Its session tells others that it is in use."""

    name: str
    url: str
    session: psycopg.Connection

    def release(self) -> None:
        """Leave it, so that it can be renamed or dropped."""
        database.engine(self.url).dispose()
        self.session.close()


@contextmanager
def fresh_database(url: str, purpose: str) -> Iterator[Fresh]:
    """A new database on the server of `url`. What a killed process left behind under the same purpose is dropped first.

    Raises ModelAssetsError where the role may make none.
    """
    name = f"model_assets_{purpose}_{uuid.uuid4().hex[:12]}"
    with administration(url) as admin:
        _drop_left_over(admin, purpose)
        try:
            admin.execute(sql.SQL("create database {} template template0").format(sql.Identifier(name)))
        except psycopg.errors.InsufficientPrivilege:
            raise ModelAssetsError(
                f"role {admin.info.user} may not create a database, and a restore goes into a new one. As an administrator:"
                f" alter role {admin.info.user} createdb;"
            ) from None
        fresh = None
        try:
            fresh = Fresh(
                name, at(url, name), psycopg.connect(plain(at(url, name)), autocommit=True, application_name="model-assets backup")
            )
            yield fresh
        finally:
            if fresh:
                fresh.release()
            with administration(url) as last:  # the first connection may have been lost with what failed
                drop(last, name)


def _drop_left_over(admin: psycopg.Connection, purpose: str) -> None:
    """Drop what nobody is connected to any more: a living one always has its session."""
    unused = "select datname from pg_database where not exists (select 1 from pg_stat_activity where datname = pg_database.datname)"
    for (name,) in admin.execute(unused).fetchall():
        if re.fullmatch(f"model_assets_{purpose}_[0-9a-f]{{12}}", name):
            with suppress(psycopg.errors.ObjectInUse, psycopg.errors.InvalidCatalogName):  # somebody was quicker
                admin.execute(sql.SQL("drop database {}").format(sql.Identifier(name)))


def drop(admin: psycopg.Connection, name: str) -> None:
    """Drop a database if it is there, whoever is connected to it."""
    admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def rename(admin: psycopg.Connection, names: Sequence[tuple[str, str]]) -> None:
    """Rename databases, all or none. Raises ModelAssetsError where somebody is connected to one."""
    try:
        with admin.transaction():
            for old, new in names:
                admin.execute(sql.SQL("alter database {} rename to {}").format(sql.Identifier(old), sql.Identifier(new)))
    except (psycopg.errors.ObjectInUse, psycopg.errors.InsufficientPrivilege) as error:
        raise ModelAssetsError(
            f"the restored database could not take over ({' '.join(str(error).split())}); nothing was replaced. Stop what uses it, and restore again."
        ) from error
