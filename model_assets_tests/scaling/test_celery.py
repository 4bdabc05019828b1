"""Celery's workers share a backfill and die in the middle of it; steps of runs that are over are delivered late."""

import base64
import json
import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.backfill import execute_backfill_iteration
from sqlalchemy.engine import make_url

from model_assets import loading, recording_files
from model_assets.attempts import begin
from model_assets.database import plain
from model_assets.errors import SourceBusy
from model_assets.settings import BUNDLED_RECORDINGS
from model_assets.sources import SOURCES
from model_assets_tests.conftest import copy_of
from model_assets_tests.scaling.celery_world import HAS_REDIS, LOCATION, World, events, until
from model_assets_tests.scaling.code_location import KEYS, NAMES
from model_assets_tests.small_ledger import assert_sound, row_versions, select
from model_assets_tests.test_kill import books
from model_assets_tests.test_source_assets import merges_wait
from model_assets_tests.test_supervisor import free_port  # noqa: F401  (a fixture)

pytestmark = [
    pytest.mark.skipif(not HAS_REDIS, reason="no redis-server on the PATH (Debian: apt install redis-server)"),
    pytest.mark.timeout(600),
]
DAYS = ["2026-05-18", "2026-05-19", "2026-05-20"]
BLOCKED = "history__openrouter"
HELD = "select count(*) from pg_locks join pg_database d on d.oid = database where datname = current_database() and locktype = 'advisory'"
STARTED, SUCCEEDED, FAILED = dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE


@pytest.fixture
def world(tmp_path: Path, url: str, server: str, free_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:  # noqa: F811
    """Redis, an instance and an empty ledger; no process of it is left afterwards."""
    world = World(tmp_path, url, free_port)
    try:
        world.begin()
        for name, value in world.environment().items():
            monkeypatch.setenv(name, value)
        yield world
    finally:
        world.end()
        with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
            admin.execute(f'drop database if exists "{make_url(url).database}_dagster" with (force)'.encode())


@pytest.fixture
def instance(world: World) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(world.folder / "dagster")) as instance:
        yield instance


def undisturbed(server: str, template: str, days: list[str]) -> list[str]:
    """The books after an import in one process."""
    with copy_of(server, template) as other:
        found = recording_files.find(BUNDLED_RECORDINGS, SOURCES).recordings
        wanted = [one for one in found if one.source in NAMES and one.observed_at.date().isoformat() in days]
        assert [report.errors for report in loading.import_recordings(other, wanted, lambda _: None)] == [[]] * len(NAMES)
        return books(other)


def request_backfill(context: WorkspaceProcessContext) -> str:
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id="threedays",
        asset_graph=context.create_request_context().asset_graph,
        partition_names=DAYS,
        asset_selection=KEYS,
        backfill_timestamp=time.time(),
        tags={},
        dynamic_partitions_store=context.instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    context.instance.add_backfill(backfill)
    return backfill.backfill_id


def goes_on(context: WorkspaceProcessContext, backfill_id: str) -> str:
    """Do once what the daemon does every half a minute, and say how the backfill stands."""
    assert [error for error in execute_backfill_iteration(context, logging.getLogger("backfill")) if error] == []
    backfill = context.instance.get_backfill(backfill_id)
    assert backfill is not None
    return str(backfill.status.value)


def waiting_merges(url: str) -> int:
    with psycopg.connect(plain(url)) as connection:
        found = connection.execute(
            "select count(*) from pg_locks join pg_database d on d.oid = database where datname = current_database() and not granted"
        ).fetchone()
    assert found is not None
    return int(found[0])


