"""`model-assets status`, as a monitor asks it: 0 where all is well, 1 with a line for each thing that is not."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text

from model_assets import dagster_home
from model_assets.attempts import begin
from model_assets.database import connect, dagster_url, plain
from model_assets.settings import read_settings
from model_assets.upkeep.heartbeats import daemon
from model_assets_tests.conftest import Run
from model_assets_tests.small_ledger import at, load, model, payload

Status = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture
def status(run: Run) -> Status:
    """Asks for the status of this test's ledger: (exit code, stdout, lines of stderr)."""

    def ask(*words: str) -> tuple[int, str, list[str]]:
        code, out, err = run("status", *words)
        return code, out, err.splitlines()

    return ask


@pytest.fixture
def heartbeat(url: str, dagster_too: None) -> Callable[[str, float], None]:
    """Writes a heartbeat of so many seconds ago, as a part of the daemon does, into Dagster's own database."""
    dagster_home.create_tables(dagster_home.prepare(read_settings({"DATABASE_URL": url}), url, {}))

    def beat(part: str, ago: float) -> None:
        when = datetime.now(UTC) - timedelta(seconds=ago)
        body = json.dumps(
            {"__class__": "DaemonHeartbeat", "timestamp": when.timestamp(), "daemon_type": part, "daemon_id": "x", "errors": []}
        )
        with psycopg.connect(plain(dagster_url(url)).replace("+psycopg2", "")) as connection:
            connection.execute(
                "insert into daemon_heartbeats (daemon_type, daemon_id, timestamp, body) values (%s, 'x', %s, %s)"
                " on conflict (daemon_type) do update set timestamp = excluded.timestamp, body = excluded.body",
                [part, when, body],
            )

    return beat


def fresh(url: str) -> None:
    """A ledger whose only source was read just now."""
    load(url, datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1), payload(model("lab/a")))


def test_all_is_well_where_each_source_that_is_read_is_fresh(url: str, status: Status) -> None:
    fresh(url)
    code, out, err = status()
    assert (code, err) == (0, [])
    assert "openrouter" in out
    found = json.loads(status("--json")[1])
    assert (found["ok"], found["problems"], found["overdue"], found["daemon"], found["disk"]) == (True, [], [], None, None)
    assert [row["source"] for row in found["sources"]] == ["openrouter"]


def test_a_late_source_is_wrong_and_so_is_one_that_was_tried_and_never_read(url: str, status: Status) -> None:
    load(url, at(0), payload(model("lab/a")))
    begin(url, "litellm", at(0).date(), "a test").finish("failed", ValueError("no such host"))
    code, _, err = status()
    assert code == 1
    assert len(err) == 2
    assert err[0].startswith("model-assets: litellm was never observed. Run `model-assets sync litellm`. Its last attempt: no such host")
    assert "openrouter was last observed" in err[1]
    assert "hours ago; 36 are allowed" in err[1]
    code, out, err = status("--json")
    assert (code, err, json.loads(out)["ok"], len(json.loads(out)["problems"])) == (1, [], False, 2)


def test_a_dead_daemon_is_wrong_unless_nobody_expects_one(url: str, status: Status, heartbeat: Callable[[str, float], None]) -> None:
    fresh(url)
    assert status()[0] == 0  # none ever ran here
    heartbeat("SCHEDULER", 20)
    heartbeat("SENSOR", 25)
    heartbeat("BACKFILL", 10**6)  # a part that is not in use
    code, out, _ = status("--json")
    assert code == 0
    assert json.loads(out)["daemon"]["dead"] == []
    heartbeat("SENSOR", 600)
    code, out, err = status()
    assert code == 1
    assert len(err) == 1
    assert err[0].startswith("model-assets: Dagster's daemon is silent for 10 minutes (SENSOR), so nothing happens by itself. Start")
    assert status("--without-daemon")[0] == 0


def test_a_dagster_home_of_the_callers_own_that_keeps_nothing_in_postgres_is_not_asked(url: str, tmp_path: object) -> None:
    (home := tmp_path).joinpath("dagster.yaml").write_text("telemetry: {enabled: false}\n")  # type: ignore[attr-defined]
    assert daemon(read_settings({"DATABASE_URL": url}), url, {"DAGSTER_HOME": str(home)}) is None


def test_a_living_sync_that_takes_too_long_is_wrong(url: str, status: Status) -> None:
    fresh(url)
    running = begin(url, "openrouter", at(0).date(), "a test")
    assert status()[0] == 0
    with connect(url) as connection:
        connection.execute(text("update ops.sync_run set started_at = now() - interval '2 hours' where status = 'running'"))
    code, _, [problem] = status()
    assert code == 1
    assert problem.startswith(f"model-assets: run {running.run_id} of openrouter for {at(0).date()} (a test) has been running since")
    assert "left alone" in problem
    running.finish("succeeded")
