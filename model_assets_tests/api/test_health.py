"""Health, readiness and metrics, over real HTTP and a real database."""

import time
from datetime import UTC, datetime

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from model_assets.api import metrics as api_metrics
from model_assets.api.figures import KEPT, Figures
from model_assets.api.metrics import Metrics
from model_assets.api.ready import Readiness
from model_assets.api.routes import ROUTERS
from model_assets.database import dagster_url, plain
from model_assets.settings import read_settings
from model_assets.sources import SOURCES
from model_assets_tests.api.conftest import Api, serving

KEY = "an admin key of the tests"
HEARTBEATS = "create table if not exists daemon_heartbeats (daemon_type text primary key, body text)"
PARTS = ("SCHEDULER", "SENSOR", "ASSET", "QUEUED_RUN_COORDINATOR", "MONITORING")


def test_health_is_200_with_the_version_and_head_works(api: Api) -> None:
    for path in ("/health", "/healthz"):
        said = api.get(path)
        assert (said["status"], said["version"]) == ("healthy", "0.1.0")
        head = api.client().head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert api.client().post(path).status_code == 405


def test_readiness_names_each_part_and_wants_the_daemons_heart(own_api: Api, server: str) -> None:
    clock = [0.0]
    readiness = Readiness(read_settings({}), own_api.app.state.parts.database, lambda: clock[0])
    own_api.app.state.parts.readiness = readiness
    never = own_api.client().get("/readyz")
    assert never.status_code == 503
    assert never.json()["error"]["details"] == {
        "database": "ok", "revision": "ok", "published": "ok", "daemon": "never ran here: start `model-assets up`",
    }  # fmt: skip
    assert own_api.client().get("/readyz?without_daemon=true").status_code == 200
    assert own_api.client().get("/readyz?without_deamon=true").status_code == 422

    name = plain(dagster_url(own_api.url)).rpartition("/")[2]
    try:
        with psycopg.connect(server.format(name=name)) as dagster:
            dagster.execute(HEARTBEATS)
            beat = f'{{"timestamp": {datetime.now(UTC).timestamp()}}}'
            dagster.cursor().executemany("insert into daemon_heartbeats values (%s, %s)", [(part, beat) for part in PARTS])
        assert own_api.client().get("/readyz").status_code == 503, "an answer is kept for a second"
        clock[0] = 2
        assert own_api.get("/readyz")["parts"] == dict.fromkeys(("database", "revision", "published", "daemon"), "ok")
        with psycopg.connect(server.format(name=name)) as dagster:
            old = f'{{"timestamp": {datetime.now(UTC).timestamp() - 600}}}'
            dagster.execute("update daemon_heartbeats set body = %s where daemon_type = 'SENSOR'", [old])
        clock[0] = 4
        assert "silent for 10 minutes (SENSOR)" in own_api.client().get("/readyz").json()["error"]["message"]
    finally:
        with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
            admin.execute(f'drop database "{name}" with (force)'.encode())

    with own_api.connect() as connection:
        connection.execute("update ops.alembic_version set version_num = '0006'")
    clock[0] = 6
    assert "revision: 0006; this version needs" in own_api.client().get("/readyz?without_daemon=true").json()["error"]["message"]


def test_a_database_without_tables_is_not_ready_and_says_what_to_do(server: str) -> None:
    name = f"bare_{time.monotonic_ns()}"
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(f'create database "{name}"'.encode())
        try:
            with serving(server.format(name=name).replace("postgresql://", "postgresql+psycopg://")) as api:
                error = api.client().get("/readyz").json()["error"]
                assert "run `model-assets migrate`" in error["details"]["revision"]
                assert api.client().get("/api/v1/models").status_code == 503
        finally:
            admin.execute(f'drop database "{name}" with (force)'.encode())


def test_metrics_are_for_this_machine_an_admin_and_who_has_the_key(server: str, own_api: Api) -> None:
    with serving(own_api.url, ADMIN_KEY=KEY) as api:
        assert api.client().get("/metrics").status_code == 200
        elsewhere = {"X-Forwarded-For": "192.0.2.7"}
        tokens = {tier: f"Bearer {api.token(f'metrics {tier}', tier)}" for tier in ("free", "enterprise", "admin")}
        said = {
            None: 401,
            f"Bearer {KEY}": 200,
            "Bearer wrong": 401,
            **{tokens["free"]: 403, tokens["enterprise"]: 403, tokens["admin"]: 200},
        }
        for authorization, status in said.items():
            headers = {**elsewhere, **({"Authorization": authorization} if authorization else {})}
            with httpx.Client(base_url=api.address, headers=headers, trust_env=False) as client:
                assert client.get("/metrics").status_code == status
                assert client.head("/metrics").status_code == status


