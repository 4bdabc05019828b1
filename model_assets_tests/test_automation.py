"""What happens by itself, asked tick by tick: schedules, the watched folder, what follows the ledger, lateness."""

import os
import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import islice, pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._daemon.sensor import MIN_INTERVAL_LOOP_TIME
from dagster._utils.schedules import cron_string_iterator

from model_assets.automation import judge_freshness, keys_of, read_now, recordings_to_load, schedules, sensors
from model_assets.definitions import defs
from model_assets.ledger.observations import record
from model_assets.resources import Postgres
from model_assets.settings import BUNDLED_RECORDINGS, read_settings
from model_assets.sources import SOURCES, of_kind

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
NIGHT = datetime(2026, 5, 20, 2, 0, tzinfo=UTC)
OPENROUTER = SOURCES["openrouter"]


def schedule(name: str, **environment: str) -> dg.ScheduleDefinition:
    return next(one for one in schedules(read_settings(environment)) if one.name == name)


def tick(found: dg.ScheduleDefinition, at: datetime) -> Sequence[dg.RunRequest]:
    """What a schedule starts at an instant, as the daemon resolves it."""
    context = dg.build_schedule_context(scheduled_execution_time=at, repository_def=defs.get_repository_def())
    return found.evaluate_tick(context).run_requests or []


# --- schedules ---


def test_every_night_starts_a_run_per_source_for_the_day_it_is() -> None:
    runs = tick(schedule("every_night"), NIGHT)
    assert [request.tags["source"] for request in runs] == [source.name for source in read_now(SOURCES)]
    assert "artificial_analysis" not in {request.tags["source"] for request in runs}  # it is off: no key is set
    for request in runs:
        assert request.partition_key == "2026-05-20"
        assert request.asset_selection == keys_of(SOURCES[request.tags["source"]])
        assert request.run_config == {"ops": {f"raw__{request.tags['source']}": {"config": {"live": True}}}}
    assert len({request.run_key for request in runs}) == len(runs)


def test_the_day_of_a_night_is_the_utc_day_whatever_the_zone_of_the_clock() -> None:
    at = datetime(2026, 5, 19, 23, 30, tzinfo=UTC).astimezone(timezone(timedelta(hours=9)))
    assert at.day == 20
    assert {request.partition_key for request in tick(schedule("every_night"), at)} == {"2026-05-19"}


def test_every_day_of_four_hundred_has_its_partition_whatever_the_zone_of_the_clock() -> None:
    """Over a leap day, two changes to summer time and back, and two ends of a year."""
    night, zones = schedule("every_night"), [ZoneInfo(name) for name in ("UTC", "Pacific/Kiritimati", "America/New_York", "Europe/Berlin")]
    ticks = cron_string_iterator(datetime(2027, 12, 1, tzinfo=UTC).timestamp(), str(night.cron_schedule), night.execution_timezone)
    partitions = []
    for number, at in enumerate(islice(ticks, 400)):
        runs = tick(night, at.astimezone(zones[number % len(zones)]))
        [partition] = {request.partition_key for request in runs}
        partitions.append(partition)
    assert "2028-02-29" in partitions
    assert partitions == [f"{date(2027, 12, 1) + timedelta(days=number)}" for number in range(400)]


def test_the_same_tick_has_the_same_keys_and_no_other_tick_has_them() -> None:
    night, prices = schedule("every_night"), schedule("prices_every_few_hours")
    keys = [{request.run_key for request in tick(one, at)} for one in (night, prices) for at in (NIGHT, NIGHT + timedelta(days=1))]
    assert keys[0] == {request.run_key for request in tick(night, NIGHT)}
    assert sum(len(found) for found in keys) == len(set().union(*keys))


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("every_night", "MODEL_SYNC_ENABLED"),
        ("prices_every_few_hours", "PRICING_SYNC_ENABLED"),
        ("freshness_every_hour", "MODEL_SYNC_ENABLED"),
    ],
)
def test_the_environment_switches_a_schedule_off(name: str, variable: str) -> None:
    assert schedule(name).default_status == dg.DefaultScheduleStatus.RUNNING
    assert schedule(name, **{variable: "false"}).default_status == dg.DefaultScheduleStatus.STOPPED


