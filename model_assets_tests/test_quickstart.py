"""`model-assets quickstart` in a process of its own, on an empty database: through Dagster, without a network, and again."""

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from model_assets import database, quickstart
from model_assets.database import connect
from model_assets_tests.shared_data import BUNDLED

PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Ran:
    """A database after `quickstart`, the process that did it, and how to do it again."""

    url: str
    dagster_url: str
    environment: dict[str, str]
    first: subprocess.CompletedProcess[str]

    def again(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run(self.environment, *words)


def run(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "model_assets", "quickstart", *words]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=280)


LIST_OF_MODELS = "models_dev_models"
#: what can be loaded without a network: bundled recordings, and the file of curated models
LOADED = [*BUNDLED, "curated"]


@pytest.fixture(scope="module")
def ran(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """What `quickstart` made of a database without any table. Takes half a minute: the tests of this module share it."""
    name = f"quickstart_{uuid.uuid4().hex[:12]}"
    given = server.format(name=name)
    home = tmp_path_factory.mktemp("quick start's") / "home"
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MODEL_", "DAGSTER_", "PRICING_"))}
    environment = {**kept, "DATABASE_URL": given, "MODEL_ASSETS_HOME": str(home), "HTTPS_PROXY": "http://127.0.0.1:1"}
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(f'create database "{name}"'.encode())
        try:
            url = database.with_driver(given, "psycopg")
            yield Ran(url, database.with_driver(server.format(name=f"{name}_dagster"), "psycopg"), environment, run(environment))
        finally:
            for made in (name, f"{name}_dagster"):
                database.engine(database.with_driver(server.format(name=made), "psycopg")).dispose()
                admin.execute(f'drop database if exists "{made}" with (force)'.encode())


def one(url: str, query: str) -> object:
    with connect(url) as connection:
        return connection.execute(text(query)).scalar_one()


def claims(url: str) -> tuple[object, ...]:
    digest = "select md5(string_agg(t::text, chr(10) order by t::text)) from history.{} t"
    return tuple(one(url, digest.format(relation)) for relation in ("listing", "price"))


def test_it_exits_0_says_nothing_on_stderr_and_ends_with_what_to_do_next(ran: Ran) -> None:
    assert (ran.first.returncode, ran.first.stderr) == (0, "")
    assert "password" not in ran.first.stdout
    assert re.search(r"^[\d,]{5,} prices are served now; \d+ listings are free to everyone by the policy\.$", ran.first.stdout, re.M)
    assert "model-assets price gpt-4o" in ran.first.stdout
    assert "model-assets down" not in ran.first.stdout  # this server is not ours to stop


def test_the_summary_has_a_line_with_numbers_for_each_source(ran: Ran) -> None:
    for name in LOADED:
        lines = [[cell.strip() for cell in line.strip("│").split("│")] for line in ran.first.stdout.splitlines()]
        [cells] = [cells for cells in lines if cells[0] == name]
        assert cells[1] == "ok"
        assert all(int(cell) > 0 for cell in (*cells[2:4], cells[7]))  # observations, listings, added
        assert (int(cells[4]) > 0) == (name != LIST_OF_MODELS)
        assert cells[11] == ("" if name == LIST_OF_MODELS else "100.00%")


def test_more_than_8000_prices_are_served_and_every_source_that_sells_is_among_them(ran: Ran) -> None:
    assert int(str(one(ran.url, "select count(*) from catalog.price"))) > 8_000
    assert one(ran.url, "select count(distinct source) from catalog.price_claim") == len(LOADED) - 1  # the list of models sells nothing
    assert int(str(one(ran.url, "select count(*) from catalog.price_change"))) > 0
    assert int(str(one(ran.url, "select count(*) from access.free_models"))) > 0


def test_every_attempt_succeeded_and_names_its_dagster_run(ran: Ran) -> None:
    assert one(ran.url, "select count(*) from ops.sync_run") == len(quickstart.days_to_load())
    assert (
        one(ran.url, "select count(*) from ops.sync_run where status <> 'succeeded' or dagster_run_id is null or message is not null") == 0
    )
    with connect(ran.url) as connection:
        named = set(connection.execute(text("select dagster_run_id from ops.sync_run")).scalars())
    with connect(ran.dagster_url) as connection:
        found = {row.run_id: row.status for row in connection.execute(text("select run_id, status from runs"))}
    assert named < found.keys()
    assert len(found) == len(named) + 1  # catalog and access
    assert set(found.values()) == {"SUCCESS"}


def test_dagster_knows_every_asset_as_materialised_and_no_check_failed_but_warnings(ran: Ran) -> None:
    query = "select check_name, evaluation_event from asset_check_executions where execution_status = 'FAILED'"
    with connect(ran.dagster_url) as connection:
        keys = set(connection.execute(text("select asset_key from asset_keys where last_materialization is not null")).scalars())
        failed = {row.check_name: json.loads(row.evaluation_event) for row in connection.execute(text(query))}
    assert {f'["{layer}", "{name}"]' for layer in ("raw", "staged", "history") for name in LOADED} <= keys
    assert {'["identity", "link"]', '["gate", "held_change"]', '["catalog", "price"]', '["access", "free_models"]'} <= keys
    assert failed.keys() >= {"source_is_fresh", "no_change_is_held"}  # the recordings are old, and a slip of the point is among them
    data = [event["dagster_event"]["event_specific_data"] for event in failed.values()]
    assert {found["severity"]["__enum__"] for found in data} == {"AssetCheckSeverity.WARN"}


def test_dagster_is_connected_to_its_tables_once_for_many_statements(ran: Ran) -> None:
    name = make_url(ran.dagster_url).database
    sessions = one(ran.url, f"select sessions from pg_stat_database where datname = '{name}'")
    assert 0 < int(str(sessions)) < 1_000  # one for each statement would be over 7,000


def test_the_ledger_is_sound(ran: Ran) -> None:
    command = [sys.executable, "-m", "model_assets", "verify-db", "--json"]
    verified = subprocess.run(command, cwd=PROJECT, env=ran.environment, capture_output=True, text=True, timeout=60)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert not any(json.loads(verified.stdout)["claims"].values())


def test_again_it_exits_0_and_writes_no_claim(ran: Ran) -> None:
    before = claims(ran.url)
    second = ran.again("--json")
    assert (second.returncode, second.stderr) == (0, "")
    moved = [(found["added"], found["changed"], found["closed"], found["errors"]) for found in json.loads(second.stdout)["sources"]]
    assert moved == [(0, 0, 0, [])] * len(LOADED)
    assert claims(ran.url) == before
    assert one(ran.url, "select count(*) from ops.sync_run where status <> 'succeeded'") == 0