def test_figures_are_those_of_the_database(own_api: Api) -> None:
    with own_api.connect() as connection:
        connection.execute(
            "insert into ops.sync_run (source, day, started_by, status, started_at, finished_at, listings) values"
            " ('openrouter', '2026-01-01', 'dagster run 1', 'failed', now() - interval '8 seconds', now(), 3),"
            " ('openrouter', '2026-01-02', 'somebody', 'running', now() - interval '1 day', null, 0),"
            " ('a source that is no more', '2026-01-02', 'somebody', 'failed', now(), now(), 0)"
        )
        connection.execute("insert into ops.move (relation) values ('a test')")
        expected = connection.execute(
            "select (select count(*) from ops.held_change where outcome = 'open' and kind = 'held'),"
            " (select count(*) from catalog.dispute where closed_at is null),"
            " (select listings from catalog.source_health where source = 'openrouter'), (select version from catalog.published)"
        ).fetchone()
    found = read(own_api)
    names = ("model_assets_held_changes", "model_assets_open_disputes", 'model_assets_source_listings{source="openrouter"}')
    assert expected is not None
    assert tuple(found[name] for name in (*names, "model_assets_published_version")) == expected
    assert found['model_assets_sync_runs{source="openrouter",status="failed"}'] == 1
    assert found['pricing_scheduled_sync_runs_total{status="failed"}'] == 1
    assert found["pricing_scheduled_sync_duration_seconds_sum"] == pytest.approx(8)
    assert found["model_assets_stuck_syncs"] == 1
    assert found["model_assets_unpublished_moves"] >= 1
    assert not any("no more" in name for name in found)
    assert {name for name in found if name.startswith("pricing_last_sync_timestamp")}


def test_series_stay_below_500_whatever_is_asked_and_however_many_models_there_are(own_api: Api) -> None:
    rows = [
        {"source": source, "listings": 1, "prices": 1, "quarantined": 1, "refused": 1, "age": 1.0, "success": 1.0} for source in SOURCES
    ]
    runs = [
        {"source": source, "status": status, "runs": 1, "scheduled": 1, "seconds": 1.0, "scheduled_seconds": 1.0, "listings": 1}
        for source in SOURCES
        for status in ("running", "succeeded", "failed", "refused", "abandoned")
    ]
    figures = Figures(lambda *_: None, frozenset(SOURCES))
    figures._known, figures._asked = {"sources": rows, "runs": runs, **dict.fromkeys(SINGLE, 1)}, time.monotonic() + 1e6
    full = Metrics([figures])
    routes = [route for router in ROUTERS for route in router.routes]
    full.know(routes)
    for route in (*(getattr(route, "path", "") for route in routes), *(f"/made-up/{number}" for number in range(10_000))):
        for status in (200, 201, 304, 400, 404, 499, 500, 503):
            full.observe("GET", route, status, 0.01)
    lines = [line for line in full.text().decode().splitlines() if not line.startswith("#")]
    assert 300 < len(lines) < 500
    assert api_metrics.OTHER in full.text().decode()


SINGLE = ("held", "disputes", "stuck", "moved", "version", "published")


def test_the_database_is_asked_for_figures_once_in_ten_seconds_and_its_absence_is_a_figure() -> None:
    asked: list[str] = []

    def down(statement: str, bound: dict[str, object]) -> str | None:
        asked.append(statement)
        return None

    metrics = Metrics([Figures(down, frozenset(SOURCES))])
    for _ in range(3):
        assert "model_assets_database_up 0.0" in metrics.text().decode()
    assert len(asked) == 1
    assert KEPT == 10


def read(api: Api) -> dict[str, float]:
    """The samples of /metrics, each by its name with labels."""
    found = {}
    for family in text_string_to_metric_families(api.client().get("/metrics").text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found
