"""What Dagster sees: that it loads, says what it is, and that all of it together makes the catalogue out of recordings."""

import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from model_assets.automation import LAYERS, keys_of
from model_assets.contracts import METERS
from model_assets.database import plain
from model_assets.definitions import MODELS, WRITTEN_BY, defs
from model_assets.pipeline import today
from model_assets.settings import PROJECT
from model_assets.sources import SOURCES
from model_assets_tests.shared_data import BUNDLED

SPECS = {spec.key: spec for spec in sorted(defs.resolve_all_asset_specs(), key=lambda spec: spec.key.path)}
NAMES = [key.to_user_string() for key in SPECS]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
TABLE = "dagster/column_schema"
LOAD = """
import sys
import dagster as dg
opened = []
watched = {"socket.connect", "subprocess.Popen", "os.fork", "os.posix_spawn"}
sys.addaudithook(lambda event, arguments: opened.append(event) if event in watched else None)
import model_assets
dg.Definitions.validate_loadable(model_assets.defs)
assert not opened, opened
"""
WITHOUT_DAGSTER = """
import sys
import model_assets.pipeline, model_assets.sources, model_assets.sql_models, model_assets.loading, model_assets.answers
import model_assets.ledger.merge, model_assets.ledger.migrate, model_assets.cli, model_assets.access.policy
import model_assets.fetching.patience, model_assets.settling, model_assets.readiness
assert not [name for name in sys.modules if name.split(".")[0].startswith("dagster")]
"""


def child(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python of its own, in the project's folder."""
    home = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere", "LANG": "C.UTF-8"}
    return subprocess.run([sys.executable, *command], cwd=PROJECT, env=home | environment, capture_output=True, text=True, check=False)


def ask(url: str, query: str) -> list[Any]:
    with psycopg.connect(plain(url)) as connection:
        return connection.execute(query.encode()).fetchall()


def derived() -> list[dg.AssetKey]:
    return [key for key in SPECS if key.path[0] not in LAYERS]


def run_derived(instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]) -> dg.ExecuteInProcessResult:
    job = defs.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(run_config=QUIET, instance=instance, asset_selection=keys, raise_on_error=False)


# --- loading ---


@pytest.mark.parametrize("database", ["a closed port", "the embedded one"])
def test_the_definitions_load_without_a_connection_or_a_process(tmp_path: Path, database: str) -> None:
    closed = {"DATABASE_URL": "postgresql://nobody:secret@127.0.0.1:1/nothing"} if database == "a closed port" else {}
    loaded = child("-c", LOAD, MODEL_ASSETS_HOME=str(tmp_path / "home"), **closed)
    assert loaded.returncode == 0, loaded.stderr
    assert not (tmp_path / "home").exists()


def test_the_ledger_the_sources_and_the_sql_models_do_not_import_dagster() -> None:
    imported = child("-c", WITHOUT_DAGSTER)
    assert imported.returncode == 0, imported.stderr


def test_dagster_finds_the_definitions_in_the_package(tmp_path: Path) -> None:
    validated = child("-m", "dagster", "definitions", "validate", "-m", "model_assets", MODEL_ASSETS_HOME=str(tmp_path))
    assert validated.returncode == 0, validated.stderr
    assert "Validation successful for code location model_assets" in validated.stdout + validated.stderr


def test_what_is_no_name_of_the_package_is_said_to_be_none() -> None:
    import model_assets

    assert "defs" in dir(model_assets)
    with pytest.raises(AttributeError, match="has no attribute 'definitions_'"):
        model_assets.definitions_  # noqa: B018


# --- every asset says what it is ---


@pytest.mark.parametrize("key", SPECS, ids=NAMES)
def test_every_asset_is_described_owned_grouped_and_tagged(key: dg.AssetKey) -> None:
    spec = SPECS[key]
    layer, name = key.path
    assert spec.description
    assert spec.description.strip().endswith((".", ")"))
    assert spec.owners == ["team:sources" if layer in LAYERS else f"team:{layer}"]
    assert spec.group_name == layer
    assert "postgres" in spec.kinds
    assert len(spec.kinds) > 1 or layer == "history"
    assert {"layer": layer, **({"source": name} if layer in LAYERS else {})}.items() <= dict(spec.tags).items()


@pytest.mark.parametrize("model", [model for model in MODELS.values() if model.kind != "function"], ids=lambda model: model.key)
def test_every_sql_asset_has_a_column_schema(model: Any) -> None:
    schema = SPECS[dg.AssetKey([model.schema, model.name])].metadata[TABLE]
    assert [column.name for column in schema.columns] == list(model.columns)
    assert all(column.description for column in schema.columns)


@pytest.mark.parametrize("source", SOURCES)
def test_the_ledger_of_a_source_has_a_column_schema(source: str) -> None:
    columns = {column.name: column.description for column in SPECS[dg.AssetKey(["history", source])].metadata[TABLE].columns}
    assert {"provider", "listed_id", "meter", "amount", "state"} <= columns.keys()
    assert all(columns.values())
    assert "1M tokens" in columns["meter"]


