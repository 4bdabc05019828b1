"""Each fault put into a real ledger and real Dagster runs: a listener on loopback hears of it exactly once, and of its end."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from model_assets import attempts, loading
from model_assets.attempts import abandon_dead, attempt, begin
from model_assets.errors import BadRecording, FetchFailed
from model_assets.recording_files import find
from model_assets.sources import SOURCES
from model_assets_tests.alerts.world import QUIET, World
from model_assets_tests.test_source_assets import DAY, LITELLM, MODELS, OPENROUTER, recording, run

TODAY = date(2026, 5, 20)


def checked(
    here: World, passes: list[bool], severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN, blocking: bool = False
) -> Callable[[], bool]:
    """A run of an asset and its check, which passes or not as `passes` says, call by call."""
    key = dg.AssetKey(["catalog", "thing"])

    @dg.asset(key=key, check_specs=[dg.AssetCheckSpec("it_holds", asset=key, blocking=blocking)])
    def thing() -> dg.MaterializeResult:
        result = dg.AssetCheckResult(
            passed=passes.pop(0), asset_key=key, check_name="it_holds", severity=severity, description="3 rows break it"
        )
        return dg.MaterializeResult(check_results=[result])

    return lambda: dg.materialize([thing], instance=here.instance, raise_on_error=False, run_config=QUIET).success


def failing(here: World, name: str = "broken", **tags: str) -> str:
    """A run of an asset that fails. Returns its id."""

    @dg.asset(key=["catalog", name])
    def broken() -> None:
        raise ValueError("disk on fire, password=canary-password")

    result = dg.materialize([broken], instance=here.instance, raise_on_error=False, tags=tags, run_config=QUIET)
    assert not result.success
    return result.run_id


# --- a clean day ---


def test_a_clean_day_raises_nothing(here: World) -> None:
    for source in (OPENROUTER, LITELLM):
        assert run(here.url, source, DAY, instance=here.instance).success
    assert checked(here, [True])()
    assert here.look() == []
    assert here.look(timedelta(hours=20)) == []
    assert here.listener.asked == 0


# --- checks ---


@pytest.mark.parametrize("severity", [dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR], ids=str)
@pytest.mark.parametrize("blocking", [False, True])
def test_a_failed_check_is_told_once_until_it_passes_and_again_when_it_fails_anew(
    here: World, severity: dg.AssetCheckSeverity, blocking: bool
) -> None:
    night = checked(here, [False, False, True, True, False], severity, blocking)
    assert night() is not (blocking and severity == dg.AssetCheckSeverity.ERROR)
    assert here.look() == ["it_holds fails for catalog/thing"]
    assert here.look() == []
    night()
    assert here.look() == []
    night()
    assert here.look() == ["Over: it_holds fails for catalog/thing"]
    night()
    assert here.look() == []
    night()
    assert here.look() == ["it_holds fails for catalog/thing"]
    [text, *_] = [one["message"] for one in here.listener.messages]
    assert "3 rows break it" in text
    assert "What to do: Look at what the check lists" in text
    assert "https://ui.example/assets/catalog/thing?view=checks" in text


def test_a_check_that_fails_and_passes_between_two_looks_is_told_with_its_end(here: World) -> None:
    night = checked(here, [False, True])
    night()
    night()
    assert here.look() == ["1 warning, 1 notice"]


def test_checks_of_days_long_past_are_told_once_for_a_day_of_loading_and_end_nothing(here: World, tmp_path: Path) -> None:
    for day in ("2026-05-10", "2026-05-11"):
        recording(tmp_path / "files", f"{day}T0200Z", [*MODELS, {"id": "", "pricing": {}}])
        assert run(here.url, OPENROUTER, date.fromisoformat(day), instance=here.instance, folder=tmp_path / "files").success
    assert here.look() == ["rows_keep_contract fails for staged/openrouter (of 2026-05-10)"]
    assert run(here.url, OPENROUTER, DAY, instance=here.instance).success
    assert here.look() == []


def test_what_is_too_young_to_have_settled_is_told_by_a_later_look(here: World) -> None:
    failing(here)
    with pytest.raises(BadRecording), attempt(here.url, "litellm", DAY, "the command line"):
        raise BadRecording("the file is cut")
    assert here.look(-timedelta(seconds=30)) == []
    assert here.look() == ["2 errors"]


def test_a_long_log_is_read_in_parts_and_in_order(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_assets.alerts.dagster_log.AT_ONCE", 1)
    night = checked(here, [False, True, False])
    for _ in range(3):
        night()
    failing(here)
    for _ in range(12):
        here.look()
    assert [kind for kind, _ in here.alerts()] == ["check_failed", "over", "check_failed", "run_failed"]


# --- payloads and attempts ---


def test_a_refused_payload_is_one_alert_although_it_fails_checks_and_the_run(here: World, tmp_path: Path) -> None:
    recording(tmp_path / "files", "2026-05-18T0200Z", MODELS)
    recording(tmp_path / "files", "2026-05-19T0200Z", [{"id": "", "pricing": {}, "surprise": 1}])
    assert run(here.url, OPENROUTER, DAY, instance=here.instance, folder=tmp_path / "files").success
    result = run(here.url, OPENROUTER, date(2026, 5, 19), instance=here.instance, folder=tmp_path / "files")
    assert not result.success
    assert len([one for one in result.get_asset_check_evaluations() if not one.passed]) > 1
    assert here.look() == ["A payload of openrouter was refused"]
    assert "model-assets accept openrouter 2026-05-19T02:00Z" in here.listener.messages[0]["message"]
    recording(tmp_path / "files", "2026-05-20T0200Z", [])
    assert not run(here.url, OPENROUTER, TODAY, instance=here.instance, folder=tmp_path / "files").success
    assert here.look() == []  # a second one of the same day
    here.change("update ops.alert_watch set since = now() - interval '30 hours' where name = 'books'")
    assert here.look(timedelta(hours=10)) == []  # nor is the source late for another reason than was told
    assert here.look(timedelta(hours=37)) == ["openrouter is late"]  # but for a day and a half nothing was even tried


def test_a_payload_refused_on_the_command_line_is_the_same_alert(here: World, tmp_path: Path) -> None:
    recording(tmp_path / "files", "2026-05-18T0200Z", b"<html>")
    [report] = loading.import_recordings(here.url, find(tmp_path / "files", SOURCES).recordings, lambda _: None)
    assert report.errors
    assert here.look() == ["A payload of openrouter was refused"]


def test_a_source_that_cannot_be_synced_is_told_once_until_it_can(here: World) -> None:
    missing = date(2026, 4, 1)
    assert not run(here.url, OPENROUTER, missing, instance=here.instance).success
    assert here.look() == ["openrouter could not be synced"]
    assert not run(here.url, OPENROUTER, missing, instance=here.instance).success
    assert here.look() == []
    with pytest.raises(FetchFailed), attempt(here.url, "openrouter", DAY, "the command line"):
        raise FetchFailed("https://openrouter.ai does not answer", "timeout")
    assert here.look() == []
    assert here.look(timedelta(hours=40)) == []
    assert run(here.url, OPENROUTER, DAY, instance=here.instance).success
    assert here.look() == ["Over: openrouter could not be synced"]
    assert "Put a recording of that day" in here.listener.messages[0]["message"]


def test_a_success_before_a_failure_does_not_end_it(here: World) -> None:
    assert run(here.url, OPENROUTER, DAY, instance=here.instance).success
    assert not run(here.url, OPENROUTER, date(2026, 4, 1), instance=here.instance).success
    assert here.look() == ["openrouter could not be synced"]


def test_a_failed_attempt_of_the_command_line_is_told_without_dagster(here: World) -> None:
    with pytest.raises(BadRecording), attempt(here.url, "litellm", DAY, "the command line"):
        raise BadRecording("the file is cut, see https://me:canary-word@files.example/?token=canary-token")
    assert here.look() == ["litellm could not be synced"]
    assert here.look() == []
    assert "canary" not in json.dumps(here.listener.messages)
    assert here.ask("select text from ops.alert where text like '%canary%'") == []


@pytest.mark.parametrize("wish", [KeyboardInterrupt(), attempts.Fenced("another run took over")], ids=["interrupted", "fenced"])
def test_what_somebody_wished_is_no_fault(here: World, wish: BaseException) -> None:
    with pytest.raises(type(wish)), attempt(here.url, "litellm", DAY, "the command line"):
        raise wish
    assert here.look() == []


def test_an_abandoned_sync_is_told_once(here: World) -> None:
    begin(here.url, "openrouter", DAY, "the command line").let_go()  # its session ended without a word
    assert len(abandon_dead(here.url)) == 1
    assert here.look() == ["A sync of openrouter was abandoned"]
    assert here.look() == []


def test_a_run_whose_process_died_is_told_once_as_abandoned(here: World) -> None:
    run_id = failing(here, "cut", source="openrouter")
    begin(here.url, "openrouter", DAY, "dagster run", run_id).let_go()
    failing_run = here.instance.get_run_by_id(run_id)
    assert failing_run is not None
    assert [title for title in here.look() if "catalog" not in title] == []
    abandon_dead(here.url)
    assert here.look() == ["A sync of openrouter was abandoned"]


def test_an_attempt_that_hangs_is_told_once_and_its_end(here: World) -> None:
    running = begin(here.url, "openrouter", DAY, "the command line")
    assert here.look(timedelta(minutes=40)) == []
    assert here.look(timedelta(minutes=50)) == ["A sync of openrouter hangs"]
    assert here.look(timedelta(minutes=60)) == []
    running.finish("succeeded")
    assert here.look(timedelta(minutes=60)) == ["Over: A sync of openrouter hangs"]


# --- runs ---


def test_a_run_that_failed_for_good_is_told_once_until_its_step_succeeds(here: World) -> None:
    failing(here)
    assert here.look() == ["catalog/broken failed"]
    failing(here)
    assert here.look() == []
    assert "disk on fire, password=***" in here.listener.messages[0]["message"]

    @dg.asset(key=["catalog", "broken"])
    def broken() -> None:
        pass

    assert dg.materialize([broken], instance=here.instance, run_config=QUIET).success
    assert here.look() == ["Over: catalog/broken failed"]


def test_a_run_that_will_be_retried_is_not_told(here: World) -> None:
    failing(here, **{"dagster/will_retry": "true"})
    assert here.look() == []


def test_a_cancelled_run_is_told_once(here: World) -> None:
    @dg.job
    def waits() -> None:
        pass

    run_id = here.instance.create_run_for_job(waits).run_id
    found = here.instance.get_run_by_id(run_id)
    assert found is not None
    here.instance.report_run_canceled(found)
    assert here.look() == ["A run of waits was cancelled"]
    assert here.look() == []
    assert f"https://ui.example/runs/{run_id}" in here.listener.messages[0]["message"]


def test_a_run_that_could_not_start_is_told_once(here: World) -> None:
    @dg.job
    def waits() -> None:
        pass

    found = here.instance.create_run_for_job(waits)
    here.instance.report_run_failed(found)
    assert here.look() == ["A run of waits failed"]
    assert here.look() == []


def test_a_run_that_hangs_is_told_once_and_how_it_ended_and_not_that_it_failed_besides(here: World) -> None:
    started, go_on = threading.Event(), threading.Event()

    @dg.op
    def wait() -> None:
        started.set()
        assert go_on.wait(120)
        raise ValueError("given up")

    @dg.job
    def waits() -> None:
        wait()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(waits.execute_in_process, instance=here.instance, raise_on_error=False, run_config=QUIET)
        try:
            assert started.wait(120)
            assert here.look(timedelta(minutes=40)) == []
            assert here.look(timedelta(minutes=50)) == ["A run of waits hangs"]
            assert here.look(timedelta(minutes=60)) == []
        finally:
            go_on.set()
        assert not running.result(120).success
    assert here.look() == ["Over: A run of waits hangs"]
    assert "The run ended: failure." in here.listener.messages[-1]["message"]


def backfill(here: World, status: BulkActionStatus) -> None:
    here.instance.add_backfill(
        PartitionBackfill(
            "abcdef", status, from_failure=False, tags={}, backfill_timestamp=datetime.now(UTC).timestamp(), asset_selection=[]
        )
    )


def test_a_failed_backfill_is_one_alert_for_all_of_its_runs(here: World) -> None:
    for day in ("2026-04-01", "2026-04-02"):
        failing(here, **{"dagster/backfill": "abcdef", "dagster/partition": day})
    assert here.look() == []
    backfill(here, BulkActionStatus.COMPLETED_FAILED)
    assert here.look() == ["Backfill abcdef ended with failed runs"]
    assert here.look() == []
    assert "2 of its runs failed: 2026-04-01, 2026-04-02." in here.listener.messages[0]["message"]
    assert "https://ui.example/runs/b/abcdef" in here.listener.messages[0]["message"]


@pytest.mark.parametrize("status", [BulkActionStatus.FAILED, BulkActionStatus.CANCELED], ids=str)
def test_a_backfill_that_failed_itself_or_was_cancelled_is_told_once(here: World, status: BulkActionStatus) -> None:
    backfill(here, status)
    word = "failed" if status == BulkActionStatus.FAILED else "was cancelled"
    assert here.look() == [f"Backfill abcdef {word}"]
    assert here.look() == []


@pytest.mark.parametrize("status", [BulkActionStatus.COMPLETED_SUCCESS, BulkActionStatus.REQUESTED], ids=str)
def test_a_backfill_that_is_well_is_not_told(here: World, status: BulkActionStatus) -> None:
    backfill(here, status)
    assert here.look() == []


# --- lateness, doubts ---


def test_a_source_that_is_late_for_no_known_reason_is_told_once_and_when_it_is_back(here: World, tmp_path: Path) -> None:
    assert run(here.url, OPENROUTER, DAY, instance=here.instance).success  # a day long past makes nothing fresh, nor late before its time
    assert here.look(timedelta(hours=35)) == []
    assert here.look(timedelta(hours=37)) == ["openrouter is late"]
    assert here.look(timedelta(hours=60)) == []
    assert "hours are allowed" in here.listener.messages[0]["message"]
    recording(tmp_path / "files", f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}Z", MODELS)
    [report] = loading.import_recordings(here.url, find(tmp_path / "files", SOURCES).recordings, lambda _: None)
    assert report.errors == []
    assert here.look(timedelta(hours=1)) == ["Over: openrouter is late"]


def test_a_source_that_nobody_ever_asked_for_is_not_late(here: World) -> None:
    assert here.look(timedelta(days=30)) == []


def test_what_is_held_and_disputed_is_one_digest_a_day_that_tells_each_once(settled_here: World) -> None:
    [counts] = settled_here.ask(
        "select (select count(*) from ops.held_change where outcome = 'open' and kind = 'held') as held,"
        " (select count(*) from catalog.dispute where closed_at is null) as disputes"
    )
    assert counts["disputes"] > 8
    # as if the outbox had been there when they came up, and as if the sources were not late
    settled_here.change("update ops.alert_watch set since = '2020-01-01' where name = 'books'")
    settled_here.change("delete from ops.sync_run; update ops.observation set verdict = 'replaced'")
    assert counts["held"] == 1
    assert settled_here.look() == [f"1 changed price held and {counts['disputes']} disputes opened"]
    assert f"dispute: and {counts['disputes'] - 8} more" in settled_here.listener.messages[0]["message"]
    assert settled_here.look() == []
    settled_here.change("delete from ops.alert_told where what in (select what from ops.alert_told where what like 'dispute:%' limit 1)")
    assert settled_here.look() == []  # one more on the same day waits
    assert settled_here.look(timedelta(days=1)) == ["1 dispute opened"]
    assert settled_here.look(timedelta(days=2)) == []


def test_what_was_there_before_the_outbox_is_not_told(settled_here: World) -> None:
    assert settled_here.alerts() == []
