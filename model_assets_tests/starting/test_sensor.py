"""The sensor `sync_requests`, tick by tick, with real runs on a real Dagster instance and sources on loopback."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import text

from model_assets import pipeline
from model_assets.database import connect
from model_assets.definitions import defs
from model_assets.resources import Feeds, Postgres
from model_assets.settings import BUNDLED_RECORDINGS
from model_assets.source_assets import source_assets
from model_assets.sources import SOURCES
from model_assets.starting.following import REQUEST_TAG, WILL_RETRY
from model_assets.starting.requests import Part
from model_assets.starting.sensor import dry_run, sync_requests
from model_assets_tests.deploy.machine import recorded
from model_assets_tests.fetching.misbehaving import answer, serving
from model_assets_tests.starting.test_requests import ask, earlier, read
from model_assets_tests.test_source_assets import ledger

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def tick(url: str, instance: dg.DagsterInstance) -> Sequence[dg.RunRequest]:
    """What the daemon is told to run by a tick."""
    context = dg.build_sensor_context(
        instance=instance, repository_def=defs.get_repository_def(), resources={"postgres": Postgres(url=url)}
    )
    return sync_requests.evaluate_tick(context).run_requests or []


def execute(url: str, instance: dg.DagsterInstance, request: dg.RunRequest, body: bytes, folder: Path = BUNDLED_RECORDINGS) -> str:
    """The run that the daemon would start, its source answering with `body`: its id."""
    with serving(body) as server, pytest.MonkeyPatch.context() as patched:
        name = request.tags["source"]
        patched.setitem(SOURCES, name, replace(SOURCES[name], url=server.url()))
        resources = {"postgres": Postgres(url=url), "feeds": Feeds(folders=[str(folder)], allow_loopback=True)}
        if request.job_name == "dry_run":
            job = dg.Definitions(jobs=[dry_run], resources=resources).resolve_job_def("dry_run")
            return job.execute_in_process(QUIET, instance=instance, tags=request.tags, raise_on_error=False).run_id
        assert request.job_name == "sync"
        return dg.materialize(
            source_assets(SOURCES[name]), partition_key=request.partition_key, tags=dict(request.tags), instance=instance,
            run_config={**QUIET, **request.run_config}, resources=resources, raise_on_error=False,
        ).run_id  # fmt: skip


def lost(instance: dg.DagsterInstance, request: dg.RunRequest, status: dg.DagsterRunStatus, **tags: str) -> dg.DagsterRun:
    """A run of the request that ended without a word in our books, and that Dagster does not do again unless `tags` say so."""
    job = dg.GraphDefinition("anything").to_job()
    found = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={**request.tags, "dagster/max_retries": "0", **tags})
    if status == dg.DagsterRunStatus.CANCELED:
        instance.report_run_canceled(found)
    elif status == dg.DagsterRunStatus.FAILURE:
        instance.report_run_failed(found)
    return found


def part(url: str, request_id: str) -> Part:
    [found] = read(url, request_id).parts
    return found


def test_a_request_becomes_a_run_of_today_for_each_source_with_the_same_key_on_every_tick(url: str, instance: dg.DagsterInstance) -> None:
    assert tick(url, instance) == []
    found = ask(url, "openrouter", "litellm")
    first, again = tick(url, instance), tick(url, instance)
    assert [one.run_key for one in first] == [f"request:{found.request_id}:{source}" for source in ("litellm", "openrouter")]
    assert [one.run_key for one in again] == [one.run_key for one in first]
    for one in first:
        assert (one.job_name, one.partition_key) == ("sync", pipeline.today().isoformat())
        assert one.tags[REQUEST_TAG] == found.request_id
        assert one.run_config == {"ops": {f"raw__{one.tags['source']}": {"config": {"live": True}}}}
    assert defs.resolve_sensor_def("sync_requests").default_status == dg.DefaultSensorStatus.RUNNING
    assert defs.resolve_job_def("dry_run")


def test_the_end_of_a_run_is_written_back_with_what_it_did(url: str, instance: dg.DagsterInstance) -> None:
    found = ask(url)
    [request] = tick(url, instance)
    run_id = execute(url, instance, request, recorded("openrouter"))
    assert tick(url, instance) == []
    done = part(url, found.request_id)
    assert (done.status, done.dagster_run_id, done.message) == ("completed", run_id, None)
    assert done.result["listings"] == done.result["created"] > 0
    assert done.result["added"] == done.result["listings"] + done.result["prices"]
    assert (done.result["updated"], done.result["vanished"], done.result["skipped"]) == (0, 0, 0)
    with connect(url) as connection:
        assert connection.execute(text("select run_id, status from ops.sync_run")).one() == (done.run_id, "succeeded")


def test_what_a_second_sync_changed_is_counted_by_models_and_not_by_prices(url: str, instance: dg.DagsterInstance) -> None:
    counts = []
    for day in (18, 19, 19):
        time.sleep(1.01 - time.time() % 1)  # an observation is of a second: two of one second would be one that was corrected
        found = ask(url, cooldown=timedelta(0))
        [request] = tick(url, instance)
        execute(url, instance, request, recorded("openrouter", day))
        tick(url, instance)
        counts.append(part(url, found.request_id).result)
    with connect(url) as connection:
        opened = connection.execute(text("select count(*) from history.listing where upper(seen) is null")).scalar_one()
    assert counts[1]["listings"] == opened == counts[0]["listings"] + counts[1]["created"] - counts[1]["vanished"]
    assert counts[1]["updated"] + counts[1]["created"] + counts[1]["vanished"] > 0
    assert [counts[2][name] for name in ("created", "updated", "vanished", "added", "changed")] == [0] * 5
    assert counts[2]["listings"] == opened


def test_a_payload_that_is_refused_and_a_source_that_is_down_are_told_with_what_to_do(url: str, instance: dg.DagsterInstance) -> None:
    found = ask(url, "openrouter", "litellm")
    bodies = {"openrouter": answer(200, b'{"data": []}', "Content-Type: application/json"), "litellm": answer(404)}
    for request in tick(url, instance):
        execute(url, instance, request, bodies[request.tags["source"]])
    tick(url, instance)
    litellm, openrouter = read(url, found.request_id).parts
    assert (openrouter.status, litellm.status) == ("refused", "failed")
    assert "model-assets accept" in (openrouter.message or "")
    assert "404" in (litellm.message or "")
    assert read(url, found.request_id).status == "failed"


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE])
def test_a_run_that_was_cancelled_or_lost_ends_its_request(url: str, instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> None:
    found = ask(url)
    [request] = tick(url, instance)
    lost(instance, request, status)
    tick(url, instance)
    assert part(url, found.request_id).status == "failed"
    assert f"ended as {status.value}" in (part(url, found.request_id).message or "")


def test_a_run_that_dagster_does_again_has_not_ended(url: str, instance: dg.DagsterInstance) -> None:
    found = ask(url)
    [request] = tick(url, instance)
    first = lost(instance, request, dg.DagsterRunStatus.FAILURE, **{"dagster/max_retries": "2"})
    tick(url, instance)
    again = instance.get_run_by_id(first.run_id)
    assert again
    assert again.tags[WILL_RETRY] == "true"
    assert (part(url, found.request_id).status, part(url, found.request_id).dagster_run_id) == ("running", first.run_id)
    second = execute(url, instance, request, recorded("openrouter"))
    tick(url, instance)
    assert (part(url, found.request_id).status, part(url, found.request_id).dagster_run_id) == ("completed", second)


def test_a_run_under_way_is_running_and_one_whose_books_are_open_waits_for_them(url: str, instance: dg.DagsterInstance) -> None:
    found = ask(url)
    [request] = tick(url, instance)
    run = lost(instance, request, dg.DagsterRunStatus.STARTED)
    tick(url, instance)
    assert part(url, found.request_id).status == "running"
    insert = "insert into ops.sync_run (source, day, started_by, dagster_run_id) values ('openrouter', current_date, 'Dagster', :run)"
    with connect(url) as connection:
        connection.execute(text(insert), {"run": run.run_id})
    instance.report_run_failed(run)
    tick(url, instance)
    assert part(url, found.request_id).status == "running"  # its process is gone: the sensor of stuck syncs closes the books
    with connect(url) as connection:
        connection.execute(text("update ops.sync_run set status = 'abandoned', finished_at = now(), message = 'its process ended'"))
    tick(url, instance)
    assert (part(url, found.request_id).status, part(url, found.request_id).message) == ("failed", "its process ended")


def test_what_was_left_for_too_long_is_not_started_any_more(url: str, instance: dg.DagsterInstance) -> None:
    found = ask(url)
    earlier(url, timedelta(minutes=16))
    assert tick(url, instance) == []
    assert part(url, found.request_id).status == "failed"


def test_a_dry_run_says_what_would_change_and_moves_nothing(url: str, instance: dg.DagsterInstance) -> None:
    before = ledger(url)
    found = ask(url, dry_run=True)
    [request] = tick(url, instance)
    execute(url, instance, request, recorded("openrouter"))
    done = part(url, found.request_id)
    assert done.status == "completed"
    assert done.result["created"] == done.result["listings"] > 0
    assert len(done.result["changes"]) == 100
    assert ledger(url) == before
    with connect(url) as connection:
        assert connection.execute(text("select (select count(*) from ops.sync_run), (select count(*) from raw.payload)")).one() == (0, 0)


def test_a_dry_run_that_fails_says_why(url: str, instance: dg.DagsterInstance) -> None:
    found = ask(url, dry_run=True)
    [request] = tick(url, instance)
    execute(url, instance, request, answer(404))
    assert part(url, found.request_id).status == "failed"
    assert "404" in (part(url, found.request_id).message or "")
