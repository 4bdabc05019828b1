"""Celery's executor, configured as the workers are by deploy/celery/worker.yaml; it needs the packages of the extra `celery`.

A step goes to whichever worker is free, so no process has a run's attempt from its first step to its last. The run's own process, which
hands the steps out, holds the run instead.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEvent
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster_celery.executor import CELERY_CONFIG, CeleryExecutor

from model_assets.attempts import hold_dagster_run
from model_assets.database import ledger_url
from model_assets.executors import CELERY
from model_assets.settings import read_settings

BROKER = {"env": "MODEL_CELERY_BROKER"}  # by its name: it may hold a password
#: what the executor and the workers must agree on; deploy/celery/worker.yaml says why
CONFIG: dict[str, Any] = {
    "broker": BROKER,
    "backend": BROKER,
    "config_source": {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {"visibility_timeout": 900, "unacked_restore_throttle": 1},
    },
}


class HoldingExecutor(CeleryExecutor):
    """Celery's executor, which holds the run for as long as it hands its steps out: between two steps the run is alive too."""

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        with hold_dagster_run(ledger_url(read_settings()), plan_context.run_id):
            yield from super().execute(plan_context, execution_plan)


@dg.executor(name=CELERY, config_schema=CELERY_CONFIG, requirements=dg.multiple_process_executor_requirements())
def _executor(context: dg.InitExecutorContext) -> HoldingExecutor:
    given: dict[str, Any] = dict(context.executor_config)
    names = ("broker", "backend", "include", "config_source")
    return HoldingExecutor(retries=RetryMode.from_config(given["retries"]), **{name: given.get(name) for name in names})


celery_executor = _executor.configured(CONFIG, name=CELERY)