@pytest.mark.parametrize("layer", LAYERS)
def test_what_is_read_from_a_source_is_partitioned_by_day_with_today_and_without_tomorrow(layer: str) -> None:
    for source in SOURCES:
        days = SPECS[dg.AssetKey([layer, source])].partitions_def
        assert isinstance(days, dg.DailyPartitionsDefinition)
        assert days.timezone == "UTC"
        assert days.get_last_partition_key() == today().isoformat()
        assert not days.has_partition_key((today() + timedelta(days=1)).isoformat())


def test_what_is_derived_has_no_partitions() -> None:
    assert {SPECS[key].partitions_def for key in derived()} == {None}


def test_whatever_holds_rows_is_checked_and_what_the_gate_refuses_is_blocked() -> None:
    checks = defs.resolve_asset_graph().asset_check_keys
    checked = {check.asset_key for check in checks}
    assert [key for key in SPECS if key not in checked and key.path[0] != "raw"] == [dg.AssetKey(["access", "policy"])]
    blocking = {check for check in checks if defs.resolve_asset_graph().get(check).blocking}
    assert blocking == {dg.AssetCheckKey(dg.AssetKey(["staged", name]), "payload_is_accepted") for name in SOURCES}


def test_the_lineage_goes_from_a_feed_to_what_is_served() -> None:
    graph = defs.resolve_asset_graph()
    for name, source in SOURCES.items():
        raw, staged, history = keys_of(source)
        assert graph.get(raw).parent_keys == set()
        assert graph.get(staged).parent_keys == {raw}
        assert graph.get(history).parent_keys == {staged}
        for served in (
            "identity/link",
            "catalog/listing",
            "catalog/price_claim",
            "catalog/price_span",
            "catalog/price_change",
            "catalog/source_health",
        ):
            assert history in graph.get(dg.AssetKey.from_user_string(served)).parent_keys, (name, served)
    assert dg.AssetKey(["identity", "link"]) in graph.get(dg.AssetKey(["gate", "held_change"])).parent_keys
    for decided in ("identity/link", "gate/held_change"):
        assert dg.AssetKey.from_user_string(decided) in graph.get(dg.AssetKey(["catalog", "price_span"])).parent_keys
    assert dg.AssetKey(["access", "policy"]) in graph.get(dg.AssetKey(["access", "listing_rule"])).parent_keys
    assert dg.AssetKey(["access", "offer_access"]) in graph.get(dg.AssetKey(["access", "decision"])).parent_keys
    assert dg.AssetKey(["access", "decision"]) in graph.get(dg.AssetKey(["access", "model_access"])).parent_keys
    below = dg.AssetSelection.assets("raw/openrouter").downstream().resolve(graph)
    assert {key.to_user_string() for key in below} >= {"catalog/price", "access/free_models", "access/enterprise_models"}


def test_every_relation_that_a_model_reads_is_written_by_an_asset() -> None:
    for relation, keys in WRITTEN_BY.items():
        assert keys, relation
        assert all(dg.AssetKey(list(key)) in SPECS for key in keys), relation


def test_what_happens_by_itself_is_just_what_the_page_says() -> None:
    said = (PROJECT / "docs" / "running.md").read_text().partition("## What happens by itself")[2].partition("\n## ")[0]
    there = {one.name for one in [*(defs.sensors or ()), *(defs.schedules or ())]}
    assert set(re.findall(r"^\| `(\w+)`", said, re.MULTILINE)) | {"alerts_found", "alerts_sent"} == there  # docs/alerts.md says those


def test_the_job_sync_reads_sources_and_nothing_else() -> None:
    layer = defs.resolve_job_def("sync").asset_layer
    assert {key.path[0] for key in layer.selected_asset_keys} == set(LAYERS)
    assert len(layer.selected_asset_keys) == len(LAYERS) * len(SOURCES)


# --- all of it together ---


def served(url: str) -> dict[str, list[Any]]:
    """All rows of the ledger and of every relation above it, without the times of day at which they were looked at, and how often."""
    relations = [
        "history.listing",
        "history.price",
        "history.link",
        "history.score_link",
        "history.mention_link",
        "ops.held_change",
        "access.decision",
        *(model.key for model in MODELS.values() if model.kind != "function"),
    ]
    leave_out = ["age", "last_success_at", "runs_30_days", "succeeded_30_days", "runs_24_hours", "average_seconds", "p95_seconds"]
    leave_out += ["average_claims_moved"]
    return {
        name: ask(url, f"select (to_jsonb(r) - '{{{','.join(leave_out)}}}'::text[])::text from {name} r order by 1") for name in relations
    }


