"""Loading from the command line: live sources side by side, folders of recordings, a refused payload that a person accepts."""

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from model_assets import pipeline
from model_assets.attempts import Attempt, attempt
from model_assets.database import connect, is_down
from model_assets.errors import BadRecording, DatabaseDown, ModelAssetsError, PayloadRefused
from model_assets.fetching.http import Policy
from model_assets.ledger import observations
from model_assets.ledger.changes import ChangeSet
from model_assets.ledger.describe import Change, describe
from model_assets.ledger.observations import Counts, Observation, instant_text
from model_assets.pipeline import Audit
from model_assets.readiness import remedied
from model_assets.recording_files import Recording
from model_assets.sources import SOURCES
from model_assets.sources.base import Source


@dataclass
class Report:
    """What loading did for one source. `listings`, `prices`, `scores` and `mentions` are those of its newest observation loaded.

    `created`, `updated` and `skipped` count entries: models, or else scores or mentions, that are new, that changed, and that failed. `notes`
    are what a payload says of itself, such as what a limit left out.
    """

    source: str
    observations: int = 0
    listings: int = 0
    prices: int = 0
    scores: int = 0
    mentions: int = 0
    price_values: int = 0
    added: int = 0
    changed: int = 0
    closed: int = 0
    quarantined: int = 0
    created: int = 0
    updated: int = 0
    skipped: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    unmapped: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    @property
    def share_mapped(self) -> float | None:
        """How many of the price values read became price rows, 0 to 1; null where nothing new was read."""
        return 1 - self.unmapped.total() / self.price_values if self.price_values else None

    def add(self, audited: Audit) -> None:
        """Count one observation."""
        self.observations += 1
        self.price_values += audited.parsed.price_values
        self.unmapped.update(audited.parsed.unmapped)
        if audited.staged:
            self.holds(audited.staged.counts)
            self.added += audited.staged.added
            self.changed += audited.staged.changed
            self.closed += audited.staged.closed
            self.quarantined += audited.staged.rejected
        if audited.changes:
            self.entries(audited.changes)
        elif audited.staged:  # seen again: it fails in the same places
            self.skipped += audited.staged.rejected
        self.errors += [pipeline.refusal(one) for one in audited.rejudged if one.outcome == "refused"]

    def entries(self, changes: ChangeSet) -> None:
        """Count what happened to entries, whatever happened to their prices."""
        parts = [part for name, part in changes.parts.items() if name != "price"]
        self.created += sum(part.added for part in parts)
        self.updated += sum(part.changed for part in parts)
        self.skipped += sum(reject.broken and reject.relation != "price" for reject, _ in changes.rejects)
        self.notes += [reject.reason for reject, _ in changes.rejects if not reject.broken]

    def summary(self) -> dict[str, object]:
        """The report in five fields: `status` (success, failed), `created`, `updated`, `skipped`, and a `message` in a sentence."""
        done = f"{self.created} created, {self.updated} updated, {self.skipped} skipped"
        message = "; ".join(self.errors or [f"{self.source}: {done}", *self.notes])
        status = "failed" if self.errors else "success"
        return {"status": status, "created": self.created, "updated": self.updated, "skipped": self.skipped, "message": message}

    def holds(self, counts: Counts) -> None:
        """Take over how many rows the newest observation holds."""
        self.listings, self.prices, self.scores, self.mentions = counts

    def as_dict(self) -> dict[str, object]:
        """The report as plain values, for JSON."""
        shown = {key: value for key, value in vars(self).items() if key not in ("unmapped", "changes", "seconds")}
        return shown | self.summary() | {
            "share_mapped": self.share_mapped, "unmapped": dict(self.unmapped), "seconds": round(self.seconds, 2),
            "changes": [change.as_dict() for change in self.changes],
        }  # fmt: skip


Progress = Callable[[str], None]
#: sources that are read at once: each needs a connection of the pool, which has sixteen
SIDE_BY_SIDE = 12


def sync(url: str, sources: Sequence[Source], policy: Policy, progress: Progress, *, dry_run: bool = False) -> list[Report]:
    """Read the sources now, side by side; one that fails, however, does not stop the others. A dry run writes nothing and brings the change
    sets. Raises DatabaseDown."""

    def one(source: Source) -> Report:
        report = Report(source.name)
        started = time.monotonic()
        try:
            if dry_run:
                _dry(url, source, policy, report)
            else:
                with attempt(url, source.name, pipeline.today(), "model-assets sync") as running:
                    report.add(pipeline.load(url, source, pipeline.record_live(url, source, policy), running))
        except Exception as error:  # noqa: BLE001  (whatever is wrong with one source is not wrong with the others)
            said = _said(source.name, error)
            report.errors.append(said if said.startswith(f"{source.name} ") else f"{source.name}: {said}")
        report.seconds = time.monotonic() - started
        progress(source.name)
        return report

    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
        return list(pool.map(one, sources))


