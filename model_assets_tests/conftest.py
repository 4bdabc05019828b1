"""A real Postgres for the tests: the embedded one, or the server that MODEL_ASSETS_TEST_SERVER names; one new database per test."""

import os
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from model_assets import cli, dagster_home, database, embedded, loading, recording_files
from model_assets.ledger.migrate import migrate
from model_assets.settings import BUNDLED_RECORDINGS, read_settings
from model_assets.settling import settle
from model_assets.sources import SOURCES
from model_assets_tests.in_memory import in_memory
from model_assets_tests.longest_first import pytest_collection_modifyitems  # noqa: F401  (a hook)

#: runs the command line with some words: (exit code, stdout, stderr)
Run = Callable[..., tuple[int, str, str]]
# a shell ignores SIGINT for what it starts in the background, Dagster then ignores SIGTERM alike, and what the tests start would inherit both
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a server's maintenance database, `{name}` in place of the database."""
    given = os.environ.get("MODEL_ASSETS_TEST_SERVER")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="model-assets-tests-", dir=in_memory()) as folder:
        Path(folder).chmod(0o755)  # as root the server runs as another user, who must be able to enter
        home = Path(folder) / "home"
        with pytest.MonkeyPatch.context() as patched:
            # to drop a database is to wait for the disk to have all others, up to a second; what survives a crash is asked of servers of their own
            patched.setitem(embedded.SETTINGS, "fsync", "off")
            started = embedded.ensure_running(home)
        with psycopg.connect(started.url("postgres"), autocommit=True) as admin:
            # tests log in thousands of times; a random password is as good without the thousands of rounds that slow guessing down
            admin.execute("set scram_iterations = 1")
            admin.execute(sql.SQL("alter role current_user password {}").format(started.password))
        try:
            yield started.url("DATABASE").replace("/DATABASE", "/{name}")
        finally:
            embedded.stop(home)


@pytest.fixture(scope="session")
def template(server: str) -> Iterator[str]:
    """The name of a migrated, empty database that tests copy."""
    name = f"template_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(f'create database "{name}"'.encode())
    url = database.with_driver(server.format(name=name), "psycopg")
    migrate(url)
    database.engine(url).dispose()
    yield name
    _drop(server, name)


@pytest.fixture(scope="session")
def dagster_template(server: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a database with Dagster's tables, that tests copy."""
    with copy_of(server, template) as url:
        given = {"DATABASE_URL": database.plain(url), "MODEL_ASSETS_HOME": str(tmp_path_factory.mktemp("dagster"))}
        dagster_home.create_tables(dagster_home.prepare(read_settings(given), url, {}))
        name = f"{make_url(url).database}_dagster"
        yield name
        _drop(server, name)


@pytest.fixture(scope="session")
def bundled(server: str, template: str) -> Iterator[str]:
    """The name of a settled database with all bundled recordings, that tests copy."""
    with copy_of(server, template) as url:
        reports = loading.import_recordings(url, recording_files.find(BUNDLED_RECORDINGS, SOURCES).recordings, lambda _: None)
        assert {report.source for report in reports} == {path.name for path in BUNDLED_RECORDINGS.iterdir() if path.name in SOURCES}
        assert [error for report in reports for error in report.errors] == []
        settle(url, read_settings({}).model_policy_file)
        database.engine(url).dispose()  # what is in use cannot be copied
        yield url.rpartition("/")[2]


@pytest.fixture(scope="session")
def settled(server: str, bundled: str) -> Iterator[str]:
    """The SQLAlchemy URL of a settled database with all bundled recordings, that tests only read."""
    with copy_of(server, bundled) as url:
        yield url


@pytest.fixture
def settled_copy(server: str, bundled: str) -> Iterator[str]:
    """The SQLAlchemy URL of a settled database with all bundled recordings, of this test's own."""
    with copy_of(server, bundled) as url:
        yield url


@pytest.fixture
def url(server: str, template: str) -> Iterator[str]:
    """The SQLAlchemy URL of a migrated, empty database of this test's own."""
    with copy_of(server, template) as url:
        yield url


@pytest.fixture
def database_engine(url: str) -> Engine:
    """An engine on `url`."""
    return database.engine(url)


@pytest.fixture(name="database")
def _database(database_engine: Engine) -> Engine:
    """The same, under the shorter name."""
    return database_engine


@pytest.fixture
def command_line(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line on what DATABASE_URL names: (exit code, stdout, stderr)."""

    def go(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(word) for word in words])
        return (int(end.value.code or 0), *capsys.readouterr())

    return go


@pytest.fixture
def run(url: str, command_line: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line on this test's database."""
    monkeypatch.setenv("DATABASE_URL", url)
    return command_line


@pytest.fixture
def ask(settled: str, command_line: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line on the database with all bundled recordings, which tests only read."""
    monkeypatch.setenv("DATABASE_URL", settled)
    return command_line


@pytest.fixture
def dagster_too(url: str, server: str) -> Iterator[None]:
    """Dagster's database beside this test's goes with it."""
    yield
    _drop(server, f"{make_url(url).database}_dagster")


@pytest.fixture
def instance(url: str, server: str, dagster_template: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance as `up` uses it, in Postgres."""
    monkeypatch.setenv("DATABASE_URL", url)
    settings = read_settings()
    with dagster_beside(server, dagster_template, url):
        dagster_home.prepare(settings, url)
        with dagster_home.opened(settings, url) as opened:
            assert opened is not None
            yield opened


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the caller's settings, or touches the caller's data."""
    for name in list(os.environ):
        if name.startswith(
            (
                "MODEL_",
                "PRICING_",
                "DAGSTER_",
                "DATABASE_URL",
                "DB_RETRY",
                "ALERT_",
                "ARTIFICIAL_",
                "SLACK_",
                "DISCORD_",
                "ADMIN_",
                "SMTP_",
                "HF_",
                "JWT_",
                "CRON_",
                "API_",
            )
        ) and not name.startswith(("MODEL_ASSETS_TEST", "MODEL_ASSETS_SHARED")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MODEL_ASSETS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DB_RETRY_MS", "10")


@contextmanager
def copy_of(server: str, template: str) -> Iterator[str]:
    """The SQLAlchemy URL of a copy of a database, which is dropped at the end."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _copy(server, template, name)
    url = database.with_driver(server.format(name=name), "psycopg")
    yield url
    database.engine(url).dispose()
    _drop(server, name)


@contextmanager
def dagster_beside(server: str, template: str, url: str) -> Iterator[None]:
    """Dagster's database beside a test's, with its tables, which is dropped at the end."""
    name = f"{make_url(url).database}_dagster"
    _copy(server, template, name)
    yield
    _drop(server, name)


def _copy(server: str, template: str, name: str) -> None:
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(f'create database "{name}" template "{template}"'.encode())


def _drop(server: str, name: str) -> None:
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(f'drop database if exists "{name}" with (force)'.encode())