def test_everything_materialised_twice_leaves_what_once_leaves_and_every_check_passes(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with dg.DagsterInstance.ephemeral() as instance:

        def everything() -> list[dg.ExecuteInProcessResult]:
            sync = defs.resolve_job_def("sync")
            runs = [
                sync.execute_in_process(
                    run_config=QUIET, instance=instance, partition_key="2026-05-19", asset_selection=keys_of(source), raise_on_error=False
                )
                for source in BUNDLED.values()
            ]
            return [*runs, run_derived(instance, derived())]

        first = everything()
        once = served(url)
        again = everything()
        assert served(url) == once
    assert [result.success for result in first + again] == [True] * 2 * (len(BUNDLED) + 1)
    failed = {check.check_name for result in first + again for check in result.get_asset_check_evaluations() if not check.passed}
    assert failed == {"source_is_fresh"}  # of a day that is past
    assert len(first[-1].get_asset_check_evaluations()) > 60
    assert len(once["catalog.price"]) > 500
    assert len(once["access.free_models"]) > 0
    for key in derived():
        [event] = first[-1].asset_materializations_for_node("__".join(key.path))
        assert event.metadata["dagster/row_count"].value is not None, key
        if key.path[0] in ("identity", "gate") or key.path == ["access", "decision"]:
            assert event.metadata["dagster/row_count"].value == len(once[str(event.metadata["dagster/table_name"].value)])
        elif key.path != ["access", "policy"]:
            assert event.metadata["dagster/row_count"].value == len(once[".".join(key.path)])
            columns = {column.name: column for column in event.metadata[TABLE].value.columns}  # type: ignore[union-attr]
            lineage = event.metadata["dagster/column_lineage"].value.deps_by_column  # type: ignore[union-attr]
            assert columns.keys() == lineage.keys(), key
            assert not [name for name, column in columns.items() if not column.description or column.type == "any"], key
            assert "| --- |" in str(event.metadata["preview"].value) or not once[".".join(key.path)]
    amount = {(dep.asset_key.path[0], dep.column_name) for dep in _lineage(first[-1], "catalog__price_claim")["amount"]}
    assert amount == {("history", "amount")}
    served_amount = {(dep.asset_key.path[0], dep.column_name) for dep in _lineage(first[-1], "catalog__price_span")["amount"]}
    assert served_amount >= {("history", "amount"), ("gate", "from_amount")}


def _lineage(result: dg.ExecuteInProcessResult, node: str) -> Any:
    [event] = result.asset_materializations_for_node(node)
    return event.metadata["dagster/column_lineage"].value.deps_by_column  # type: ignore[union-attr]


def test_a_failing_test_of_a_schema_file_is_a_failed_check_and_blocks_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with psycopg.connect(plain(url)) as connection:
        for meter in ("wishes", "input"):
            connection.execute(
                "insert into history.price (source, key_id, seen, digest, provider, listed_id, meter, service_tier, prompt_above_tokens,"
                " time_window, region, detail, currency, state, amount) values ('feed', hashtext(%(meter)s), '[2026-01-01,)', '', 'host', 'm',"
                " %(meter)s, 'standard', 0, '', '', '', 'USD', 'paid', 1)",
                {"meter": meter},
            )
            connection.execute(
                "insert into history.listing (source, key_id, seen, digest, provider, listed_id, input_modalities, output_modalities,"
                " capabilities, extra) values ('feed', 1, '[2026-01-01,)', '', 'host', 'm', '{}', '{}', '{}', '{}') on conflict do nothing"
            )
    assert "wishes" not in METERS
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_derived(instance, derived())
    assert result.success
    assert len(result.get_asset_materialization_events()) == len(derived())
    found = [one for one in result.get_asset_check_evaluations() if one.asset_key.path == ["catalog", "price_claim"]]
    [failed] = [one for one in found if one.check_name == "meter_is_in_catalog_meter"]
    assert {one.check_name for one in found if not one.passed} == {failed.check_name, "per_is_not_null"}
    assert (failed.severity, failed.blocking, failed.metadata["failing"].value) == (dg.AssetCheckSeverity.ERROR, False, 1)
    assert "schema.yml" in str(failed.description)
    assert "wishes" in str(failed.metadata["first_failures"].value)


def test_a_part_of_the_checks_can_run_alone(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    price = dg.AssetKey(["catalog", "price"])
    wanted = [dg.AssetCheckKey(price, "meter_is_not_null"), dg.AssetCheckKey(price, "rows_are_unique")]
    alone = dg.define_asset_job("alone", selection=dg.AssetSelection.checks(*wanted))
    job = dg.Definitions.merge(defs, dg.Definitions(jobs=[alone])).resolve_job_def("alone")
    result = job.execute_in_process(run_config=QUIET)
    assert {one.asset_check_key for one in result.get_asset_check_evaluations()} == set(wanted)
    assert all(one.passed for one in result.get_asset_check_evaluations())
    assert result.get_asset_materialization_events() == []
