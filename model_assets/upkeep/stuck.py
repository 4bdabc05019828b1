"""Stuck syncs: an attempt whose process is gone is freed, and so is what its Dagster run keeps from others."""

import ipaddress
import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
from dagster._core.storage.tags import GRPC_INFO_TAG
from sqlalchemy import text

from model_assets.attempts import abandon_dead
from model_assets.database import connect

UNFINISHED = {dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING}


def free_stuck(url: str, instance: dg.DagsterInstance) -> list[int]:
    """Mark the attempts whose process is gone as abandoned, and end their Dagster runs, which would keep the source's pool and a place among
    the runs for as long as a run may take. Returns the attempts' ids. A run that ended so is run again by Dagster's retries.
    """
    freed = abandon_dead(url)
    for dagster_run_id in _dagster_runs(url, freed):
        run = instance.get_run_by_id(dagster_run_id)
        if run is not None and run.status in UNFINISHED:
            instance.report_run_failed(run, "Its process ended without a word; what it had not committed is not in the ledger.")
    return freed


def _dagster_runs(url: str, attempts: Sequence[int]) -> list[str]:
    with connect(url) as connection:
        query = "select distinct dagster_run_id from ops.sync_run where run_id = any(:ids) and dagster_run_id is not null order by 1"
        return list(connection.execute(text(query), {"ids": list(attempts)}).scalars())


def end_leftovers(instance: dg.DagsterInstance) -> list[str]:
    """End the runs of which this machine's earlier supervisor left nothing but their record, as after a power cut: Dagster itself would take them
    for alive, and keep their place from others, for as long as a run may take. Returns their ids.

    Nothing is ended while some other process works on this Dagster home: it may be one of those runs.
    """
    if _others_at_work():
        return []
    left = [run for run in instance.get_runs(dg.RunsFilter(statuses=[*UNFINISHED])) if _was_started_by_a_dead_server_here(run)]
    for run in left:
        instance.report_run_failed(run, "Its process ended with the machine or with `model-assets up`.")
    return [run.run_id for run in left]


def _was_started_by_a_dead_server_here(run: dg.DagsterRun) -> bool:
    where = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
    if "port" not in where or not ipaddress.ip_address(where["host"]).is_loopback:
        return False
    with socket.socket() as probe:
        return probe.connect_ex((where["host"], where["port"])) != 0


def _others_at_work() -> bool:
    """Whether another process has this one's DAGSTER_HOME in its environment; true where the system does not tell."""
    mark = f"DAGSTER_HOME={os.environ.get('DAGSTER_HOME', '')}".encode()
    processes = [process for process in Path("/proc").glob("[0-9]*") if int(process.name) not in (os.getpid(), os.getppid())]
    return not processes or any(mark in _environment(process) for process in processes)


def _environment(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or is another user's
        return []