def test_the_environment_says_when_a_schedule_ticks_always_in_utc() -> None:
    assert {one.execution_timezone for one in schedules(read_settings({}))} == {"UTC"}
    assert schedule("every_night").cron_schedule == "0 2 * * *"
    assert schedule("every_night", MODEL_SYNC_SCHEDULE="30 4 * * 1-5").cron_schedule == "30 4 * * 1-5"
    assert schedule("prices_every_few_hours").cron_schedule == "30 */6 * * *"


@pytest.mark.parametrize("hours", [1, 2, 3, 4, 6, 8, 12, 24])
def test_prices_are_read_every_so_many_hours_of_the_day(hours: int) -> None:
    prices = schedule("prices_every_few_hours", PRICING_SYNC_INTERVAL_HOURS=str(hours))
    found = cron_string_iterator(NIGHT.timestamp(), str(prices.cron_schedule), "UTC")
    times = [next(found) for _ in range(26)]
    assert {later - sooner for sooner, later in pairwise(times)} == {timedelta(hours=hours)}
    assert times[0].minute == 30  # not when the nightly schedule ticks


def test_prices_are_a_run_per_source_of_the_same_chain() -> None:
    runs = tick(schedule("prices_every_few_hours"), datetime(2026, 5, 20, 18, 0, tzinfo=UTC))
    assert [(one.partition_key, list(one.asset_selection or [])) for one in runs] == [
        ("2026-05-20", keys_of(s)) for s in of_kind("prices").values()
    ]


