"""The way of a payload, without Dagster: record, stage, merge. The assets and the command line both go through here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from model_assets import recording_files
from model_assets.attempts import Attempt
from model_assets.database import connect
from model_assets.errors import BadPayload, FetchFailed, ModelAssetsError, NothingRecorded, PayloadRefused, SourceOff
from model_assets.fetching.http import NotModified, Policy, fetch
from model_assets.frames import broken_rows
from model_assets.gate.set_level import judge, judge_size
from model_assets.ledger import changes as ledger_changes
from model_assets.ledger import observations
from model_assets.ledger.changes import ChangeSet, version_of
from model_assets.ledger.claims import RELATIONS
from model_assets.ledger.merge import LedgerMoved, keep_verdict, merge, retract
from model_assets.ledger.observations import Counts, Observation, instant_text
from model_assets.ledger.staging import Staged, stage, stage_seen_again
from model_assets.recording_files import Recording
from model_assets.sources.base import Answer, Ask, Parsed, Source
from model_assets.upkeep.disk import require_room

SHOWN_REASONS = 20
MERGE_TRIALS = 20


@dataclass
class Audit:
    """What came of staging one observation. `staged` is null where there is nothing to merge: it was merged before, or it is refused."""

    observation: Observation
    outcome: str  # "changes", "nothing changed", "seen again", "merged before", "refused"
    staged: Staged | None = None
    changes: ChangeSet | None = None
    parsed: Parsed = field(default_factory=Parsed)
    reasons: list[str] = field(default_factory=list)
    readable: bool = True
    rejudged: list["Audit"] = field(default_factory=list)  # later observations whose verdict this one changed


def look(source: Source, policy: Policy) -> tuple[Observation, bytes]:
    """What a source says now, kept nowhere: for a dry run. Raises FetchFailed."""
    _check_on(source)
    if source.gather:
        at, body = datetime.now(UTC).replace(microsecond=0), source.gather(asking(policy), None)
    else:
        answer = fetch(source.url, policy=policy, accept=source.accept, headers=source.headers())
        if isinstance(answer, NotModified):
            raise FetchFailed(f"{source.url} answered 304 to a request without a condition; try again later", "protocol")
        at, body = answer.fetched_at, answer.body
    return Observation(source.name, at, sha256(body).digest()), body


def asking(policy: Policy) -> Ask:
    """The way in which sources of several requests ask for each of them."""

    def ask(
        url: str, *, headers: Mapping[str, str] | None = None, accept: str = "application/json", etag: str | None = None
    ) -> Answer | None:
        answer = fetch(url, etag=etag, policy=policy, headers=headers, accept=accept)
        return None if isinstance(answer, NotModified) else answer

    return ask


def _check_on(source: Source) -> None:
    if why := source.why_off():
        raise SourceOff(f"{source.name} is off: {why}")


def record_live(url: str, source: Source, policy: Policy) -> Observation:
    """Fetch a source now and keep what it said. A 304 is the payload that is kept already, seen again. Raises FetchFailed, NoRoom."""
    _check_on(source)
    require_room(url)
    if source.gather:
        return _gather(url, source, source.gather, policy)
    with connect(url) as connection:
        validators = observations.latest_validators(connection, source.name, source.url)
    etag, last_modified, kept = validators or (None, None, b"")
    answer = fetch(source.url, etag=etag, last_modified=last_modified, policy=policy, accept=source.accept, headers=source.headers())
    with connect(url) as connection:
        if isinstance(answer, NotModified):
            body, status = observations.body_of(connection, kept), 304
            headers = {name: value for name, value in (("etag", etag), ("last-modified", last_modified)) if value}
        else:
            body, status, headers = answer.body, answer.status, answer.headers
        return observations.record(
            connection, source.name, answer.fetched_at, body, url=source.url, origin="live", status=status, headers=headers
        )


def _gather(url: str, source: Source, gather: Callable[[Ask, bytes | None], bytes], policy: Policy) -> Observation:
    with connect(url) as connection:
        kept = observations.latest_live(connection, source.name)
    at = datetime.now(UTC).replace(microsecond=0)  # of the first request: what it says held then
    body = gather(asking(policy), kept)
    with connect(url) as connection:
        return observations.record(connection, source.name, at, body, url=source.url, origin="live")


def record_recording(connection: Connection, source: Source, recording: Recording) -> Observation:
    """Keep what a recording holds. Raises BadRecording."""
    body, packed = recording.read()
    return observations.record(
        connection, recording.source, recording.observed_at, body, url=source.url, origin="recording", compressed=packed
    )


def record_day(url: str, source: Source, day: date, folders: Sequence[Path]) -> list[Observation]:
    """Keep what the recordings of a UTC day hold, and return all observations of that day that are kept.

    Raises NothingRecorded where there are none: a live feed serves only today.
    """
    with connect(url) as connection:
        for recording in recording_files.of_day(folders, source.name, day):
            record_recording(connection, source, recording)
        kept = observations.on_day(connection, source.name, day)
    if not kept:
        looked = ", ".join(str(folder) for folder in folders)
        raise NothingRecorded(
            f"{source.name} serves only today; {day} was asked for, and no payload of that day is kept, nor is there a recording in {looked}."
            f" Put one at <folder>/{source.name}/{day}T0200Z.{source.extension}.gz, or leave that day missing."
        )
    return kept


def audit_day(url: str, source: Source, found: Sequence[Observation]) -> list[Audit]:
    """Audit observations that follow each other, each as if those before it were merged already: so each change set shows its own changes."""
    audits: list[Audit] = []
    for observation in found:
        audits.append(audit(url, source, observation, before=[one for one in audits if one.staged]))
    return audits


def audit(
    url: str,
    source: Source,
    observation: Observation,
    *,
    keep: bool = True,
    accept_as: str | None = None,
    body: bytes | None = None,
    before: Sequence[Audit] = (),
) -> Audit:
    """Parse an observation, compare it with the ledger, and let the gate judge it. With `keep` the change set is staged for the merge;
    without, nothing is written, and `body` may be a payload that is not kept.

    A payload equal to the nearest earlier accepted one is not parsed again; one that was merged before is left alone, also where a correction
    has replaced it since (`model-assets accept --replaced` brings it back). A refused one gets its
    verdict here, unless a person accepts it (`accept_as`: by whom). `before` are audits of earlier instants whose change sets wait to be
    merged, in order. Raises BadPayload only without `keep`.
    """
    with connect(url) as connection:
        return _audit(connection, source, observation, keep, accept_as, body, before)


def _audit(
    connection: Connection,
    source: Source,
    observation: Observation,
    keep: bool = True,
    accept_as: str | None = None,
    body: bytes | None = None,
    before: Sequence[Audit] = (),
) -> Audit:
    if accept_as is None and verdict_on(connection, observation) in ("accepted", "replaced"):
        return Audit(observation, "merged before")
    version = version_of(connection, source.name) + len(before)  # read first: whatever else lands from here on is noticed by the merge
    earlier = observations.nearest_earlier_accepted(connection, source.name, observation.observed_at)
    waiting = [one for one in before if earlier is None or one.observation.observed_at >= earlier.observation.observed_at]
    if waiting:
        last = waiting[-1].staged
        assert last is not None
        earlier = observations.Judged(last.observation, "accepted", last.counts, last.rejected)
    elif earlier and earlier.observation.sha256 == observation.sha256 and not _spoken_at(connection, observation):
        staged = None
        if keep:
            staged = stage_seen_again(connection, observation, earlier, version)
        return Audit(observation, "seen again", staged)
    try:
        parsed = source.rows(observations.body_of(connection, observation.sha256) if body is None else body)
    except BadPayload as error:
        if not keep:
            raise
        return replace(_refuse(connection, observation, _nothing(observation), Parsed(), [str(error)]), readable=False)
    pending = [one.changes for one in waiting if one.changes]
    if any(part.restored for one in pending for part in one.parts.values()):
        version, pending = -1, []  # what those restore is known after their merge only: this one is compared again then
    changes = ledger_changes.compare(connection, observation, parsed, broken_rows, version, pending)
    reasons = judge(changes, earlier)
    if reasons and accept_as is None:
        return (
            _refuse(connection, observation, changes, parsed, reasons)
            if keep
            else Audit(observation, "refused", None, changes, parsed, reasons)
        )
    staged = stage(connection, changes, parsed) if keep else None
    return Audit(observation, "nothing changed" if changes.empty else "changes", staged, changes, parsed, reasons)


def verdict_on(connection: Connection, observation: Observation) -> str | None:
    """accepted, refused, replaced; null where the payload was not judged yet."""
    return connection.execute(
        text("select verdict from ops.observation where source = :source and observed_at = :at and sha256 = :sha256"),
        {"source": observation.source, "at": observation.observed_at, "sha256": observation.sha256},
    ).scalar()


def _spoken_at(connection: Connection, observation: Observation) -> bool:
    """Whether another payload was accepted at the very instant, which this one would replace."""
    return bool(
        connection.execute(
            text("select exists (select from ops.observation where source = :source and observed_at = :at and verdict = 'accepted')"),
            {"source": observation.source, "at": observation.observed_at},
        ).scalar()
    )


def _nothing(observation: Observation) -> ChangeSet:
    return ChangeSet(observation, 0, {relation.name: ledger_changes.Part() for relation in RELATIONS}, [], Counts())


def _refuse(connection: Connection, observation: Observation, changes: ChangeSet, parsed: Parsed, reasons: list[str]) -> Audit:
    rows = [f"{reject.provider}/{reject.listed_id}: {reject.reason}" for reject, _ in changes.rejects]
    said = (reasons + rows)[:SHOWN_REASONS]
    unmoved = ChangeSet(observation, changes.ledger_version, _nothing(observation).parts, changes.rejects, changes.counts)
    keep_verdict(connection, stage(connection, unmoved, parsed), "refused", said, "gate")
    return Audit(observation, "refused", None, changes, parsed, said)


def publish(url: str, source: Source, audited: Audit, fence: Callable[[Connection], None], decided_by: str = "gate") -> Audit:
    """Merge what an audit staged; where the ledger moved in between, audit again first. Returns the audit that was merged.

    Raises Fenced where the run may not commit any more, PayloadRefused where the second audit refuses, NoRoom where the merge might fill the
    disk, and ModelAssetsError where the ledger does not come to rest.
    """
    require_room(url)
    for trial in range(MERGE_TRIALS):
        if audited.staged is None:
            break
        try:
            with connect(url) as connection:
                merge(connection, audited.staged, fence, decided_by, audited.reasons)
                return replace(audited, rejudged=_rejudge_later(connection, source, audited.observation, fence))
        except LedgerMoved:
            audited = audit(url, source, audited.observation, accept_as=None if decided_by == "gate" else decided_by)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in ("40001", "40P01") or trial >= 3:
                raise
    if audited.outcome == "refused":
        raise PayloadRefused(refusal(audited))
    if audited.staged is not None:
        raise ModelAssetsError(
            f"{audited.observation.label} was not merged: other runs moved the ledger of {source.name} {MERGE_TRIALS} times meanwhile."
            " Run it again when fewer of them are at work."
        )
    return audited


def _rejudge_later(connection: Connection, source: Source, accepted: Observation, fence: Callable[[Connection], None]) -> list[Audit]:
    """Judge later observations anew, as if all had come in order of time: which of them are accepted must not depend on the order of loading.

    The gate compares a list with the nearest earlier accepted one. Where one is accepted late, the next may turn out to be a cut list, and is
    taken back; one that was refused for its size may pass. It ends with the first one that stays accepted. What a person accepted stays.
    Returns those whose verdict changed, in the transaction of `connection`.
    """
    changed = []
    for later in observations.judged_by_the_gate_after(connection, source.name, accepted.observed_at):
        one = later.observation
        earlier = observations.nearest_earlier_accepted(connection, source.name, one.observed_at)
        if later.verdict == "refused":
            audited = _audit(connection, source, one)
            if audited.staged is not None:
                merge(connection, audited.staged, fence)
                changed.append(audited)
        elif reasons := judge_size(later.counts, earlier):
            taken_back = ledger_changes.retraction(connection, one, version_of(connection, source.name))
            counted = earlier.observation if earlier and _is_counted(connection, one) else None
            parsed = source.rows(observations.body_of(connection, counted.sha256)) if counted else Parsed()
            retract(connection, stage(connection, taken_back, parsed), reasons, counted)
            changed.append(Audit(one, "refused", None, None, Parsed(), reasons))
        else:
            break
    return changed


def _is_counted(connection: Connection, observation: Observation) -> bool:
    """Whether its source's counters are those of an observation."""
    counters = text("select exists (select from ops.popularity where source = :source and observed_at = :at)")
    return bool(connection.execute(counters, {"source": observation.source, "at": observation.observed_at}).scalar())


