"""Which Postgres, how it is reached, and how its tables come to be."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from model_assets import database, embedded
from model_assets.attempts import begin
from model_assets.database import connect, dagster_url, ledger_url, plain, with_driver
from model_assets.errors import DatabaseDown, SettingsError
from model_assets.ledger import migrate as migration
from model_assets.ledger.migrate import migrate, newest, revision
from model_assets.settings import PROJECT, read_settings
from model_assets.sql_models import load_models

CLOSED = "postgresql://someone:s3cret%40word@127.0.0.1:1/models"


@pytest.fixture
def empty(server: str) -> Iterator[str]:
    """The SQLAlchemy URL of a database with nothing in it; what begins with its name is dropped afterwards."""
    name = f"Empty-{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        made = with_driver(server.format(name=name), "psycopg")
        yield made
        database.engine(made).dispose()
        for (found,) in admin.execute("select datname from pg_database where starts_with(datname, %s)", [name]).fetchall():
            admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(found)))


# --- URLs ---


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2", "postgresql+asyncpg"])
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_a_url_names_the_driver_that_was_asked_for_whatever_it_named(scheme: str, driver: str) -> None:
    assert (
        with_driver(f" {scheme}://me:pw@db:5433/models?sslmode=require\n", driver)
        == f"postgresql+{driver}://me:pw@db:5433/models?sslmode=require"
    )


@pytest.mark.parametrize("password", ["p@ss", "a/b:c", "100%", "%41", "a b+c", "ü#?&=", "'\"\\", "[x]"])
def test_a_password_survives_every_form_of_a_url(password: str) -> None:
    given = f"postgres://me:{quote(password, safe='')}@db/models"
    ours = with_driver(given, "psycopg")
    assert make_url(ours).password == password
    assert make_url(with_driver(ours, "psycopg2")).password == password
    assert psycopg.conninfo.conninfo_to_dict(plain(ours))["password"] == password


@pytest.mark.parametrize(
    ("url", "plainly"),
    [
        ("postgresql+psycopg://me@db/models", "postgresql://me@db/models"),
        ("postgresql+psycopg2://me@db/models", "postgresql://me@db/models"),
        ("postgresql://me@db/models", "postgresql://me@db/models"),
    ],
)
def test_a_plain_url_names_no_driver(url: str, plainly: str) -> None:
    assert plain(url) == plainly


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("models", "DATABASE_URL is not a URL. Use postgresql://"),
        ("postgresql://h:port/db", "DATABASE_URL is not a URL. Use postgresql://"),
        ("mysql://root:s3cret@h/db", "DATABASE_URL names 'mysql'; Model Assets needs PostgreSQL 15 or newer."),
        ("sqlite:///models.db", "DATABASE_URL names 'sqlite'; Model Assets needs PostgreSQL 15 or newer."),
    ],
)
def test_what_names_no_postgres_is_refused_with_what_to_use(url: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        ledger_url(read_settings({"DATABASE_URL": url}))
    assert str(error.value).startswith(said)
    assert "s3cret" not in str(error.value)


def test_database_url_is_the_ledger_and_starts_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = read_settings({"DATABASE_URL": "postgres://me@db/models", "MODEL_ASSETS_HOME": str(home)})
    assert ledger_url(settings) == "postgresql+psycopg://me@db/models"
    assert not home.exists()


def test_without_database_url_a_command_that_must_not_start_a_server_says_what_starts_it(tmp_path: Path) -> None:
    settings = read_settings({"MODEL_ASSETS_HOME": str(tmp_path / "home")})
    with pytest.raises(DatabaseDown, match="The embedded Postgres is not running; any command that needs it starts it"):
        ledger_url(settings, start=False)
    assert embedded.running(settings.model_assets_home) is None


# --- Dagster's own database ---


def test_dagster_gets_a_database_of_its_own_on_the_same_server_and_keeps_it(empty: str) -> None:
    url = dagster_url(empty)
    assert make_url(url).drivername == "postgresql+psycopg2"
    assert make_url(url).database == f"{make_url(empty).database}_dagster"
    with psycopg.connect(plain(url)) as connection:
        connection.execute("create table kept ()")
    assert dagster_url(plain(empty).replace("postgresql://", "postgres://")) == url
    with psycopg.connect(plain(url)) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (0,)


@pytest.fixture
def weak(server: str, empty: str) -> Iterator[str]:
    """The URL of the empty database for a role that may make no other, and has a password with everything in it."""
    role, password = f"weak_{uuid.uuid4().hex[:8]}", "p@ss/w:rd% +#?"
    name = sql.Identifier(role)
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("create role {} login password {}").format(name, password))
        yield make_url(empty).set(username=role, password=password).render_as_string(hide_password=False)
        database.engine(make_url(empty).set(username=role, password=password).render_as_string(hide_password=False)).dispose()
        admin.execute(sql.SQL("drop role {}").format(name))


def test_a_role_that_may_not_make_it_gets_the_statement_for_an_administrator(weak: str) -> None:
    with pytest.raises(DatabaseDown) as error:
        dagster_url(weak)
    assert str(error.value).endswith(f'create database "{make_url(weak).database}_dagster";')
    assert "p@ss" not in str(error.value)
    assert error.value.exit_code == 2


def test_a_role_that_may_not_make_it_uses_the_one_that_an_administrator_made(weak: str, server: str) -> None:
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(f"{make_url(weak).database}_dagster")))
    with psycopg.connect(plain(dagster_url(weak))) as connection:
        assert connection.info.user == make_url(weak).username


# --- connections ---


def test_a_connection_is_a_transaction_of_its_own_in_utc(url: str) -> None:
    with connect(url) as connection:
        connection.execute(text("create table kept ()"))
        assert connection.execute(text("show timezone")).scalar() == "UTC"
    with suppress(RuntimeError), connect(url) as connection:
        connection.execute(text("create table lost ()"))
        raise RuntimeError
    with connect(url) as connection:
        assert connection.execute(text("select to_regclass('kept')::text, to_regclass('lost')::text")).one() == ("kept", None)


def test_a_database_that_is_down_is_one_line_without_the_password() -> None:
    with pytest.raises(DatabaseDown) as error, connect(CLOSED):
        pass
    message = str(error.value)
    assert message.startswith("The database at 127.0.0.1:1/models does not answer (")
    assert message.endswith("Start it, or correct DATABASE_URL.")
    assert "\n" not in message
    assert "s3cret" not in message
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    "call", [migrate, dagster_url, lambda url: begin(url, "openrouter", None, "test")], ids=["migrate", "dagster", "begin"]
)
def test_whatever_needs_a_database_that_is_down_says_so(call: Any) -> None:
    with pytest.raises(DatabaseDown):
        call(CLOSED)


def test_a_database_that_does_not_exist_is_named(server: str) -> None:
    with (
        pytest.raises(DatabaseDown, match=r'/no_such_database does not answer .*"no_such_database" does not exist'),
        connect(server.format(name="no_such_database")),
    ):
        pass


def test_a_statement_that_fails_is_not_taken_for_a_database_that_is_down(url: str) -> None:
    with pytest.raises(ProgrammingError), connect(url) as connection:
        connection.execute(text("select from nowhere"))


def test_a_session_that_the_server_ends_is_a_database_that_is_down_and_the_next_one_works(url: str) -> None:
    def cut_off() -> None:
        with connect(url) as connection:
            own = connection.execute(text("select pg_backend_pid()")).scalar_one()
            with psycopg.connect(plain(url), autocommit=True) as other:
                other.execute("select pg_terminate_backend(%s, 5000)", [own])
            connection.execute(text("select 1"))

    with pytest.raises(DatabaseDown):
        cut_off()
    with connect(url) as connection:
        assert connection.execute(text("select 1")).scalar() == 1


def test_what_is_told_to_a_process_of_its_own_reaches_the_same_database(url: str) -> None:
    told = {**os.environ, "DATABASE_URL": plain(url).replace("postgresql://", "postgres://")}
    code = "from model_assets.resources import Postgres\nwith Postgres().begin() as c: print(c.exec_driver_sql('select current_database()').scalar())"
    found = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=told, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == make_url(url).database


# --- migrations ---

MIGRATE = """
import sys
from model_assets.ledger.migrate import migrate
print("ready", flush=True)
for url in sys.stdin:
    print(migrate(url.strip()), flush=True)
