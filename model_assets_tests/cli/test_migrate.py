"""A database that is empty, older, newer or not ours: what migrate makes of it, and what the others say until then."""

import shlex

import pytest
from sqlalchemy import text

from model_assets import loading, recording_files
from model_assets.database import connect
from model_assets.ledger.migrate import newest
from model_assets.settings import BUNDLED_RECORDINGS
from model_assets.sources import SOURCES
from model_assets_tests.cli.command_line import SCHEMAS, emptied, one, ours
from model_assets_tests.conftest import Run


def test_a_database_that_was_never_migrated_is_not_touched_by_questions_about_it(url: str, run: Run) -> None:
    with connect(url) as connection:
        for schema in ("access", "catalog", "history", "staged", "raw", "ops"):
            connection.execute(text(f"drop schema if exists {schema} cascade"))
    for command in ("status", "verify-db", "price gpt-4o", "diff --from 2026-05-18", "quarantine"):
        code, out, err = run(*command.split())
        assert (code, out) == (1, "")
        assert err == f"model-assets: the database is at revision none, this version needs {newest()}. Run `model-assets migrate`.\n"
    assert one(url, "select count(*) from pg_namespace where nspname = 'ops'") == 0
    assert run("migrate") == (0, f"the database is at revision {newest()}\n", "")
    assert run("migrate") == (0, f"the database is at revision {newest()}\n", "")
    assert run("verify-db")[0] == 0


def test_a_database_that_a_newer_version_made_is_left_alone(url: str, run: Run) -> None:
    with connect(url) as connection:
        connection.execute(text("update ops.alembic_version set version_num = '9999'"))
    for command in ("status", "verify-db", "migrate", "dsn", "price gpt-4o", "diff --from 2026-05-18", "quarantine"):
        code, out, err = run(*command.split())
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert "9999" in err
        assert "newer version of Model Assets" in err


@pytest.mark.parametrize(
    ("theirs", "found"),
    [
        *((f"create schema {schema}; create table {schema}.theirs (x int)", [schema, f"{schema}.theirs"]) for schema in SCHEMAS),
        ("create schema raw", ["raw"]),
    ],
    ids=[*SCHEMAS, "raw, empty"],
)
def test_a_database_whose_schemas_belong_to_something_else_is_refused_in_one_line_and_nothing_is_left_in_it(
    theirs: str, found: list[str], url: str, run: Run
) -> None:
    emptied(url)
    with connect(url) as connection:
        connection.exec_driver_sql(theirs)
    for words in ("migrate", "dsn", "env", "sync", "accept openrouter 2026-05-18", f"import {shlex.quote(str(BUNDLED_RECORDINGS))}"):
        code, out, err = run(*shlex.split(words))
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert err.startswith("model-assets: something else has the schemas that the ledger needs ")
        assert f"it has {found[0]} already" in err
        assert err.endswith("Let DATABASE_URL name a database of the ledger's own.\n")
    assert ours(url) == found


def test_an_object_that_is_in_the_way_of_the_migration_is_named_in_one_line_and_nothing_is_left(url: str, run: Run) -> None:
    emptied(url)
    with connect(url) as connection:  # another project's Alembic, at no revision
        connection.exec_driver_sql("create schema ops; create table ops.alembic_version (version_num text); create schema history")
    code, out, err = run("migrate")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert 'schema "history" already exists' in err
    assert ours(url) == ["history", "ops", "ops.alembic_version"]


def test_an_alembic_table_that_is_not_ours_is_one_line(url: str, run: Run) -> None:
    emptied(url)
    with connect(url) as connection:
        connection.exec_driver_sql("create schema ops; create table ops.alembic_version (release text)")
    for words in ("migrate", "price gpt-4o", "status"):
        code, out, err = run(*words.split())
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert "version_num" in err
    assert ours(url) == ["ops", "ops.alembic_version"]


def test_an_empty_schema_ops_that_was_made_for_us_is_used(url: str, run: Run) -> None:
    emptied(url)
    with connect(url) as connection:
        connection.exec_driver_sql("create schema ops")
    assert run("migrate") == (0, f"the database is at revision {newest()}\n", "")


def test_a_question_that_needs_newer_sql_models_leads_to_migrate(settled_copy: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", settled_copy)
    with connect(settled_copy) as connection:
        connection.exec_driver_sql("drop function catalog.price_as_of cascade; delete from ops.sql_model where key = 'catalog.price_as_of'")
    code, out, err = run("price", "gpt-4o")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.endswith("Run `model-assets migrate`.\n")
    assert run("migrate")[0] == 0
    assert run("price", "gpt-4o")[0] == 0


def test_a_ledger_that_an_older_version_filled_is_settled_by_migrate(url: str, run: Run) -> None:
    assert "The ledger is empty" in run("price", "gpt-4o")[2]
    loading.import_recordings(url, recording_files.find(BUNDLED_RECORDINGS / "models_dev", SOURCES).recordings, lambda _: None)
    code, out, err = run("price", "gpt-4o")
    assert (code, out) == (1, "")
    assert err.startswith("model-assets: No listing was linked to a model yet")
    assert err.endswith("Run `model-assets migrate`.\n")
    assert run("migrate")[0] == 0
    assert run("price", "gpt-4o")[0] == 0