def refusal(audited: Audit) -> str:
    """Why an observation was refused, and what to do, in one line."""
    observation = audited.observation
    reasons = "; ".join(reason.rstrip(".") for reason in audited.reasons[:3])
    said = f"{observation.label} was refused: {reasons}. The ledger did not move and the payload is kept in raw."
    if not audited.readable:
        return f"{said} No rows can be read from it, so there is nothing to accept; load a whole one."
    return f"{said} If it is right after all: model-assets accept {observation.source} {instant_text(observation.observed_at)}"


def load(url: str, source: Source, observation: Observation, attempt: Attempt, decided_by: str = "gate") -> Audit:
    """Audit and publish one observation, and count it. Raises PayloadRefused."""
    audited = audit(url, source, observation, accept_as=None if decided_by == "gate" else decided_by)
    if audited.outcome == "refused":
        count(attempt, audited)
        raise PayloadRefused(refusal(audited))
    audited = publish(url, source, audited, attempt.fence, decided_by)
    count(attempt, audited)
    return audited


def count(attempt: Attempt, audited: Audit) -> None:
    """Add an audited observation to its attempt's tally."""
    tally = attempt.tally
    tally.observations += 1
    if audited.staged:
        tally.count(audited.staged.counts)
        tally.quarantined += audited.staged.rejected
        tally.added += audited.staged.added
        tally.changed += audited.staged.changed
        tally.closed += audited.staged.closed


def today() -> date:
    """The UTC day."""
    return datetime.now(UTC).date()