"""
SCHEMAS = "('raw', 'staged', 'history', 'catalog', 'access', 'ops')"
SHAPE = {
    "relations": f"""
        select c.oid::regclass::text, relkind, relpersistence, obj_description(c.oid, 'pg_class'), pg_get_viewdef(c.oid)
        from pg_class c join pg_namespace n on n.oid = relnamespace where nspname in {SCHEMAS} and relkind <> 'i'""",
    "columns": f"""
        select attrelid::regclass::text, row_number() over (partition by attrelid order by attnum), attname,
               format_type(atttypid, atttypmod), attnotnull, attstorage, attidentity, pg_get_expr(adbin, adrelid), col_description(attrelid, attnum)
        from pg_attribute a join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace
        left join pg_attrdef d on adrelid = attrelid and adnum = attnum
        where nspname in {SCHEMAS} and attnum > 0 and not attisdropped""",
    "constraints": f"""
        select conrelid::regclass::text, conname, pg_get_constraintdef(k.oid) from pg_constraint k
        join pg_namespace n on n.oid = connamespace where nspname in {SCHEMAS}""",
    "indexes": f"select schemaname, indexname, indexdef from pg_indexes where schemaname in {SCHEMAS}",
    "functions": f"""
        select p.oid::regprocedure::text, pg_get_functiondef(p.oid) from pg_proc p
        join pg_namespace n on n.oid = pronamespace where nspname in {SCHEMAS}""",
    "models": "select key, sha256 from ops.sql_model",
}


def scripts() -> ScriptDirectory:
    """The migrations."""
    return ScriptDirectory.from_config(migration._config(None))


def shape(url: str) -> dict[str, list[Any]]:
    """Everything that a dump of the schema would hold."""
    with connect(url) as connection:
        return {what: sorted(map(repr, connection.execute(text(query)).all())) for what, query in SHAPE.items()}


def test_four_processes_that_find_an_empty_database_leave_what_one_would(empty: str, url: str, server: str) -> None:
    """Three times over: a new database, and four processes that were told of it at the same moment."""
    command = [sys.executable, "-c", MIGRATE]
    others = [f"{make_url(empty).database}_{number}" for number in (2, 3)]
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        for name in others:
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    children = [subprocess.Popen(command, cwd=PROJECT, text=True, **pipes) for _ in range(4)]
    try:
        assert [child.stdout.readline() for child in children if child.stdout] == ["ready\n"] * 4
        for database_url in (empty, *(with_driver(server.format(name=name), "psycopg") for name in others)):
            for child in children:
                assert child.stdin
                child.stdin.write(database_url + "\n")
                child.stdin.flush()
            assert [child.stdout.readline() for child in children if child.stdout] == [f"{newest()}\n"] * 4
            assert shape(database_url) == shape(url)
            database.engine(database_url).dispose()
    finally:
        ended = [child.communicate() for child in children]
    assert [errors for _, errors in ended] == [""] * 4


def test_migrating_again_changes_nothing(url: str) -> None:
    before = shape(url)
    with connect(url) as connection:
        deployed = connection.execute(text("select key, deployed_at from ops.sql_model order by 1")).all()
    assert migrate(url) == newest()
    assert shape(url) == before
    with connect(url) as connection:
        assert connection.execute(text("select key, deployed_at from ops.sql_model order by 1")).all() == deployed
        assert len(deployed) == len(load_models())


@pytest.mark.parametrize("down_to", ["base", *sorted(one.revision for one in scripts().walk_revisions())[:-1]])
def test_down_and_up_again_gives_the_same_schema(url: str, down_to: str) -> None:
    before = shape(url)
    assert all(before.values())
    with connect(url) as connection:
        command.downgrade(migration._config(connection), down_to)
        assert revision(connection) == (None if down_to == "base" else down_to)
        left = "select nspname from pg_namespace where nspname in ('raw', 'staged', 'history', 'catalog', 'access')"
        assert bool(connection.execute(text(left)).all()) == (down_to != "base")
    assert migrate(url) == newest()
    assert shape(url) == before


def test_a_migration_that_is_killed_leaves_nothing_and_the_next_completes_it(empty: str, url: str) -> None:
    """Killed when all tables are made and nothing is committed."""
    code = f"""
