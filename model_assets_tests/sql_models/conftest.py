"""SQL models written to be read, deployed and refreshed, in a database that has none."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from model_assets.sql_models import SqlModel, deploy, load_models

Write = Callable[..., dict[str, SqlModel]]


def nothing(_: Connection) -> None:
    """What fills no table."""


NUMBERS = "-- Numbers.\nselect n, n % 3 as rest, null::int as nothing from generate_series(1, 9) as n"
TWICE = '-- Doubled.\nselect n, 2 * n as doubled from {{ ref("catalog.numbers") }}'
TABLE = "-- Kept.\n-- materialized: table\n-- index: (n)\n-- index: (rest, n)\n"
COUNTED = TABLE + "select n, n as rest from generate_series(1, 1000 + (select count(*) from {{ ref('ops.source') }})) as n"
ROWS = "-- R.\nselect * from (values (1, 'a', 1), (2, 'b', null), (2, 'c', null), (null, 'c', 7)) as r (n, word, other)"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write `name='text'` as files of the schema catalog (and `yml` as its schema.yml), and load them all."""

    def files(yml: str = "", **texts: str) -> dict[str, SqlModel]:
        folder = tmp_path / "catalog"
        folder.mkdir(exist_ok=True)
        for name, said in texts.items():
            (folder / f"{name}.sql").write_text(said)
        (folder / "schema.yml").write_text(yml)
        return load_models(tmp_path)

    return files


@pytest.fixture
def bare(database: Engine) -> Engine:
    """A database with no SQL model in it."""
    with database.begin() as connection:
        deploy(connection, {})
    return database


def put(engine: Engine, models: Mapping[str, SqlModel]) -> list[str]:
    with engine.begin() as connection:
        return deploy(connection, models)


def scalar(engine: Engine, query: str) -> Any:
    with engine.begin() as connection:
        return connection.execute(text(query)).scalar_one()


def objects(connection: Connection) -> list[tuple[Any, ...]]:
    """What identifies the relations of catalog: another oid is another relation."""
    query = "select oid, relname from pg_class where relnamespace = 'catalog'::regnamespace order by 1"
    return [tuple(row) for row in connection.execute(text(query))]
