"""Where steps are executed: chosen by the environment, alike for runs and workers, and alive while a run hands its steps out."""

import os
import subprocess
import sys
from datetime import date
from multiprocessing.connection import Connection as Pipe

import dagster as dg
import pytest
import yaml

from model_assets.attempts import abandon_dead, begin, hold_dagster_run, resume_or_begin
from model_assets.celery_executor import CONFIG
from model_assets.errors import SettingsError, SourceBusy
from model_assets.executors import executor
from model_assets.settings import read_settings
from model_assets_tests.scaling.celery_world import PROJECT, WORKER_YAML
from model_assets_tests.small_ledger import select
from model_assets_tests.test_attempts import CHILDREN, child, killed

DAY = date(2026, 5, 18)
CELERY = {"MODEL_ASSETS_EXECUTOR": "celery", "MODEL_CELERY_BROKER": "redis://:secret@queue.example:6379/0"}
WITHOUT_CELERY = """
import sys
sys.modules["dagster_celery"] = sys.modules["dagster_celery.executor"] = None  # as where it is not installed
from model_assets.errors import ModelAssetsError
try:
    import model_assets.definitions
except ModelAssetsError as error:
    sys.exit(str(error))
"""


def test_steps_are_executed_in_the_process_of_their_run_unless_something_else_is_asked_for() -> None:
    assert executor(read_settings({})) is dg.in_process_executor
    assert executor(read_settings(CELERY)).name == "celery"


def test_the_jobs_that_sync_and_backfill_take_the_executor_of_the_environment() -> None:
    script = "from model_assets import defs; print([defs.resolve_job_def(job).executor_def.name for job in ('sync', '__ASSET_JOB')])"
    for given, wanted in (({}, "['in_process', 'in_process']"), (CELERY, "['celery', 'celery']")):
        found = subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, **given}, capture_output=True, text=True, check=True, cwd=PROJECT
        )
        assert found.stdout.strip() == wanted


def test_celery_without_a_broker_is_refused_with_an_example() -> None:
    with pytest.raises(SettingsError, match=r"^MODEL_ASSETS_EXECUTOR is celery, .* Use redis://host:6379/0\.$"):
        executor(read_settings({"MODEL_ASSETS_EXECUTOR": "celery"}))


def test_celery_that_is_not_installed_is_named_with_what_to_install() -> None:
    found = subprocess.run(
        [sys.executable, "-c", WITHOUT_CELERY], env={**os.environ, **CELERY}, capture_output=True, text=True, cwd=PROJECT
    )
    assert "dagster_celery" in found.stderr
    assert found.stderr.strip().endswith("is not installed. Run pip install 'model-assets[celery]'.")


def test_workers_are_configured_as_the_runs_are_and_where_workers_look() -> None:
    assert yaml.safe_load(WORKER_YAML.read_text()) == {"execution": {"config": CONFIG}}


def test_the_password_of_the_broker_is_in_the_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CELERY.items():
        monkeypatch.setenv(name, value)
    given = executor(read_settings(CELERY))

    @dg.job(executor_def=given)
    def noon() -> None:
        pass

    assert "secret" not in str(dg.serialize_value(noon.get_job_snapshot()))
    assert "secret" not in WORKER_YAML.read_text()


def test_an_attempt_between_two_steps_is_alive_as_long_as_its_dagster_run_is_held(url: str) -> None:
    attempt = begin(url, "openrouter", DAY, "a step", "the-run")
    attempt.let_go()  # as a worker does at the end of a step
    with hold_dagster_run(url, "the-run"), pytest.raises(SourceBusy, match=f"by run {attempt.run_id} "):
        begin(url, "openrouter", DAY, "another run", "another")
    with hold_dagster_run(url, "the-run"):
        assert abandon_dead(url) == []
    with hold_dagster_run(url, "another"):
        assert abandon_dead(url) == [attempt.run_id]
    assert select(url, "select status from ops.sync_run") == ["abandoned"]


def hold_step(url: str, pipe: Pipe) -> None:
    """Be in a step of a Dagster run, say so, and never end it."""
    pipe.send(resume_or_begin(url, "openrouter", DAY, "a step", "the-run").run_id)
    pipe.recv()


@pytest.mark.timeout(60)  # an exclusive lock would wait for ever
def test_a_step_that_is_delivered_while_it_runs_goes_on_in_the_same_attempt_and_waits_for_nobody(url: str) -> None:
    ours, theirs = CHILDREN.Pipe()
    other = child(hold_step, url, theirs)
    run_id = ours.recv()
    attempt = resume_or_begin(url, "openrouter", DAY, "a step", "the-run")
    assert attempt.run_id == run_id
    attempt.finish("succeeded")
    killed(other)
    assert select(url, "select status from ops.sync_run") == ["succeeded"]