import os, signal
from model_assets.ledger import migrate as migration
migration.deploy = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
migration.migrate({empty!r})"""
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == -signal.SIGKILL
    with connect(empty) as connection:
        assert connection.execute(text("select to_regclass('raw.payload'), to_regnamespace('ops')")).one() == (None, None)
    assert migrate(empty) == newest()
    assert shape(empty) == shape(url)


def test_a_migration_that_fails_leaves_nothing_behind(empty: str) -> None:
    with connect(empty) as connection:
        connection.execute(text("create schema catalog"))  # in the way of the migration, after it has made half of its tables
    with pytest.raises(ProgrammingError, match='schema "catalog" already exists'):
        migrate(empty)
    with connect(empty) as connection:
        assert connection.execute(text("select to_regclass('raw.payload'), to_regnamespace('ops')")).one() == (None, None)
        connection.execute(text("drop schema catalog"))
    assert migrate(empty) == newest()


class Server:
    """Answers as a server of some version would, with or without the extension."""

    def __init__(self, version: str, extension: int | None = 1) -> None:
        self.answers = [version, extension]

    def execute(self, _: object) -> "Server":
        return self

    def scalar_one(self) -> Any:
        return self.answers.pop(0)

    scalar = scalar_one


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Server("140022"), "The server is Postgres 14; Model Assets needs 15 or newer. Set DATABASE_URL to a newer one."),
        (Server("90624"), "The server is Postgres 9; Model Assets needs 15 or newer."),
        (
            Server("150000", None),
            "This Postgres has no btree_gist extension, which the ledger's constraint needs. Install postgresql-contrib",
        ),
    ],
    ids=["14", "9", "no btree_gist"],
)
def test_a_server_that_will_not_do_is_refused_with_what_to_do(found: Any, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        migration._check_server(found)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("version", ["150000", "180006"])
def test_a_server_of_the_oldest_version_or_a_newer_one_will_do(version: str) -> None:
    found: Any = Server(version)
    migration._check_server(found)
    assert found.answers == []


def test_a_server_that_comes_up_late_is_waited_for() -> None:
    started = time.monotonic()
    with pytest.raises(DatabaseDown):
        database.wait_until_up(CLOSED, 0.1)
    assert 0.3 <= time.monotonic() - started < 20


def test_a_server_that_refuses_us_is_not_waited_for(url: str) -> None:
    started = time.monotonic()
    with pytest.raises(DatabaseDown, match="does not answer"):
        database.wait_until_up(url.rpartition("/")[0] + "/no_such_database", 60)
    assert time.monotonic() - started < 30
