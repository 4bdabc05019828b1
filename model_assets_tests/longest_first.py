"""The order of the files: those whose tests take longest come first, so that no worker is left alone with one of them at the end."""

from collections.abc import Sequence

import pytest

#: files that take long, or wait long, the longest first. pytest-xdist itself (`--dist loadfile`) begins with those that have most tests,
#: and so ends with the longest: `make test` tells it to keep the order it is given (--no-loadscope-reorder).
LONGEST: Sequence[str] = (
    "api/test_start_scripts.py",
    "scaling/test_celery.py",
    "test_quickstart.py",
    "test_real_recordings.py",
    "deploy/test_cron.py",
    "api/test_schemathesis.py",
    "test_definitions.py",
    "alerts/test_faults.py",
    "gate/test_score.py",
    "api/webhooks/test_trouble.py",
    "test_embedded.py",
    "deploy/test_github_actions.py",
    "upkeep/test_up.py",
    "test_supervisor.py",
    "sql_models/test_lineage_and_assets.py",
    "test_soak.py",
    "test_kill.py",
    "backup/test_restore.py",
    "alerts/test_delivery.py",
    "alerts/test_sensors_and_commands.py",
    "api/starts/test_who_may.py",
    "api/starts/test_at_once.py",
    "test_database.py",
    "test_contention.py",
    "fetching/test_deadlines.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, all others as they came."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(file_of(item), len(place)))


def file_of(item: pytest.Item) -> str:
    """The file of a test, below the folder of the tests."""
    return item.nodeid.split("::", 1)[0].partition("/")[2]