def _said(what: str, error: Exception) -> str:
    """An error in a line; of one that nobody foresaw, where it was raised. Raises it again where the database is down: nothing else will work."""
    if isinstance(error, DatabaseDown) or (isinstance(error, OperationalError) and is_down(error)):
        raise error
    if isinstance(error, ModelAssetsError):
        return str(error)
    if isinstance(error, DBAPIError) and (remedy := remedied(error)):
        return f"{what} was not loaded: {remedy}"
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(__file__).parent in Path(frame.filename).parents]
    said = " ".join(str(getattr(error, "orig", error)).split())[:300]
    return (
        f"{what} was not loaded: {type(error).__name__}: {said} ({Path(ours[-1].filename).name}, line {ours[-1].lineno})."
        " This was not foreseen; the ledger did not move. Please report this line."
    )


def _dry(url: str, source: Source, policy: Policy, report: Report) -> None:
    observation, body = pipeline.look(source, policy)
    audited = pipeline.audit(url, source, observation, keep=False, body=body)
    report.observations = 1
    report.price_values, report.unmapped = audited.parsed.price_values, audited.parsed.unmapped
    if audited.changes:
        changes = audited.changes
        report.holds(changes.counts)
        report.added, report.changed, report.closed, report.quarantined = (
            changes.added,
            changes.changed,
            changes.closed,
            len(changes.rejects),
        )
        report.entries(changes)
        with connect(url) as connection:
            report.changes = describe(connection, changes)
    elif audited.outcome == "seen again":
        with connect(url) as connection:
            held = observations.nearest_earlier_accepted(connection, source.name, observation.observed_at)
        report.holds(held.counts if held else Counts())
    if audited.outcome == "refused":
        report.errors.append(f"{observation.label} would be refused: {'; '.join(audited.reasons)}")


def import_recordings(url: str, recordings: Iterable[Recording], progress: Progress) -> list[Report]:
    """Load recordings in the order given, an attempt for each run of the same source and day. What cannot be loaded is named in the reports.

    Raises DatabaseDown.
    """
    reports: dict[str, Report] = {}
    for (name, day), group in groupby(recordings, key=lambda one: (one.source, one.observed_at.date())):
        report = reports.setdefault(name, Report(name))
        started = time.monotonic()
        files = list(group)
        try:
            with attempt(url, name, day, "model-assets import") as running:
                _import_day(url, SOURCES[name], files, running, report, progress)
        except Exception as error:  # noqa: BLE001  (as in `sync`)
            report.errors.append(_said(f"{name} {day}", error))
        report.seconds += time.monotonic() - started
    return list(reports.values())


def _import_day(url: str, source: Source, files: Sequence[Recording], running: Attempt, report: Report, progress: Progress) -> None:
    """Load one day's recordings, each on its own: one that is refused or broken does not keep the next from being loaded. Raises the last
    error at the end."""
    failed: Exception | None = None
    for recording in files:
        try:
            report.add(pipeline.load(url, source, _recorded(url, source, recording), running))
        except Exception as error:  # noqa: BLE001  (as in `sync`)
            said = _said(str(recording.path), error)
            if failed is not None:
                report.errors.append(str(failed))
            failed = error if isinstance(error, ModelAssetsError) else ModelAssetsError(said)
        progress(str(recording.path.name))
    if failed is not None:
        raise failed


def _recorded(url: str, source: Source, recording: Recording) -> Observation:
    try:
        with connect(url) as connection:
            return pipeline.record_recording(connection, source, recording)
    except ValueError as error:  # an instant ahead of the clock
        raise BadRecording(f"{recording.path} was not loaded: {error}") from None


def accept(url: str, source: Source, at: datetime, by: str, verdict: str = "refused") -> Report:
    """Merge a payload that the gate refused, on a person's word; or, with the verdict "replaced", bring back the one that a later payload of
    the same instant replaced. Raises ModelAssetsError where no such payload of that instant is kept."""
    with connect(url) as connection:
        digest = connection.execute(
            text(
                "select sha256 from ops.observation join raw.payload using (source, observed_at, sha256)"
                " where source = :source and observed_at = :at and verdict = :verdict order by recorded_at desc limit 1"
            ),
            {"source": source.name, "at": at, "verdict": verdict},
        ).scalar()
        waiting = (
            connection.execute(
                text(
                    "select observed_at from ops.observation where source = :source and verdict = :verdict order by observed_at desc limit 5"
                ),
                {"source": source.name, "verdict": verdict},
            )
            .scalars()
            .all()
        )
    if digest is None:
        others = ", ".join(instant_text(one) for one in waiting) or "none"
        raise ModelAssetsError(
            f"{source.name} has no {verdict} payload at {instant_text(at)}: there is nothing to accept. {verdict.capitalize()} ones: {others}."
        )
    report = Report(source.name)
    started = time.monotonic()
    with attempt(url, source.name, at.date(), f"model-assets accept ({by})") as running:
        try:
            report.add(pipeline.load(url, source, Observation(source.name, at, digest), running, decided_by=by))
        except PayloadRefused as error:  # the gate is not asked: there are no rows in it at all
            why = str(error).partition(" was refused: ")[2].partition(" The ledger did not move")[0]
            raise PayloadRefused(f"{source.name} {instant_text(at)} cannot be accepted, since no rows can be read from it: {why}") from None
    report.seconds = time.monotonic() - started
    return report
