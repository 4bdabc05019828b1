"""How all of it is doing: what `model-assets status` says, and what of it is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from model_assets import answers
from model_assets.answers.plain import Answer, plain
from model_assets.attempts import BUDGET
from model_assets.database import connect
from model_assets.settings import Settings
from model_assets.sources import SOURCES
from model_assets.upkeep.disk import Disk, disk_of
from model_assets.upkeep.heartbeats import Daemon, daemon

EMPTY = "The ledger is empty. Load something: `model-assets sync`, `model-assets import FOLDER`, or `model-assets quickstart`."


@dataclass
class Condition:
    """The health of every source, the last attempts, those that take too long, the daemon and the disk where they are known, and what of
    all this is wrong: a line each, that says what to do."""

    sources: Sequence[Answer]
    runs: Sequence[Answer]
    overdue: Sequence[Answer]
    daemon: Daemon | None
    disk: Disk | None
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        ages = {name: round(age) for name, age in self.daemon.heartbeat_ages.items()} if self.daemon else None
        return {
            "ok": not self.problems,
            "problems": self.problems,
            "sources": self.sources,
            "runs": self.runs,
            "overdue": self.overdue,
            "daemon": {"heartbeat_age_seconds": ages, "dead": self.daemon.dead} if self.daemon else None,
            "disk": {"folder": str(self.disk.folder), "free_bytes": self.disk.free} if self.disk else None,
        }


def condition(settings: Settings, url: str, *, with_daemon: bool = True) -> Condition:
    """How the ledger at `url` is doing, and who keeps it going. `with_daemon` is false where nobody expects Dagster's daemon to run."""
    with connect(url) as connection:
        health, runs = answers.status(connection)
    found = Condition(health, runs, overdue(url), daemon(settings, url) if with_daemon else None, disk_of(url, settings.model_assets_home))
    found.problems = [line for row in health if (line := lateness(row))] if health else [EMPTY]
    found.problems += [_overdue(row) for row in found.overdue]
    if found.daemon and found.daemon.dead:
        found.problems.append(found.daemon.what_to_do)
    if found.disk and found.disk.is_scarce:
        found.problems.append(found.disk.what_to_do)
    return found


def overdue(url: str) -> list[Answer]:
    """The attempts that have been running for longer than BUDGET although their process is alive: run, source, day, since when, by whom."""
    with connect(url) as connection:
        found = connection.execute(
            text(
                "select run_id, source, day, started_at, started_by from ops.sync_run"
                " where status = 'running' and clock_timestamp() - started_at > :budget order by started_at"
            ),
            {"budget": BUDGET},
        ).mappings()
        return [plain(dict(row)) for row in found]


def lateness(row: Answer) -> str | None:
    """What is wrong with the age of a source's last word; null where it is fresh, or where nobody reads the source."""
    source = SOURCES.get(row["source"])
    if source is None or source.why_off() is not None:
        return None
    age = row["age_seconds"]
    if age is not None and age <= source.freshness_hours * 3600:
        return None
    said = "was never observed" if age is None else f"was last observed {age / 3600:.1f} hours ago; {source.freshness_hours} are allowed"
    why = f" Its last attempt: {row['last_error']}" if row["last_error"] else ""
    return f"{source.name} {said}. Run `model-assets sync {source.name}`.{why}"


def _overdue(row: Answer) -> str:
    return (
        f"run {row['run_id']} of {row['source']} for {row['day']} ({row['started_by']}) has been running since {row['started_at']}."
        " It is alive and was left alone: cancel it in Dagster, or end its process."
    )
