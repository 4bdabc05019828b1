"""The assets of a source in real Dagster runs, on a real Postgres, and where they fetch, from a real server on loopback."""

import gzip
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from psycopg.rows import dict_row

from model_assets.database import plain
from model_assets.pipeline import today
from model_assets.resources import Feeds, Postgres
from model_assets.settings import BUNDLED_RECORDINGS
from model_assets.source_assets import source_assets
from model_assets.sources import SOURCES
from model_assets.sources.base import Source
from model_assets_tests.fetching.misbehaving import answer, serving

OPENROUTER, LITELLM = SOURCES["openrouter"], SOURCES["litellm"]
DAY, TWICE_SEEN = date(2026, 5, 18), date(2026, 5, 19)
BODY = gzip.decompress((BUNDLED_RECORDINGS / "openrouter/2026-05-18T0200Z.json.gz").read_bytes())
MODELS: list[dict[str, Any]] = json.loads(BODY)["data"]


def run(
    url: str,
    source: Source,
    day: date,
    *layers: str,
    live: bool = False,
    folder: Path = BUNDLED_RECORDINGS,
    instance: dg.DagsterInstance | None = None,
    raise_on_error: bool = False,
) -> dg.ExecuteInProcessResult:
    """A run of a source's assets (all three, or those of some layers) for one day."""
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if not layers or "raw" in layers:
        config["ops"] = {f"raw__{source.name}": {"config": {"live": live}}}
    return dg.materialize(
        source_assets(source),
        selection=[dg.AssetKey([layer, source.name]) for layer in layers] or None,
        partition_key=day.isoformat(),
        resources={"postgres": Postgres(url=url), "feeds": Feeds(folders=[str(folder)], allow_loopback=True)},
        instance=instance,
        run_config=config,
        raise_on_error=raise_on_error,
    )


def ask(url: str, query: str, *values: object) -> list[dict[str, Any]]:
    with psycopg.connect(plain(url), row_factory=dict_row) as connection:
        return connection.execute(query.encode(), values).fetchall()


def attempts(url: str) -> list[dict[str, Any]]:
    """What the books say of every attempt, in order."""
    return ask(url, "select * from ops.sync_run order by run_id")


def ledger(url: str) -> list[Any]:
    """All that the ledger claims."""
    return [ask(url, f"select h::text as claim from history.{name} h order by 1") for name in ("listing", "price")]


def verdicts(url: str) -> list[str]:
    return [row["verdict"] for row in ask(url, "select verdict from ops.observation order by observed_at, judged_at")]


def steps(result: dg.ExecuteInProcessResult) -> list[str]:
    """The steps that were executed to their end."""
    return sorted(event.step_key or "" for event in result.all_events if event.event_type_value == "STEP_SUCCESS")


