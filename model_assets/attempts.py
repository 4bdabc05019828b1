"""Attempts to sync a source: a row in `ops.sync_run` for each, failed ones too, written in transactions of their own.

An attempt is alive as long as a process holds a session lock on its id, or on the Dagster run that it belongs to: a process that is killed
lets go of it with its connection. Whoever finds a running attempt without either marks it abandoned and goes on; and an attempt that was marked
so may not commit any more (`fence`). The locks are shared ones: the steps of a run may be in processes of their own, and one step in two of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from model_assets.database import connect, session
from model_assets.errors import BadPayload, BadRecording, Fenced, FetchFailed, NoRoom, NothingRecorded, PayloadRefused, SourceBusy
from model_assets.ledger.observations import Counts
from model_assets.ledger.staging import storable

BUDGET = timedelta(hours=1)  # as long as an attempt may take; one that is alive after that is told of, and left alone
_LOCK_CLASS = "hashtext('model_assets.sync_run')"
_DAGSTER_RUN = "hashtext('model_assets.dagster_run'), hashtext(:dagster_run_id)"

WHAT_TO_DO: dict[type[Exception], str] = {
    FetchFailed: "If it passes there is nothing to do: the next scheduled run tries again. What the source said last stays served.",
    PayloadRefused: "Look at the reasons; if the payload is right after all, run `model-assets accept SOURCE INSTANT`.",
    NothingRecorded: "Put a recording of that day into a recordings folder and run the day again, or leave it missing.",
    BadPayload: "Look at the payload in raw.payload; if the source changed its shape, its file in model_assets/sources needs a new rule.",
    BadRecording: "Replace the file or remove it, then import again.",
    NoRoom: "Free some space on the disk of the database, or move MODEL_ASSETS_HOME to a larger one; then run the source again.",
    Fenced: "Nothing: another run of the same source and day took over.",
}


@dataclass
class Tally:
    """What an attempt did, in rows."""

    observations: int = 0
    listings: int = 0
    prices: int = 0
    scores: int = 0
    mentions: int = 0
    added: int = 0
    changed: int = 0
    closed: int = 0
    quarantined: int = 0

    def count(self, counts: Counts) -> None:
        """Take over how many rows the newest observation holds."""
        self.listings, self.prices, self.scores, self.mentions = counts


@dataclass
class Attempt:
    """A running row of `ops.sync_run`, held by this process."""

    url: str
    run_id: int
    source: str
    day: date
    tally: Tally = field(default_factory=Tally)
    _holder: Connection | None = None

    def fence(self, connection: Connection) -> None:
        """Raise Fenced, inside the transaction of `connection`, unless this attempt is still the one that runs."""
        status = connection.execute(text("select status from ops.sync_run where run_id = :id for update"), {"id": self.run_id}).scalar()
        if status != "running":
            raise Fenced(f"run {self.run_id} of {self.source} for {self.day} is {status}: it may not write to the ledger any more.")

    def finish(self, status: str, error: BaseException | None = None) -> None:
        """Write how it ended, unless somebody else has ended it, and let go of the source."""
        try:
            with connect(self.url) as connection:
                connection.execute(
                    text(
                        "update ops.sync_run set status = :status, finished_at = clock_timestamp(), observations = :observations,"
                        " listings = :listings, prices = :prices, scores = :scores, mentions = :mentions,"
                        " added = :added, changed = :changed, closed = :closed, quarantined = :quarantined,"
                        " error_class = :error_class, message = :message, what_to_do = :what_to_do where run_id = :id and status = 'running'"
                    ),
                    {"id": self.run_id, "status": status, **vars(self.tally), **_error_columns(error)},
                )
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Give the lock back: closing its session frees it."""
        _LIVE.pop((self.url, self.run_id), None)
        if self._holder is not None:
            self._holder.invalidate()
            self._holder.close()
            self._holder = None


_LIVE: dict[tuple[str, int], Attempt] = {}


def _error_columns(error: BaseException | None) -> dict[str, str | None]:
    if error is None:
        return {"error_class": None, "message": None, "what_to_do": None}
    kind = f"{type(error).__name__}:{error.kind}" if isinstance(error, FetchFailed) else type(error).__name__
    message = " ".join(str(error.orig if isinstance(error, SQLAlchemyError) and hasattr(error, "orig") else error).split())[:2000]
    remedy = next(
        (said for known, said in WHAT_TO_DO.items() if isinstance(error, known)),
        "Run the source again; if it fails again, report the message.",
    )
    return {"error_class": kind, "message": storable(message), "what_to_do": remedy}


