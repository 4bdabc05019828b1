"""Dagster's own files and tables: its home below MODEL_ASSETS_HOME, and a database of its own beside the ledger's.

What a Dagster process needs to know is in the environment that `prepare` returns; passwords are there only, never in `dagster.yaml`.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import yaml

from model_assets import database
from model_assets.attempts import BUDGET
from model_assets.errors import DatabaseDown, SettingsError
from model_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

HEADER = "# Written by model-assets, and again when it differs. To use a file of your own, set DAGSTER_HOME to a folder that has it.\n"
CREATE_TABLES = "from dagster import DagsterInstance\nwith DagsterInstance.get(): pass"
END_LEFTOVERS = (
    "from dagster import DagsterInstance\nfrom model_assets.upkeep.stuck import end_leftovers\n"
    "with DagsterInstance.get() as instance: end_leftovers(instance)"
)
CREATE_TABLES_LOCK = 0x6D61_6461  # any number that nobody else takes
#: where Dagster keeps its runs, events and ticks, as `dagster.yaml` says it
STORAGE = {
    "custom": {
        "module": "model_assets.dagster_storage",
        "class": "KeptPostgresStorage",
        "config": {"postgres_url": {"env": "DAGSTER_PG_URL"}},
    }
}


def prepare(settings: Settings, url: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What to add to the environment of a Dagster process, whose home and database are made where they are missing.

    `url` is the ledger's. A DAGSTER_HOME of the caller's (`environment`; this process's, unless given) that has a `dagster.yaml` is
    respected: theirs wins, is not touched, and keeps the caller's DAGSTER_PG_URL; ours is added where their file asks for one and there
    is none. Raises SettingsError where the home cannot be written, DatabaseDown where the database cannot be made.
    """
    caller = os.environ if environment is None else environment
    ours = settings.model_assets_home / "dagster"
    theirs = _home_of(caller)
    needed = {"MODEL_ASSETS_HOME": str(settings.model_assets_home)}
    if settings.database_url:
        needed["DATABASE_URL"] = settings.database_url
    if theirs and theirs != ours:
        needed["DAGSTER_HOME"] = str(theirs)
        if caller.get("DAGSTER_PG_URL"):
            needed["DAGSTER_PG_URL"] = caller["DAGSTER_PG_URL"]
        elif "DAGSTER_PG_URL" in (theirs / "dagster.yaml").read_text(encoding="utf-8"):
            needed["DAGSTER_PG_URL"] = database.dagster_url(url)
        return needed
    try:
        ours.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(ours / "dagster.yaml", HEADER + yaml.safe_dump(instance(ours), sort_keys=False))
    except OSError as error:
        raise SettingsError(f"{ours} cannot hold Dagster's home: {error}. Let MODEL_ASSETS_HOME be a folder of this user's.") from error
    return {**needed, "DAGSTER_HOME": str(ours), "DAGSTER_PG_URL": database.dagster_url(url)}


def storage_url(settings: Settings, url: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Where Dagster keeps its tables, which may not be there yet; null where a home of the caller's own does not say so. Makes nothing."""
    caller = os.environ if environment is None else environment
    theirs = _home_of(caller)
    if theirs and theirs != settings.model_assets_home / "dagster":
        if "DAGSTER_PG_URL" not in (theirs / "dagster.yaml").read_text(encoding="utf-8"):
            return None
        return caller.get("DAGSTER_PG_URL") or database.dagster_url(url, make=False)
    return database.dagster_url(url, make=False)


@contextlib.contextmanager
def opened(settings: Settings, url: str) -> Iterator["dg.DagsterInstance | None"]:
    """Dagster's instance as `up` uses it, for a process that is none of Dagster's own; None where Dagster was never run on this home."""
    import dagster as dg

    if not (settings.model_assets_home / "dagster" / "dagster.yaml").is_file() and _home_of(os.environ) is None:
        yield None
        return
    needed = prepare(settings, url)
    before = {name: os.environ.get(name) for name in needed}
    os.environ.update(needed)  # Dagster takes its home and URL from the environment of the process
    try:
        with dg.DagsterInstance.get() as instance:
            yield instance
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def instance(home: Path) -> dict[str, Any]:
    """The content of `dagster.yaml`: few runs at a time, each watched; one that lost its process is run again, one that failed is not."""
    return {
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        "storage": STORAGE,
        "compute_logs": {
            "module": "dagster._core.storage.local_compute_log_manager",
            "class": "LocalComputeLogManager",
            "config": {"base_dir": str(home / "compute_logs")},
        },
        "concurrency": {"runs": {"max_concurrent_runs": 2}, "pools": {"granularity": "op", "default_limit": 1}},
        "run_queue": {"dequeue_interval_seconds": 1},  # somebody may wait for a run; Dagster itself would look every five seconds
        "run_monitoring": {
            "enabled": True,
            "poll_interval_seconds": 5,
            "start_timeout_seconds": 60,
            "cancel_timeout_seconds": 30,
            "max_runtime_seconds": int(BUDGET.total_seconds()),
            "free_slots_after_run_end_seconds": 30,
        },
        # A step retries by its own policy, which knows what a rerun can mend.
        "run_retries": {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False},
        "retention": {
            "schedule": {"purge_after_days": {"skipped": 30, "success": 365, "failure": 365}},
            "sensor": {"purge_after_days": {"skipped": 7, "success": 90, "failure": 90}},
            "auto_materialize": {"purge_after_days": {"skipped": 7, "success": 90, "failure": 90}},
        },
    }


def create_tables(environment: Mapping[str, str], *, end_leftovers: bool = False) -> None:
    """Dagster's tables are there afterwards. Any number of processes may call this at once: one makes them, under an advisory lock. On request
    the runs that a supervisor of this machine left behind without a process are ended as well.

    Dagster's own processes crash when several of them find the tables missing. A child makes them, because Dagster takes its home and
    URL from the environment of the process. Raises DatabaseDown with what Dagster said.
    """
    with _one_at_a_time(environment.get("DAGSTER_PG_URL")):
        command = [sys.executable, "-c", END_LEFTOVERS if end_leftovers else CREATE_TABLES]
        made = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)  # noqa: S603
    if made.returncode:
        said = (made.stderr.strip() or "nothing").splitlines()[-1]
        raise DatabaseDown(f"Dagster could not open the storage of {environment['DAGSTER_HOME']}/dagster.yaml. It said: {said}")


@contextlib.contextmanager
def _one_at_a_time(url: str | None) -> Iterator[None]:
    """Hold Dagster's database for this session; a home of the caller's that keeps nothing in Postgres is not locked."""
    if not url:
        yield
        return
    try:
        connection = psycopg.connect(database.plain(url), autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split())[:200]
        raise DatabaseDown(f"Dagster's database does not answer ({said}). Start it, or correct DATABASE_URL (or DAGSTER_PG_URL).") from None
    with contextlib.closing(connection):
        connection.execute("select pg_advisory_lock(%s)", [CREATE_TABLES_LOCK])
        yield


def _home_of(environment: Mapping[str, str]) -> Path | None:
    """The caller's DAGSTER_HOME, if there is a dagster.yaml in it."""
    home = environment.get("DAGSTER_HOME", "").strip()
    return Path(home).absolute() if home and (Path(home) / "dagster.yaml").is_file() else None


def _write(path: Path, content: str) -> None:
    """Write a file whole or not at all, and only when it differs."""
    if path.is_file() and path.read_text(encoding="utf-8") == content:
        return
    handle, new = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with open(handle, "w", encoding="utf-8") as file:
        file.write(content)
    os.replace(new, path)