def said(result: dg.ExecuteInProcessResult) -> str:
    """What the run's one failed step says to the person who looks at it."""
    [failed] = [event.step_failure_data for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    assert failed.user_failure_data is not None, failed.error
    return str(failed.user_failure_data.description)


def check(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    [found] = [one for one in result.get_asset_check_evaluations() if one.check_name == name]
    return found


def metadata(result: dg.ExecuteInProcessResult, layer: str, source: Source = OPENROUTER) -> dict[str, Any]:
    [event] = result.asset_materializations_for_node(f"{layer}__{source.name}")
    return {name: found.value if not isinstance(found, dg.TableMetadataValue) else found for name, found in event.metadata.items()}


def recording(folder: Path, instant: str, models: list[dict[str, Any]] | bytes, source: str = "openrouter") -> None:
    """Put a recording into a folder."""
    body = models if isinstance(models, bytes) else json.dumps({"data": models}).encode()
    (folder / source).mkdir(parents=True, exist_ok=True)
    (folder / source / f"{instant}.json.gz").write_bytes(gzip.compress(body, mtime=0))


@contextmanager
def merges_wait(url: str, source: Source) -> Iterator[Callable[[], None]]:
    """Nobody can merge the source within the block; gives a function that returns when somebody waits to."""
    with psycopg.connect(plain(url), autocommit=True) as holder:
        holder.execute("select pg_advisory_lock(hashtext('model_assets.source'), hashtext(%s))", [source.name])

        def until_one_waits() -> None:
            deadline = time.monotonic() + 60
            waiting = "select from pg_locks join pg_database d on d.oid = database where datname = current_database() and not granted"
            while not holder.execute(waiting).fetchall():
                assert time.monotonic() < deadline, "no merge came to wait"
                time.sleep(0.02)

        yield until_one_waits


def next_second() -> None:
    """Live observations have instants in whole seconds: two within one are one instant."""
    time.sleep(1.02 - time.time() % 1)


# --- a recorded day ---


def test_a_recorded_day_goes_from_its_payload_into_the_ledger_and_the_run_says_what_it_did(url: str) -> None:
    result = run(url, OPENROUTER, DAY)
    assert result.success
    assert all(one.passed for one in result.get_asset_check_evaluations())
    raw, staged, history = (metadata(result, layer) for layer in ("raw", "staged", "history"))
    assert (raw["dagster/row_count"], raw["sha256"]) == (1, hashlib.sha256(BODY).hexdigest())
    [payload] = raw["payloads"].records
    assert payload.data == {"observed_at": "2026-05-18T02:00Z", "origin": "recording", "bytes": len(BODY), "sha256": raw["sha256"]}
    [counts] = ask(url, "select (select count(*) from history.listing) as listings, (select count(*) from history.price) as prices")
    assert counts["listings"] == len(MODELS)
    assert staged["dagster/row_count"] == staged["opened"] == counts["listings"] + counts["prices"]
    assert (staged["changed"], staged["closed"], staged["outcome"]) == (0, 0, "2026-05-18T02:00Z: changes")
    assert len(staged["changes"].records) == 100
    assert {"relation": "price", "change": "opened", "provider": "openrouter"}.items() <= staged["changes"].records[0].data.items()
    assert (history["dagster/row_count"], history["opened"], history["observations_merged"]) == (counts["prices"], staged["opened"], 1)
    [attempt] = attempts(url)
    assert (attempt["status"], attempt["observations"], attempt["listings"]) == ("succeeded", 1, counts["listings"])
    assert (attempt["prices"], attempt["added"], attempt["error_class"]) == (counts["prices"], staged["opened"], None)
    assert attempt["dagster_run_id"] == result.run_id
    assert attempt["finished_at"] >= attempt["started_at"]


def test_the_change_table_says_when_and_from_what_to_what(url: str) -> None:
    run(url, OPENROUTER, DAY)
    changes = [line.data for line in metadata(run(url, OPENROUTER, TWICE_SEEN), "staged")["changes"].records]
    wanted = {"meta-llama/llama-4-scout", "qwen/qwen3-coder"}
    assert [list(one.values()) for one in changes if one["listed_id"] in wanted] == [
        ["2026-05-19T02:00Z", "price", "changed", "openrouter", "meta-llama/llama-4-scout", "input standard USD", "0.08", "0.1"],
        ["2026-05-19T14:00Z", "price", "changed", "openrouter", "qwen/qwen3-coder", "output standard USD", "1.8", "1.5"],
    ]


def test_both_observations_of_a_day_count(url: str) -> None:
    result = run(url, OPENROUTER, TWICE_SEEN)
    assert result.success
    assert metadata(result, "raw")["dagster/row_count"] == 2
    assert metadata(result, "history")["observations_merged"] == 2
    assert attempts(url)[0]["observations"] == 2
    assert verdicts(url) == ["accepted", "accepted"]
    afternoon = "select distinct listed_id from history.price where lower(seen) = '2026-05-19 14:00Z' order by 1"
    assert {"qwen/qwen3-coder", "google/gemini-3.5-flash"} <= {row["listed_id"] for row in ask(url, afternoon)}


def test_a_day_run_twice_leaves_what_once_leaves(url: str) -> None:
    first = run(url, OPENROUTER, TWICE_SEEN)
    once = ledger(url)
    again = run(url, OPENROUTER, TWICE_SEEN)
    assert (first.success, again.success) == (True, True)
    assert ledger(url) == once
    assert metadata(again, "history")["already_merged"] == 2
    assert [one["status"] for one in attempts(url)] == ["succeeded", "succeeded"]
    assert ask(url, "select count(*) from staged.change_set") == [{"count": 0}]


def test_a_corrected_recording_stays_in_force_when_its_day_runs_again(url: str, tmp_path: Path) -> None:
    for models in (MODELS, MODELS[:-3]):
        recording(tmp_path, "2026-05-18T0200Z", models)
        assert run(url, OPENROUTER, DAY, folder=tmp_path).success
    corrected = ledger(url)
    assert len(corrected[0]) == len(MODELS) - 3
    assert run(url, OPENROUTER, DAY, folder=tmp_path).success
    assert ledger(url) == corrected
    assert sorted(verdicts(url)) == ["accepted", "replaced"]


def test_a_past_day_with_nothing_recorded_says_which_and_what_to_do_and_is_not_tried_again(url: str) -> None:
    with pytest.raises(dg.Failure) as failed:
        run(url, OPENROUTER, date(2026, 1, 3), raise_on_error=True)
    message = str(failed.value.description)
    assert message.startswith("openrouter serves only today; 2026-01-03 was asked for")
    assert "/openrouter/2026-01-03T0200Z.json.gz, or leave that day missing." in message
    assert failed.value.allow_retries is False
    [attempt] = attempts(url)
    assert (attempt["status"], attempt["error_class"], attempt["message"]) == ("failed", "NothingRecorded", message)
    assert "recordings folder" in attempt["what_to_do"]


# --- what the gate refuses ---


def broken(models: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    return [*models, *({"id": None, "number": number} for number in range(count))]


def test_a_refused_payload_stops_its_own_chain_with_twenty_reasons_and_nobody_elses(url: str, tmp_path: Path) -> None:
    assert run(url, OPENROUTER, DAY).success
    before = ledger(url)
    recording(tmp_path, "2026-05-19T0200Z", broken(MODELS, 40))
    result = run(url, OPENROUTER, TWICE_SEEN, folder=tmp_path)
    assert not result.success
    assert "history__openrouter" not in steps(result)
    refused = check(result, "payload_is_accepted")
    assert (refused.passed, refused.severity, refused.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    assert "model-assets accept openrouter 2026-05-19T02:00Z" in str(refused.description)
    assert len(refused.metadata["reasons"].records) == 20
    assert "break the contract" in str(refused.metadata["reasons"].records[0].data["reason"])
    assert ledger(url) == before
    assert verdicts(url) == ["accepted", "refused"]
    attempt = attempts(url)[-1]
    assert (attempt["status"], attempt["error_class"], attempt["observations"]) == ("refused", "PayloadRefused", 1)
    assert "2026-05-19T02:00Z was refused" in attempt["message"]
    assert run(url, LITELLM, TWICE_SEEN).success


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>down for maintenance</html>", "not JSON"),
        (b'{"data": []}', "never means that all models are gone"),
        (json.dumps({"data": MODELS[: len(MODELS) // 2]}).encode(), "fewer than the"),
    ],
    ids=["no JSON", "an empty list", "half a list"],
)
def test_a_payload_that_is_no_whole_catalogue_is_kept_and_refused(url: str, tmp_path: Path, body: bytes, reason: str) -> None:
    assert run(url, OPENROUTER, DAY).success
    recording(tmp_path, "2026-05-20T0200Z", body)
    result = run(url, OPENROUTER, date(2026, 5, 20), folder=tmp_path)
    assert not result.success
    assert reason in str(check(result, "payload_is_accepted").metadata["reasons"].records[0].data["reason"])
    assert ask(url, "select bytes from raw.payload join raw.body using (sha256) order by observed_at desc")[0]["bytes"] == len(body)


def test_a_refused_payload_does_not_keep_a_later_one_of_its_day_out(url: str, tmp_path: Path) -> None:
    run(url, OPENROUTER, DAY)
    recording(tmp_path, "2026-05-19T0200Z", MODELS[:5])
    assert not run(url, OPENROUTER, TWICE_SEEN, folder=tmp_path).success
    recording(tmp_path, "2026-05-19T0800Z", MODELS[:-1])
    result = run(url, OPENROUTER, TWICE_SEEN, folder=tmp_path)
    assert result.success
    noted = check(result, "payload_is_accepted")
    assert (noted.passed, noted.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert verdicts(url) == ["accepted", "refused", "accepted"]
    assert attempts(url)[-1]["status"] == "succeeded"
    assert ask(url, "select count(*) from history.listing where upper(seen) is null") == [{"count": len(MODELS) - 1}]


def test_a_broken_row_goes_to_quarantine_and_the_rest_goes_on(url: str, tmp_path: Path) -> None:
    recording(tmp_path, "2026-05-18T0200Z", broken(MODELS, 1))
    result = run(url, OPENROUTER, DAY, folder=tmp_path)
    assert result.success
    kept = check(result, "rows_keep_contract")
    assert (kept.passed, kept.severity) == (False, dg.AssetCheckSeverity.WARN)
    [row] = ask(url, "select source, observed_at, reason, original from ops.quarantine")
    assert (row["source"], row["observed_at"]) == ("openrouter", datetime(2026, 5, 18, 2, tzinfo=UTC))
    assert "id" in row["reason"]
    assert json.loads(row["original"]) == {"id": None, "number": 0}
    assert attempts(url)[0]["quarantined"] == 1


def test_what_the_sources_file_does_not_know_is_named_and_fails_nothing(url: str, tmp_path: Path) -> None:
    strange = json.loads(json.dumps(MODELS))
    for model in strange:
        model["vibes"] = "good"
        model["pricing"]["per_wink"] = "0.01"
    recording(tmp_path, "2026-05-18T0200Z", strange)
    result = run(url, OPENROUTER, DAY, folder=tmp_path)
    assert result.success
    shape, mapped = check(result, "shape_is_known"), check(result, "price_keys_are_mapped")
    assert (shape.passed, mapped.passed, shape.severity) == (False, False, dg.AssetCheckSeverity.WARN)
    assert "model.vibes" in dict(shape.metadata["unknown_keys"].value)  # type: ignore[call-overload]
    assert any("per_wink" in key for key in dict(mapped.metadata["unmapped"].value))  # type: ignore[call-overload]
    assert any("per_wink" in key for key in metadata(result, "staged")["unmapped_price_keys"])


# --- today, from a server ---


def test_today_is_fetched_and_an_unchanged_feed_is_asked_conditionally_and_seen_again(url: str) -> None:
    fresh = answer(200, BODY, 'ETag: "v1"', "Last-Modified: Mon, 18 May 2026 01:00:00 GMT", "Content-Type: application/json")
    with serving(fresh, answer(304, b"", 'ETag: "v1"')) as server:
        source = replace(OPENROUTER, url=server.url())
        assert run(url, source, today(), live=True).success
        once = ledger(url)
        next_second()
        again = run(url, source, today(), live=True)
        assert again.success
        next_second()
        assert run(url, source, today(), live=True).success
    assert "if-none-match" not in server.requests[0].lower()
    for request in server.requests[1:]:
        assert 'if-none-match: "v1"' in request.lower()
        assert "if-modified-since: mon, 18 may 2026 01:00:00 gmt" in request.lower()
    assert metadata(again, "staged")["outcome"].endswith(": seen again")
    assert ledger(url) == once
    assert verdicts(url) == ["accepted"] * 3
    assert ask(url, "select count(*) from raw.body") == [{"count": 1}]
    kept = ask(url, "select status, origin from raw.payload order by observed_at")
    assert [(row["status"], row["origin"]) for row in kept] == [(200, "live"), (304, "live"), (304, "live")]


def test_a_source_that_is_down_fails_its_attempt_and_what_it_said_last_stays_served(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVICE_RETRY_MS", "1")
    served = "select p::text as price from catalog.price_claim p order by p::text"
    with serving(answer(200, BODY), answer(503)) as server:
        source = replace(OPENROUTER, url=server.url())
        assert run(url, source, today(), live=True).success
        before = ask(url, served)
        result = run(url, source, today(), live=True)
    assert not result.success
    assert server.connections == 1 + 3
    assert "answered 503; tried 3 times" in said(result)
    attempt = attempts(url)[-1]
    assert (attempt["status"], attempt["error_class"]) == ("failed", "FetchFailed:status")
    assert "next scheduled run tries again" in attempt["what_to_do"]
    assert len(before) > 100
    assert ask(url, served) == before
    [health] = ask(url, "select last_status, last_error, listings from catalog.source_health")
    assert (health["last_status"], health["listings"]) == ("failed", len(MODELS))
    assert "503" in health["last_error"]


def test_today_is_not_fetched_by_a_run_that_is_told_to_read_recordings(url: str, tmp_path: Path) -> None:
    just_now = datetime.now(UTC)
    recording(tmp_path, f"{just_now:%Y-%m-%dT%H%M%S}Z", BODY)
    with serving(answer(503)) as server:
        assert run(url, replace(OPENROUTER, url=server.url()), just_now.date(), live=False, folder=tmp_path).success
    assert server.connections == 0
    assert ask(url, "select origin from raw.payload") == [{"origin": "recording"}]


def test_a_past_day_is_never_fetched(url: str) -> None:
    with serving(answer(200, BODY)) as server:
        result = run(url, replace(OPENROUTER, url=server.url()), today() - timedelta(days=1), live=True)
    assert server.connections == 0
    assert "serves only today" in said(result)


# --- a part of the chain ---


def test_a_run_of_raw_alone_ends_its_attempt(url: str) -> None:
    assert run(url, OPENROUTER, DAY, "raw").success
    assert [one["status"] for one in attempts(url)] == ["succeeded"]
    assert ask(url, "select count(*) from raw.payload") == [{"count": 1}]


def test_a_job_that_holds_nothing_but_raw_ends_its_attempt_too(url: str) -> None:
    result = dg.materialize(
        source_assets(OPENROUTER)[:1],
        partition_key=DAY.isoformat(),
        resources={"postgres": Postgres(url=url), "feeds": Feeds(folders=[str(BUNDLED_RECORDINGS)])},
    )
    assert result.success
    assert [one["status"] for one in attempts(url)] == ["succeeded"]


def test_staged_and_history_can_follow_in_runs_of_their_own(url: str) -> None:
    for layer in ("raw", "staged", "history"):
        assert run(url, OPENROUTER, TWICE_SEEN, layer).success
    assert [one["status"] for one in attempts(url)] == ["succeeded"] * 3
    assert attempts(url)[-1]["observations"] == 2
    one_by_one = ledger(url)
    assert run(url, OPENROUTER, TWICE_SEEN).success
    assert ledger(url) == one_by_one


def test_staged_without_a_payload_says_what_to_do_first(url: str) -> None:
    result = run(url, OPENROUTER, DAY, "staged")
    assert said(result) == "raw/openrouter holds no payload of 2026-05-18. Materialise raw/openrouter for that day first."
    assert [one["status"] for one in attempts(url)] == ["failed"]


# --- runs that get in each other's way ---


def cancelled(instance: dg.DagsterInstance, url: str) -> None:
    [running] = instance.get_runs()
    instance.report_run_canceled(running)


def taken_over(instance: dg.DagsterInstance, url: str) -> None:
    with psycopg.connect(plain(url)) as connection:
        connection.execute("update ops.sync_run set status = 'abandoned'")


@pytest.mark.parametrize("end", [cancelled, taken_over])
def test_a_run_that_was_ended_from_outside_cannot_commit(url: str, end: Callable[[dg.DagsterInstance, str], None]) -> None:
    assert run(url, OPENROUTER, DAY).success
    before = ledger(url)
    with dg.DagsterInstance.ephemeral() as instance, ThreadPoolExecutor(1) as pool:
        with merges_wait(url, OPENROUTER) as until_one_waits:
            running = pool.submit(run, url, OPENROUTER, TWICE_SEEN, instance=instance)
            until_one_waits()
            end(instance, url)
        result = running.result()
    assert "history__openrouter" not in steps(result)
    assert "may not write to the ledger any more" in said(result)
    assert ledger(url) == before
    assert verdicts(url) == ["accepted"]
    assert attempts(url)[-1]["status"] in ("failed", "abandoned")
    assert run(url, OPENROUTER, TWICE_SEEN).success


def test_of_two_runs_of_a_source_and_day_one_runs_and_the_other_says_which_run_holds_it(url: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        with merges_wait(url, OPENROUTER) as until_one_waits:
            first = pool.submit(run, url, OPENROUTER, DAY)
            until_one_waits()
            [holder] = attempts(url)
            with pytest.raises(dg.Failure) as busy:
                run(url, OPENROUTER, DAY, raise_on_error=True)
            other_day = run(url, OPENROUTER, TWICE_SEEN, "raw", "staged")
            other_source = run(url, LITELLM, DAY)
        assert first.result().success
    assert f"openrouter for 2026-05-18 is being synced by run {holder['run_id']} (dagster run " in str(busy.value.description)
    assert busy.value.allow_retries is False
    assert (other_day.success, other_source.success) == (True, True)
    assert {one["status"] for one in attempts(url)} == {"succeeded"}
