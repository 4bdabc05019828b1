"""A real Postgres for the tests: the embedded one, or the server that MODEL_ASSETS_TEST_SERVER names; one new database per test."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine

from model_assets import database, embedded
from model_assets.ledger.migrate import migrate


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a server's maintenance database, `{name}` in place of the database."""
    given = os.environ.get("MODEL_ASSETS_TEST_SERVER")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="model-assets-tests-") as folder:
        Path(folder).chmod(0o755)  # as root the server runs as another user, who must be able to enter
        home = Path(folder) / "home"
        started = embedded.ensure_running(home)
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


@pytest.fixture
def url(server: str, template: str) -> Iterator[str]:
    """The SQLAlchemy URL of a migrated, empty database of this test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(f'create database "{name}" template "{template}"'.encode())
    made = database.with_driver(server.format(name=name), "psycopg")
    yield made
    database.engine(made).dispose()
    _drop(server, name)


@pytest.fixture
def database_engine(url: str) -> Engine:
    """An engine on `url`."""
    return database.engine(url)


@pytest.fixture(name="database")
def _database(database_engine: Engine) -> Engine:
    """The same, under the shorter name."""
    return database_engine


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the caller's settings, or touches the caller's data."""
    for name in list(os.environ):
        if name.startswith(("MODEL_", "PRICING_", "DAGSTER_", "DATABASE_URL", "DB_RETRY")) and not name.startswith(
            ("MODEL_ASSETS_TEST", "MODEL_ASSETS_SHARED")
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MODEL_ASSETS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DB_RETRY_MS", "10")


def _drop(server: str, name: str) -> None:
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(f'drop database if exists "{name}" with (force)'.encode())
