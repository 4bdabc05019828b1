"""Where the steps of a run are executed: in the run's own process, or on Celery's workers (docs/scaling.md)."""

import dagster as dg

from model_assets.errors import SettingsError
from model_assets.settings import Settings

CELERY = "celery"


def executor(settings: Settings) -> dg.ExecutorDefinition:
    """The executor of every job, as MODEL_ASSETS_EXECUTOR asks. Opens no connection.

    Raises SettingsError where Celery is asked for and is not installed, or no broker is named.
    """
    if settings.model_assets_executor != CELERY:
        return dg.in_process_executor  # a process per step costs seconds of CPU; runs are the unit of parallel work here
    if not settings.model_celery_broker:
        raise SettingsError("MODEL_ASSETS_EXECUTOR is celery, and MODEL_CELERY_BROKER names no broker. Use redis://host:6379/0.")
    try:
        from model_assets.celery_executor import celery_executor
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"MODEL_ASSETS_EXECUTOR is celery, and {error.name} is not installed. Run pip install 'model-assets[celery]'."
        ) from error
    return celery_executor
