"""Stuck syncs: freed soon after their process is gone, with the Dagster run they belong to; a living one never."""

import json
import os
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import GRPC_INFO_TAG
from sqlalchemy import text

from model_assets.attempts import begin, hold_dagster_run
from model_assets.database import connect
from model_assets.errors import Fenced
from model_assets.resources import Postgres
from model_assets.upkeep.condition import overdue
from model_assets.upkeep.jobs import stuck_syncs
from model_assets.upkeep.stuck import end_leftovers, free_stuck
from model_assets_tests.small_ledger import select
from model_assets_tests.test_attempts import CHILDREN, DAY, child, hold, killed, soon, states

OF_DAGSTER = """
import sys
from datetime import date
from model_assets.attempts import begin
begin(sys.argv[1], "openrouter", date(2025, 6, 2), "dagster", sys.argv[2])
"""


def tick(url: str, instance: dg.DagsterInstance) -> str:
    """What a tick of the sensor says."""
    context = dg.build_sensor_context(instance=instance, resources={"postgres": Postgres(url=url)})
    found = stuck_syncs(context)
    assert isinstance(found, dg.SkipReason)
    return found.skip_message or ""


def started(instance: dg.DagsterInstance, tags: dict[str, str] | None = None) -> dg.DagsterRun:
    """The record of a run that is under way."""
    job = dg.GraphDefinition("anything").to_job()
    return instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_a_sync_whose_process_was_killed_is_freed_by_the_next_tick_and_a_living_one_is_not(url: str) -> None:
    ours, theirs = CHILDREN.Pipe()
    dead = child(hold, url, "openrouter", DAY, theirs)
    dead_id = ours.recv()
    living = begin(url, "litellm", DAY, "a test")
    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(url, instance) == "Freed 0 stuck syncs."
        killed(dead)
        soon(lambda: tick(url, instance) == "Freed 1 stuck syncs.")
    assert select(url, "select run_id, status from ops.sync_run order by 1") == [(dead_id, "abandoned"), (living.run_id, "running")]
    living.finish("succeeded")


def test_the_sensor_looks_every_half_minute_and_is_on() -> None:
    assert stuck_syncs.minimum_interval_seconds == 30
    assert stuck_syncs.default_status == dg.DefaultSensorStatus.RUNNING


def test_the_dagster_run_of_a_killed_sync_is_ended_so_that_it_keeps_nothing_from_others(url: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run, other = started(instance), started(instance)
        subprocess.run([sys.executable, "-c", OF_DAGSTER, url, run.run_id], check=True)  # it ends without a word
        soon(lambda: free_stuck(url, instance))
        assert states(url) == ["abandoned"]
        assert status_of(instance, run) == dg.DagsterRunStatus.FAILURE
        assert status_of(instance, other) == dg.DagsterRunStatus.STARTED


def test_a_run_that_waits_for_its_next_step_elsewhere_is_not_freed(url: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = started(instance)
        with hold_dagster_run(url, run.run_id):
            subprocess.run([sys.executable, "-c", OF_DAGSTER, url, run.run_id], check=True)  # a step's process, which has ended
            for _ in range(3):
                assert free_stuck(url, instance) == []
                time.sleep(0.1)
        soon(lambda: free_stuck(url, instance))
        assert status_of(instance, run) == dg.DagsterRunStatus.FAILURE


def test_a_freed_sync_that_lives_after_all_cannot_write(url: str) -> None:
    running = begin(url, "openrouter", DAY, "a test")
    with connect(url) as connection:
        connection.execute(
            text("select pg_terminate_backend(pid, 5000) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()")
        )
    with dg.DagsterInstance.ephemeral() as instance:
        assert free_stuck(url, instance) == [running.run_id]
    with pytest.raises(Fenced), connect(url) as connection:
        running.fence(connection)
    running.let_go()


def test_a_living_sync_over_its_budget_is_told_of_and_left_alone(url: str) -> None:
    running = begin(url, "openrouter", DAY, "a test")
    fresh = begin(url, "litellm", DAY, "a test")
    with connect(url) as connection:
        late = text("update ops.sync_run set started_at = clock_timestamp() - cast(:ago as interval) where run_id = :id")
        connection.execute(late, {"ago": timedelta(hours=2), "id": running.run_id})
    assert [row["run_id"] for row in overdue(url)] == [running.run_id]
    with dg.DagsterInstance.ephemeral() as instance:
        assert f"run {running.run_id} of openrouter has been running since" in tick(url, instance)
    assert states(url) == ["running", "running"]
    running.finish("succeeded")
    fresh.finish("succeeded")


def test_runs_that_a_dead_supervisor_left_are_ended_and_those_of_a_living_server_are_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as living, socket.socket() as nobody, dg.DagsterInstance.ephemeral() as instance:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        info = [{GRPC_INFO_TAG: json.dumps({"host": "127.0.0.1", "port": one.getsockname()[1]})} for one in (nobody, living)]
        elsewhere = {GRPC_INFO_TAG: json.dumps({"host": "192.0.2.1", "port": 1})}
        left, watched, remote, unknown = (started(instance, tags) for tags in (*info, elsewhere, {}))
        worker = subprocess.Popen(
            ["sh", "-c", "echo at work; read stop"],
            env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert worker.stdout
            assert worker.stdout.readline() == b"at work\n"  # until then the system may show its environment as empty
            assert end_leftovers(instance) == []  # it may be a run that outlived its supervisor
        finally:
            worker.communicate()
        assert end_leftovers(instance) == [left.run_id]
        assert status_of(instance, left) == dg.DagsterRunStatus.FAILURE
        assert {status_of(instance, run) for run in (watched, remote, unknown)} == {dg.DagsterRunStatus.STARTED}