def begin(url: str, source: str, day: date, started_by: str, dagster_run_id: str | None = None) -> Attempt:
    """Start an attempt. Raises SourceBusy, naming the run, where another live one has this source and day."""
    holder = session(url)
    try:
        with connect(url) as connection:
            connection.execute(text("select pg_advisory_xact_lock(hashtext('model_assets.begin'), hashtext(:source))"), {"source": source})
            _take_over(connection, holder, source, day)
            run_id: int = connection.execute(
                text(
                    "insert into ops.sync_run (source, day, started_by, dagster_run_id) values (:source, :day, :started_by, :dagster_run_id)"
                    " returning run_id"
                ),
                {"source": source, "day": day, "started_by": started_by, "dagster_run_id": dagster_run_id},
            ).scalar_one()
            holder.execute(text(f"select pg_advisory_lock_shared({_LOCK_CLASS}, :id)"), {"id": run_id})
    except BaseException:
        holder.close()
        raise
    attempt = Attempt(url, run_id, source, day, _holder=holder)
    _LIVE[(url, run_id)] = attempt
    return attempt


def _take_over(connection: Connection, holder: Connection, source: str, day: date) -> None:
    running = connection.execute(
        text("select run_id, started_by, started_at from ops.sync_run where source = :source and day = :day and status = 'running'"),
        {"source": source, "day": day},
    ).one_or_none()
    if running is None:
        return
    if not abandon_if_dead(connection, holder, running.run_id):
        raise SourceBusy(
            f"{source} for {day} is being synced by run {running.run_id} ({running.started_by}, since {running.started_at:%H:%M:%S} UTC)."
            " Wait until it ends; `model-assets status` shows it."
        )


def abandon_if_dead(connection: Connection, probe: Connection, run_id: int) -> bool:
    """Mark a running attempt abandoned where no live session holds it or its Dagster run. `probe` is a session of its own, in autocommit."""
    dagster_run_id = connection.execute(text("select dagster_run_id from ops.sync_run where run_id = :id"), {"id": run_id}).scalar()
    keys = [f"{_LOCK_CLASS}, :id", *([_DAGSTER_RUN] if dagster_run_id else [])]
    if any(_is_held(probe, key, {"id": run_id, "dagster_run_id": dagster_run_id}) for key in keys):
        return False
    connection.execute(
        text(
            "update ops.sync_run set status = 'abandoned', finished_at = clock_timestamp(), error_class = 'Abandoned',"
            " message = 'its process ended without a word', what_to_do = 'Nothing: run the source again. The ledger holds all of it or nothing.'"
            " where run_id = :id and status = 'running'"
        ),
        {"id": run_id},
    )
    return True


def _is_held(probe: Connection, key: str, values: dict[str, object]) -> bool:
    """Whether a session holds the advisory lock of that key."""
    if not probe.execute(text(f"select pg_try_advisory_lock({key})"), values).scalar():
        return True
    probe.execute(text(f"select pg_advisory_unlock({key})"), values)
    return False


@contextmanager
def hold_dagster_run(url: str, dagster_run_id: str) -> Iterator[None]:
    """Keep the attempts of a Dagster run alive for the length of a block, also between two steps that other processes execute."""
    holder = session(url)
    try:
        holder.execute(text(f"select pg_advisory_lock_shared({_DAGSTER_RUN})"), {"dagster_run_id": dagster_run_id})
        yield
    finally:
        holder.invalidate()  # ends the session, and the lock with it
        holder.close()


def abandon_dead(url: str) -> list[int]:
    """Mark every running attempt whose process is gone as abandoned. Returns their ids."""
    probe = session(url)
    try:
        with connect(url) as connection:
            running = (
                connection.execute(text("select run_id from ops.sync_run where status = 'running' for update skip locked")).scalars().all()
            )
            return [run_id for run_id in running if abandon_if_dead(connection, probe, run_id)]
    finally:
        probe.close()


def resume_or_begin(url: str, source: str, day: date, started_by: str, dagster_run_id: str) -> Attempt:
    """The attempt of a Dagster run, from its first step to its last, also where steps run in processes of their own.

    Raises Fenced where the run's attempt was ended by somebody else.
    """
    with connect(url) as connection:
        row = connection.execute(
            text(
                "select run_id, status from ops.sync_run where dagster_run_id = :id and source = :source and day = :day order by run_id desc limit 1"
            ),
            {"id": dagster_run_id, "source": source, "day": day},
        ).one_or_none()
    if row is None or row.status == "succeeded":  # a later step selected alone, or a step run again after the end
        return begin(url, source, day, started_by, dagster_run_id)
    if row.status != "running":
        raise Fenced(f"run {row.run_id} of {source} for {day} is {row.status}: it may not go on. Start a new run.")
    if (url, row.run_id) in _LIVE:
        return _LIVE[(url, row.run_id)]
    holder = session(url)
    holder.execute(text(f"select pg_advisory_lock_shared({_LOCK_CLASS}, :id)"), {"id": row.run_id})
    attempt = Attempt(url, row.run_id, source, day, _holder=holder)
    _LIVE[(url, row.run_id)] = attempt
    return attempt


@contextmanager
def attempt(url: str, source: str, day: date, started_by: str) -> Iterator[Attempt]:
    """An attempt for the length of a block: succeeded at its end, refused or failed by what it raises."""
    running = begin(url, source, day, started_by)
    try:
        yield running
    except BaseException as error:
        running.finish("refused" if isinstance(error, PayloadRefused) else "failed", error)
        raise
    running.finish("succeeded")
