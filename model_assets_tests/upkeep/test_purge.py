"""The purge: what nobody needs goes, what anybody needs stays, and nobody waits for it."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from sqlalchemy import text

from model_assets import cli, dagster_home
from model_assets.database import connect
from model_assets.resources import Postgres
from model_assets.settings import read_settings
from model_assets.upkeep.jobs import purge_every_night, purge_job
from model_assets.upkeep.purge import Purged, purge, purge_runs
from model_assets_tests.small_ledger import assert_sound, at, dump, load, model, payload, select
from model_assets_tests.test_attempts import DAY, states

DAILY = dg.DailyPartitionsDefinition("2026-01-01")


@dg.asset(partitions_def=DAILY, check_specs=[dg.AssetCheckSpec("is_well", asset="listed")])
def listed() -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True, check_name="is_well")])


@dg.asset
def broken() -> None:
    raise dg.Failure("on purpose")


def ran(instance: dg.DagsterInstance, asset: dg.AssetsDefinition, day: str | None = None) -> str:
    return dg.materialize([asset], instance=instance, partition_key=day, raise_on_error=False).run_id


def soon() -> datetime:
    """An instant before which all that has happened ended."""
    return datetime.now(UTC) + timedelta(minutes=1)


def test_old_runs_go_with_their_events_but_for_those_with_the_last_word_on_a_partition_or_check(instance: dg.DagsterInstance) -> None:
    first, other, second = (ran(instance, listed, day) for day in ("2026-01-01", "2026-01-02", "2026-01-01"))
    failed = ran(instance, broken)
    assert purge_runs(instance, datetime.now(UTC) - timedelta(days=1)) == 0
    assert purge_runs(instance, soon(), dry_run=True) == 2
    assert len(instance.get_run_ids()) == 4
    assert purge_runs(instance, soon()) == 2
    assert set(instance.get_run_ids()) == {other, second}
    assert all(instance.all_logs(run_id) == [] for run_id in (first, failed))
    assert instance.get_materialized_partitions(dg.AssetKey("listed")) == {"2026-01-01", "2026-01-02"}
    latest = instance.get_latest_materialization_event(dg.AssetKey("listed"))
    assert latest is not None
    assert latest.run_id == second
    check = dg.AssetCheckKey(dg.AssetKey("listed"), "is_well")
    history = instance.event_log_storage.get_asset_check_execution_history(check, limit=10)
    assert {record.run_id for record in history} == {other, second}
    assert purge_runs(instance, soon()) == 0


def test_a_run_that_goes_on_stays_however_old_it_is(instance: dg.DagsterInstance) -> None:
    job = dg.GraphDefinition("anything").to_job()
    for status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED):
        instance.create_run_for_job(job, status=status)
    assert purge_runs(instance, soon()) == 0
    assert len(instance.get_run_ids()) == 2


def test_the_logs_of_a_run_go_with_it(instance: dg.DagsterInstance) -> None:
    run_id = ran(instance, broken)
    folder = Path(instance.compute_log_manager._base_dir) / run_id  # type: ignore[attr-defined]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "out").write_text("said")
    assert purge_runs(instance, soon()) == 1
    assert not folder.exists()


def attempts(url: str, source: str, *told: tuple[str, int]) -> None:
    """Attempts of a source: (status, days ago)."""
    with connect(url) as connection:
        for status, days in told:
            connection.execute(
                text(
                    "insert into ops.sync_run (source, day, started_by, status, started_at, message)"
                    " values (:source, :day, 'a test', :status, now() - make_interval(days => :days), :days)"
                ),
                {"source": source, "day": DAY + timedelta(days=days), "status": status, "days": days},
            )


def test_old_attempts_go_but_for_the_last_of_each_source_its_last_success_and_those_that_run(url: str) -> None:
    attempts(url, "openrouter", ("running", 950), ("succeeded", 900), ("failed", 800), ("failed", 700), ("succeeded", 500), ("failed", 450))
    attempts(url, "litellm", ("succeeded", 600), ("succeeded", 20), ("failed", 366))
    settings = read_settings({})
    assert purge(url, None, settings, dry_run=True) == Purged(0, 5, 0)
    assert purge(url, None, settings) == Purged(0, 5, 0)
    left = select(url, "select source, status, cast(message as integer) from ops.sync_run order by source, started_at")
    assert left == [
        ("litellm", "succeeded", 20),
        ("openrouter", "running", 950),
        ("openrouter", "succeeded", 500),
        ("openrouter", "failed", 450),
    ]
    assert purge(url, None, settings) == Purged(0, 0, 0)
    assert purge(url, None, read_settings({"MODEL_SYNC_RETENTION_DAYS": "1"})) == Purged(0, 0, 0)


def test_many_old_attempts_go_in_several_transactions(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_assets.upkeep.purge.BATCH", 3)
    attempts(url, "openrouter", *(("failed", 400 + number) for number in range(8)), ("succeeded", 1))
    assert purge(url, None, read_settings({})) == Purged(0, 8, 0)
    assert states(url) == ["succeeded"]


def test_a_purge_takes_no_payload_no_verdict_and_no_claim(url: str) -> None:
    for step in range(3):
        load(url, at(step), payload(model("lab/a", f"0.00000{step + 1}")))
    load(url, at(3), payload(model("lab/a", "free")))
    books = "select (select count(*) from raw.body), (select count(*) from ops.observation), (select count(*) from ops.quarantine)"
    before, claims = select(url, books), dump(url)
    with connect(url) as connection:
        connection.execute(text("update ops.sync_run set started_at = started_at - interval '9 years'"))
        connection.execute(text("update raw.payload set recorded_at = recorded_at - interval '9 years'"))
    assert purge(url, None, read_settings({})).attempts == 3
    assert (select(url, books), dump(url)) == (before, claims)
    assert_sound(url)


def test_change_sets_that_were_never_merged_go_after_a_week(url: str) -> None:
    with connect(url) as connection:
        for days in (6, 8):
            connection.execute(
                text(
                    "insert into staged.change_set (source, observed_at, sha256, ledger_version, staged_at, added, changed, closed, listings,"
                    " prices, price_values, unmapped, drift, oddities) values ('openrouter', :at, '', 0, now() - make_interval(days => :days),"
                    " 0, 0, 0, 0, 0, 0, '{}', '{}', 0)"
                ),
                {"at": at(days), "days": days},
            )
    assert purge(url, None, read_settings({}), dry_run=True) == Purged(0, 0, 1)
    assert purge(url, None, read_settings({})) == Purged(0, 0, 1)
    assert select(url, "select observed_at from staged.change_set") == [at(6)]


def test_views_of_days_long_ago_become_one_row_of_their_year_and_none_is_lost(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_assets.upkeep.purge.BATCH", 7)
    with connect(url) as connection:
        connection.execute(
            text(
                "insert into access.view_count select (now() at time zone 'UTC')::date - n, model, 1 + n % 5"
                " from generate_series(395, 440) as n, unnest(array['lab/a', 'lab/b']) as model"
            )
        )
        connection.execute(text("insert into access.view_count values ('2020-01-01', 'lab/a', 3), ('2020-02-29', 'lab/a', 4)"))
    asked = (
        "select json_agg(sums order by model_id)::text from (select model_id, sum(views) as views,"
        " sum(views) filter (where day > (now() at time zone 'UTC')::date - 400) as lately from access.view_count group by 1) as sums"
    )
    before, settings = select(url, asked), read_settings({})
    old = "(select * from access.view_count where day < (now() at time zone 'UTC')::date - 400) as old"
    new_years_days = sum(select(url, f"select day = date_trunc('year', day::timestamp) from {old}"))
    wanted = len(select(url, f"select day from {old}")) - new_years_days
    assert purge(url, None, settings, dry_run=True).view_days == wanted > 70
    assert purge(url, None, settings).view_days == wanted
    assert select(url, asked) == before
    assert set(select(url, f"select extract(doy from day)::integer from {old}")) == {1}
    assert select(url, "select views from access.view_count where day = '2020-01-01'") == [7]
    assert len(select(url, "select day from access.view_count where day >= (now() at time zone 'UTC')::date - 400")) == 12
    assert purge(url, None, settings).view_days == 0


def test_syncs_and_purges_at_once_do_not_hinder_each_other(url: str) -> None:
    settings = read_settings({"MODEL_SYNC_RETENTION_DAYS": "1"})
    done, purged = threading.Event(), []

    def keep_purging() -> None:
        while not done.is_set():
            with connect(url) as connection:
                connection.execute(text("update ops.sync_run set started_at = started_at - interval '9 days' where status <> 'running'"))
            purged.append(purge(url, None, settings).attempts)

    with ThreadPoolExecutor(1) as pool:
        purger = pool.submit(keep_purging)
        try:
            for step in range(25):
                load(url, at(step), payload(model("lab/a", f"0.0000{step + 10}")))
        finally:
            done.set()
    purger.result()
    assert sum(purged) >= 1  # both were at work
    assert len(select(url, "select key_id from history.price where listed_id = 'lab/a' and meter = 'input'")) == 25
    assert_sound(url)


def test_a_row_that_somebody_is_at_work_on_is_left_for_the_next_time(url: str) -> None:
    attempts(url, "openrouter", ("failed", 500), ("failed", 400), ("succeeded", 1))
    with connect(url) as connection:
        connection.execute(text("select * from ops.sync_run where message = '500' for update"))
        assert purge(url, None, read_settings({})) == Purged(0, 1, 0)
    assert purge(url, None, read_settings({})) == Purged(0, 1, 0)


def test_the_job_purges_every_night_what_the_command_would(
    instance: dg.DagsterInstance, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (purge_every_night.cron_schedule, purge_every_night.default_status) == ("40 3 * * *", dg.DefaultScheduleStatus.RUNNING)
    attempts(url, "openrouter", ("failed", 400), ("succeeded", 1))
    run_id = ran(instance, broken)
    with psycopg.connect(instance_url(instance)) as connection:
        connection.execute(
            "update runs set update_timestamp = update_timestamp - interval '61 days', create_timestamp = create_timestamp - interval '61 days'"
        )
    with pytest.raises(SystemExit) as end:
        cli.main(["purge", "--dry-run", "--json"])
    assert not end.value.code
    assert json.loads(capsys.readouterr().out) == {
        "dry_run": True,
        "dagster_runs": 1,
        "attempts": 1,
        "change_sets": 0,
        "sync_requests": 0,
        "inbox": 0,
        "view_days": 0,
    }
    result = purge_job.execute_in_process(instance=instance, resources={"postgres": Postgres(url=url)})
    assert result.success
    assert run_id not in instance.get_run_ids()
    assert select(url, "select status from ops.sync_run") == ["succeeded"]
    with pytest.raises(SystemExit):
        cli.main(["purge"])
    assert (
        capsys.readouterr().out
        == "took away 0 of Dagster's runs, 0 attempts, 0 change sets, 0 requests for a sync, 0 lists handed over in SQL, 0 days of views\n"
    )


def instance_url(instance: dg.DagsterInstance) -> str:
    return str(instance.run_storage.postgres_url).replace("+psycopg2", "")  # type: ignore[attr-defined]


def test_where_dagster_was_never_run_nothing_of_it_is_made(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with dagster_home.opened(read_settings(), url) as opened:
        assert opened is None
    assert not (tmp_path / "home").exists()