def test_lateness_is_looked_at_every_hour_by_a_job_that_holds_that_check_of_every_source(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    hourly = schedule("freshness_every_hour")
    assert (hourly.job_name, hourly.cron_schedule) == ("check_freshness", "20 * * * *")
    result = defs.resolve_job_def("check_freshness").execute_in_process(run_config=QUIET)
    room, found = split(result.get_asset_check_evaluations(), "database_has_room")
    assert [one.passed for one in room] == [True]
    off = {name: source.why_off() is not None for name, source in SOURCES.items()}
    assert {one.asset_key.path[1]: one.passed for one in found} == off
    assert (
        "was never observed. Run `model-assets sync litellm`." in {one.asset_key.path[1]: str(one.description) for one in found}["litellm"]
    )


def split(found: Sequence[dg.AssetCheckEvaluation], name: str) -> tuple[list[dg.AssetCheckEvaluation], list[dg.AssetCheckEvaluation]]:
    """(the evaluations of the check of this name, all others)."""
    return [one for one in found if one.check_name == name], [one for one in found if one.check_name != name]


# --- requests ---


def test_a_request_is_seen_whenever_the_daemon_looks_at_its_sensors() -> None:
    interval = defs.resolve_sensor_def("sync_requests").minimum_interval_seconds
    assert interval is not None
    assert 0 < interval < MIN_INTERVAL_LOOP_TIME  # as long as that, every other look comes a little too early


# --- lateness ---


@pytest.mark.parametrize(
    ("hours", "fresh"),
    [(0, True), (-0.05, True), (35.9, True), (36, True), (36.1, False), (24 * 400, False), (None, False)],
)
def test_a_source_is_fresh_up_to_its_limit(hours: float | None, fresh: bool) -> None:
    assert OPENROUTER.freshness_hours == 36
    result = judge_freshness(OPENROUTER, None if hours is None else NIGHT - timedelta(hours=hours), NIGHT)
    assert (result.passed, result.severity) == (fresh, dg.AssetCheckSeverity.WARN)
    assert bool(result.description) is not fresh
    assert hours is None or result.metadata["age_hours"].value == round(hours, 2)


def test_a_backfill_of_an_old_day_makes_nothing_fresh_and_a_refused_payload_neither(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    sync = defs.resolve_job_def("sync")
    result = sync.execute_in_process(
        run_config=QUIET, partition_key="2026-05-18", asset_selection=keys_of(OPENROUTER), raise_on_error=False
    )
    assert result.success
    [check] = [one for one in result.get_asset_check_evaluations() if one.check_name == "source_is_fresh"]
    assert not check.passed
    with Postgres(url=url).begin() as connection:
        record(connection, "openrouter", datetime.now(UTC), b"{}", url="", origin="live")
    result = defs.resolve_job_def("check_freshness").execute_in_process(run_config=QUIET)
    _, found = split(result.get_asset_check_evaluations(), "database_has_room")
    assert not any(one.passed for one in found if SOURCES[one.asset_key.path[1]].why_off() is None)


# --- the watched folder ---


def watch(cursor: str | None) -> Any:
    """A tick of the sensor, as the daemon sees it."""
    context = dg.build_sensor_context(cursor=cursor, repository_def=defs.get_repository_def())
    return defs.resolve_sensor_def("new_recordings").evaluate_tick(context)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    watched = tmp_path / "watched"
    watched.mkdir()
    monkeypatch.setenv("MODEL_WATCH_FOLDER", str(watched))
    return watched


def put(folder: Path, source: str, *names: str) -> None:
    (folder / source).mkdir(exist_ok=True)
    for name in names:
        shutil.copy(BUNDLED_RECORDINGS / source / name, folder / source / name)


def started(result: Any) -> list[tuple[str, str]]:
    return [(request.tags["source"], request.partition_key) for request in result.run_requests or []]


def test_without_a_folder_nothing_is_watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert watch(None).skip_message == "MODEL_WATCH_FOLDER names no folder to watch."
    monkeypatch.setenv("MODEL_WATCH_FOLDER", str(tmp_path / "gone"))
    assert watch(None).skip_message == f"MODEL_WATCH_FOLDER is {tmp_path / 'gone'}, which is no folder; make it, or name another."


def test_the_sensor_is_on_where_a_folder_is_named(tmp_path: Path) -> None:
    def status(**environment: str) -> list[dg.DefaultSensorStatus]:
        return [
            sensor.default_status for sensor in sensors(read_settings(environment)) if sensor.name in ("new_recordings", "catalog_follows")
        ]

    running, stopped = dg.DefaultSensorStatus.RUNNING, dg.DefaultSensorStatus.STOPPED
    assert status() == [stopped, running]
    assert status(MODEL_WATCH_FOLDER=str(tmp_path)) == [running, running]


def test_new_recordings_start_a_run_per_source_and_day_once_and_again_when_a_file_changes(folder: Path) -> None:
    assert watch(None).skip_message == f"Nothing new in {folder}."
    put(folder, "openrouter", "2026-05-19T0200Z.json.gz", "2026-05-19T1400Z.json.gz", "2026-05-20T0200Z.json.gz")
    put(folder, "litellm", "2026-05-19T0200Z.json.gz")
    first = watch(None)
    assert started(first) == [("litellm", "2026-05-19"), ("openrouter", "2026-05-19"), ("openrouter", "2026-05-20")]
    for request in first.run_requests:
        assert set(keys_of(SOURCES[request.tags["source"]])) == set(request.asset_selection)
        assert request.run_config["ops"][f"raw__{request.tags['source']}"]["config"] == {"live": False}
    assert watch(first.cursor).skip_message == f"Nothing new in {folder}."

    put(folder, "openrouter", "2026-05-18T0200Z.json.gz")
    second = watch(first.cursor)
    assert started(second) == [("openrouter", "2026-05-18")]

    changed = folder / "openrouter" / "2026-05-19T1400Z.json.gz"
    os.utime(changed, (changed.stat().st_atime, changed.stat().st_mtime + 1))
    third = watch(second.cursor)
    assert started(third) == [("openrouter", "2026-05-19")]
    assert {one.run_key for one in third.run_requests}.isdisjoint(one.run_key for one in first.run_requests)
    assert watch(third.cursor).run_requests in (None, [])


def test_a_file_that_is_gone_starts_nothing(folder: Path) -> None:
    put(folder, "openrouter", "2026-05-18T0200Z.json.gz", "2026-05-19T0200Z.json.gz")
    requests, seen = recordings_to_load(folder, {})
    assert len(requests) == len(seen) == 2
    (folder / "openrouter" / "2026-05-18T0200Z.json.gz").unlink()
    assert recordings_to_load(folder, seen)[0] == []


def test_unknown_sources_and_files_that_are_no_recordings_start_nothing(folder: Path) -> None:
    put(folder, "openrouter", "2026-05-18T0200Z.json.gz")
    (folder / "openrouter" / "2026-05-18T0200Z.json.gz").rename(folder / "openrouter" / "notes.txt")
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "2026-05-18T0200Z.json.gz").write_bytes(b"")
    assert watch(None).skip_message == f"Nothing new in {folder}."


@pytest.mark.parametrize("instant", ["2023-12-31T0200Z", "2031-01-01T0200Z"])
def test_a_recording_of_a_day_that_has_no_partition_does_not_keep_the_others_waiting(folder: Path, instant: str) -> None:
    put(folder, "openrouter", "2026-05-18T0200Z.json.gz")
    shutil.copy(folder / "openrouter" / "2026-05-18T0200Z.json.gz", folder / "openrouter" / f"{instant}.json.gz")
    assert started(watch(None)) == [("openrouter", "2026-05-18")]
    assert recordings_to_load(folder, {})[1].keys() == {"openrouter/2026-05-18T0200Z.json.gz"}  # the other is new again on its day


def test_a_run_for_new_recordings_reads_them_and_asks_no_source_even_today(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    just_now = datetime.now(UTC)
    put(folder, "openrouter", "2026-05-18T0200Z.json.gz")
    (folder / "openrouter" / "2026-05-18T0200Z.json.gz").rename(folder / "openrouter" / f"{just_now:%Y-%m-%dT%H%M%S}Z.json.gz")
    [request] = watch(None).run_requests
    result = defs.resolve_job_def("sync").execute_in_process(
        run_config=QUIET | request.run_config,
        partition_key=request.partition_key,
        asset_selection=request.asset_selection,
        tags=request.tags,
    )
    assert result.success
    assert request.partition_key == just_now.date().isoformat()
    [payloads] = [event.metadata["payloads"] for event in result.asset_materializations_for_node("raw__openrouter")]
    assert [row.data["origin"] for row in payloads.records] == ["recording"]  # type: ignore[union-attr]


# --- what follows the ledger ---


def test_the_sensor_of_what_follows_is_on_and_looks_at_all_that_is_derived() -> None:
    follows = defs.resolve_sensor_def("catalog_follows")
    assert follows.default_status == dg.DefaultSensorStatus.RUNNING
    graph = defs.resolve_asset_graph()
    looked_at = follows.asset_selection.resolve(graph)  # type: ignore[union-attr]
    assert {key.path[0] for key in looked_at} == {"identity", "gate", "catalog", "access"}
    assert [key for key in looked_at if graph.get(key).automation_condition is None] == []


def below(key: dg.AssetKey) -> set[dg.AssetKey]:
    """All that is made out of an asset, and not the asset."""
    return dg.AssetSelection.assets(key).downstream(include_self=False).resolve(defs.resolve_asset_graph())


def test_catalog_follows_a_history_although_most_days_are_missing() -> None:
    selection = dg.AssetSelection.groups("identity", "gate", "catalog", "access")
    decided = (
        "listing_rule",
        "listing_access",
        "free_models",
        "pro_models",
        "enterprise_models",
        "offer_access",
        "decision",
        "model_access",
    )
    served = ("model_card", "offer_card", "provider_card", "model_sellers", "openrouter_card", "base_price_span", "seller_span")
    below_policy = {f"access/{name}" for name in decided} | {f"catalog/{name}" for name in served}
    below_history = {
        f"catalog/{name}" for name in ("listing", "price_claim", "price_change", "price_span", "price", "dispute", "model", "source_health")
    }
    below_history |= {"identity/link", "gate/held_change", "access/listing_terms"}
    cursor: Any = None

    with dg.DagsterInstance.ephemeral() as instance:

        def ticks() -> set[str]:
            """What one tick of the sensor asks for; it is materialised then."""
            nonlocal cursor
            found = dg.evaluate_automation_conditions(defs, instance, selection, evaluation_time=datetime.now(UTC), cursor=cursor)
            cursor = found.cursor
            asked = {key for key in selection.resolve(defs.resolve_asset_graph()) if found.get_num_requested(key)}
            for key in asked:
                instance.report_runless_asset_event(dg.AssetMaterialization(key))
            return {key.to_user_string() for key in asked}

        assert ticks() == {"access/policy"}  # on a new machine; what is a view needs nobody
        assert ticks() == below_policy
        assert ticks() == set()
        instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey(["history", "openrouter"]), partition="2026-05-19"))
        asked = ticks()
        assert asked >= below_history | below_policy
        assert asked == {key.to_user_string() for key in below(dg.AssetKey(["history", "openrouter"]))}
        assert ticks() == set()
        instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey(["staged", "openrouter"]), partition="2026-05-20"))
        assert ticks() == set()