def test_a_backfill_shared_by_two_workers_is_complete_and_exact_though_one_is_killed_in_the_middle(
    world: World, instance: dg.DagsterInstance, url: str, server: str, template: str
) -> None:
    for name in ("first", "second"):
        world.start_worker(name)
    for name in ("first", "second"):
        until(lambda name=name: world.ready(name), f"worker {name} is ready")  # type: ignore[misc]
    with WorkspaceProcessContext(instance, ModuleTarget(LOCATION, None, None, "scaling")) as context:
        backfill_id = request_backfill(context)
        with merges_wait(url, SOURCES["openrouter"]):
            until(lambda: goes_on(context, backfill_id) == BulkActionStatus.REQUESTED.value and waiting_merges(url) == 1, "a merge waits")
            found = until(lambda: world.working_on(BLOCKED), "a worker is in the merge")
            os.kill(found[1], signal.SIGKILL)  # the worker's child alone, as when memory is short: the step is given back at once
            until(lambda: waiting_merges(url) == 2, "another child waits in the same merge")  # of the dead one the server has not heard
            killed, child = until(lambda: world.working_on(BLOCKED), "a worker is in the merge again")
            assert child != found[1]
            world.kill(killed)
            between_steps = select(url, "select run_id, day from ops.sync_run where source = 'openrouter' and status = 'running'")
            assert between_steps
            for running, day in between_steps:  # no step holds these now: the processes of their runs do
                with pytest.raises(SourceBusy, match=f"by run {running} "):
                    begin(url, "openrouter", day, "somebody else")
        until(lambda: goes_on(context, backfill_id) == BulkActionStatus.COMPLETED_SUCCESS.value, "the backfill is complete", 400)

    assert select(url, HELD) == [0], "the worker that lives on holds nothing of what is over"
    runs = instance.get_runs()
    assert sorted(run.tags["dagster/partition"] for run in runs) == DAYS
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    starts, ends = Counter[str](), Counter[str]()
    for run in runs:
        starts.update(str(entry.dagster_event and entry.dagster_event.step_key) for entry in events(instance, run.run_id, STARTED))
        ends.update(str(entry.dagster_event and entry.dagster_event.step_key) for entry in events(instance, run.run_id, SUCCEEDED))
    assert ends == {f"{key.path[0]}__{key.path[1]}": len(DAYS) for key in KEYS}
    assert starts == {**ends, BLOCKED: len(DAYS) + 2}
    assert_sound(url)
    assert select(url, "select source, count(*), min(status), max(status) from ops.sync_run group by 1 order by 1") == [
        (name, len(DAYS), "succeeded", "succeeded") for name in NAMES
    ]
    assert books(url) == undisturbed(server, template, DAYS)


def test_steps_of_runs_that_are_over_end_fenced_whenever_they_are_delivered_and_change_nothing(
    world: World, instance: dg.DagsterInstance, url: str, server: str, template: str
) -> None:
    """Steps of one run had no worker yet when it was cancelled; one of another was in its merge when its worker was killed."""
    world.start_run("never", DAYS[1])
    until(lambda: world.lives("never") and len(world.queued()) == len(NAMES), "the first steps wait for a worker")
    stale = world.queued()
    cancel(world, instance, "never")
    assert select(url, "select source from ops.sync_run") == []
    with merges_wait(url, SOURCES["openrouter"]):
        world.start_run("halfway", DAYS[0])
        world.start_worker("killed")
        until(lambda: world.lives("halfway") and waiting_merges(url) and world.working_on(BLOCKED), "a worker is in the merge")
        stale += world.unacknowledged()
        assert [step_of(message) for message in stale] == ["raw", "raw", "raw", "history"]
        world.kill("killed")
        cancel(world, instance, "halfway")
    before, payloads = row_versions(url), select(url, "select source, observed_at from raw.payload order by 1, 2")
    assert [day for _, day in payloads] == [payloads[0][1]] * len(payloads), "the run that never began has left nothing"

    fenced_before = len(fenced(instance))
    assert fenced_before == len(NAMES), "the worker was given them before it was killed"
    for message in stale * 5:
        world.deliver_again(message)
    world.start_worker("late")
    until(lambda: not world.queued() and not world.unacknowledged(), "all is delivered", 300)
    assert len(fenced(instance)) - fenced_before >= len(stale) * 5 + 1
    assert row_versions(url) == before
    assert select(url, "select source, observed_at from raw.payload order by 1, 2") == payloads

    world.start_run("again", DAYS[0])
    until(lambda: world.processes["again"].poll() is not None, "the day is loaded after all", 300)
    assert world.processes["again"].returncode == 0, world.said("again")
    assert_sound(url)
    assert books(url) == undisturbed(server, template, DAYS[:1])


def cancel(world: World, instance: dg.DagsterInstance, name: str) -> None:
    """Kill the process of a run, and say of the run what the daemon says of one whose process is gone: it is over, its pools are free."""
    world.kill(name)
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        instance.report_run_canceled(run)
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def step_of(message: str) -> str:
    """The layer of the step that a message asks for."""
    _, named, _ = json.loads(base64.b64decode(json.loads(message)["body"]))
    return str(named["execute_step_args_packed"]["step_keys_to_execute"][0]).partition("__")[0]


def fenced(instance: dg.DagsterInstance) -> list[dg.EventLogEntry]:
    """The steps that failed, each because its run may not write any more."""
    failed = [entry for run in instance.get_runs() for entry in events(instance, run.run_id, FAILED)]
    assert all(
        "may not write to the ledger any more" in str(entry.dagster_event and entry.dagster_event.event_specific_data) for entry in failed
    )
    return failed
