"""What the books say went wrong: attempts that failed or were abandoned, payloads refused, sources late, prices held, disputes opened."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from model_assets.alerts.outbox import Alert, end, move, open_keys, position, raise_alert
from model_assets.ledger.observations import instant_text
from model_assets.sources.base import Source

#: what is younger may be followed by something that says an earlier time and is not committed yet
SETTLING = timedelta(seconds=2)
#: failures that are somebody's wish or another run's success
NO_FAULT = ("Fenced", "KeyboardInterrupt")
DOUBTS_SHOWN = 8


def look_at_books(connection: Connection, sources: Mapping[str, Source], now: datetime, hanging_minutes: int) -> int:
    """Put into the outbox what is new in the books, and end what is over. Returns how many alerts were raised.

    One at a time: whoever comes second waits, and finds nothing left. `now` is the time it is; what happened before the outbox was made is
    not told.
    """
    read = position(connection, "books")
    assert read is not None, "the migration makes this row"
    since = read[1]
    ended = _ended_attempts(connection, read[0], now - SETTLING)
    raised = sum(_attempt(connection, row) for row in ended)
    raised += _hanging(connection, now, hanging_minutes)
    raised += sum(raise_alert(connection, refusal(row)) for row in _refused(connection, since, now))
    raised += _lateness(connection, sources, since, now)
    raised += _doubts(connection, since, now)
    if ended:
        move(connection, "books", ended[-1].finished_at.isoformat())
    return raised


FAILED_FOR = text("""
    select max(day) from ops.sync_run where source = :source and status = 'failed' and finished_at <= :at and finished_at >= (
        select happened_at from ops.alert where key = 'source_failed:' || :source and ended_at is null)
""")


def _ended_attempts(connection: Connection, position: str, until: datetime) -> Sequence[Any]:
    query = text(
        "select * from ops.sync_run where status in ('succeeded', 'failed', 'abandoned') and finished_at > cast(:position as timestamptz)"
        " and finished_at <= :until order by finished_at, run_id"
    )
    return connection.execute(query, {"position": position, "until": until}).all()


def _attempt(connection: Connection, row: Any) -> bool:
    if row.status == "succeeded":
        if row.day < (connection.execute(FAILED_FOR, {"source": row.source, "at": row.finished_at}).scalar() or row.day):
            return False  # an earlier day was loaded: that says nothing of the day that failed
        said = f"{row.source} was synced at {row.finished_at:%Y-%m-%d %H:%M} UTC."
        end(connection, f"source_failed:{row.source}", row.finished_at, said)
        return False
    if row.status == "abandoned":
        cancelled = f"run_cancelled:{row.dagster_run_id}"
        return cancelled not in open_keys(connection, cancelled) and raise_alert(connection, abandoned(row))
    if row.dagster_run_id is None and row.error_class not in NO_FAULT:  # a run's failure is told with the run
        return raise_alert(connection, source_failed(row, f"/assets/history/{row.source}"))
    return False


def source_failed(attempt: Any, link: str) -> Alert:
    """A source could not be synced: told once, until an attempt succeeds."""
    return Alert(
        "source_failed", f"source_failed:{attempt.source}", "error", f"{attempt.source} could not be synced",
        f"{attempt.source} for {attempt.day} ({attempt.started_by}): {attempt.message}", attempt.what_to_do or "Look at the run.", link,
        attempt.finished_at, attempt.source, lasting=True,
    )  # fmt: skip


def abandoned(attempt: Any) -> Alert:
    """An attempt whose process ended without a word."""
    return Alert(
        "sync_abandoned", f"abandoned:{attempt.run_id}", "error", f"A sync of {attempt.source} was abandoned",
        f"Attempt {attempt.run_id} of {attempt.source} for {attempt.day} ({attempt.started_by}) was running when its process ended without a"
        " word. The ledger holds all of it or nothing.",
        f"Run it again: model-assets sync {attempt.source}. If it happens again, look for what kills it (memory, a restart).",
        f"/runs/{attempt.dagster_run_id}" if attempt.dagster_run_id else f"/assets/history/{attempt.source}", attempt.finished_at, attempt.source,
    )  # fmt: skip


def _hanging(connection: Connection, now: datetime, minutes: int) -> int:
    """Attempts of the command line that run too long; those of Dagster are told with their run."""
    running = connection.execute(
        text("select * from ops.sync_run where status = 'running' and dagster_run_id is null and started_at < :before"),
        {"before": now - timedelta(minutes=minutes)},
    ).all()
    for key in sorted(open_keys(connection, "attempt_hangs:") - {f"attempt_hangs:{row.run_id}" for row in running}):
        end(connection, key, now, "It has ended.")
    return sum(raise_alert(connection, hanging(row, minutes)) for row in running)


def hanging(attempt: Any, minutes: int) -> Alert:
    """An attempt of the command line that takes too long."""
    return Alert(
        "sync_hangs", f"attempt_hangs:{attempt.run_id}", "warning", f"A sync of {attempt.source} hangs",
        f"Attempt {attempt.run_id} of {attempt.source} for {attempt.day} ({attempt.started_by}) runs for more than {minutes} minutes.",
        "Look at its process and end it if it does nothing; whatever it did not commit is undone.", f"/assets/history/{attempt.source}",
        attempt.started_at, attempt.source, lasting=True,
    )  # fmt: skip


def _refused(connection: Connection, since: datetime, now: datetime) -> Sequence[Any]:
    """The first refused payload of each source and UTC day of its verdict."""
    query = text(
        "select distinct on (source, judged_day) source, observed_at, reasons, judged_at, (judged_at at time zone 'UTC')::date as judged_day"
        " from ops.observation where verdict = 'refused' and judged_at > :since and judged_at > :lately"
        " order by source, judged_day, judged_at, observed_at"
    )
    return connection.execute(query, {"since": since, "lately": now - timedelta(days=7)}).all()


def refusal(observation: Any) -> Alert:
    """A payload that the gate refused, told once for a source and day."""
    source, at = observation.source, instant_text(observation.observed_at)
    reasons = "; ".join(str(reason).rstrip(".") for reason in observation.reasons[:3])
    return Alert(
        "payload_refused", f"refused:{source}:{observation.judged_day}", "error", f"A payload of {source} was refused",
        f"{source} at {at}: {reasons}. The ledger did not move; what held before goes on being served.",
        f"Look at the reasons. If the payload is right after all: model-assets accept {source} {at}", f"/assets/staged/{source}",
        observation.judged_at, source,
    )  # fmt: skip


def _lateness(connection: Connection, sources: Mapping[str, Source], since: datetime, now: datetime) -> int:
    """Sources whose last accepted observation is too old. A failure or a refusal that is told explains it, and is not told twice."""
    query = text(
        "select source, max(observed_at) as last, bool_or(told) as told from ("
        "  select source, observed_at, false as told from ops.observation where verdict = 'accepted'"
        "  union all select source, null, false from ops.sync_run"
        "  union all select source, null, true from ops.alert where kind = 'source_failed' and ended_at is null"
        "  union all select source, null, true from ops.alert where kind = 'payload_refused' and happened_at > :recently"
        ") as known group by source"
    )
    raised = 0
    for row in connection.execute(query, {"recently": now - timedelta(hours=36)}).all():
        if (source := sources.get(row.source)) is None:
            continue
        allowed = timedelta(hours=source.freshness_hours)
        if source.why_off() is None and now - max(row.last or since, since) > allowed:
            raised += not row.told and raise_alert(connection, late(source, row.last, since, now))
        elif row.last is not None and now - row.last <= allowed:
            end(connection, f"late:{source.name}", now, f"{source.name} was observed at {row.last:%Y-%m-%d %H:%M} UTC.")
    return raised


def late(source: Source, last: datetime | None, since: datetime, now: datetime) -> Alert:
    """A source that was not observed for longer than it may be, though nothing is known to have failed."""
    said = f"was last observed {(now - last).total_seconds() / 3600:.1f} hours ago" if last else "was never observed"
    return Alert(
        "source_late", f"late:{source.name}", "warning", f"{source.name} is late",
        f"{source.name} {said}; {source.freshness_hours} hours are allowed. Nothing failed that would explain it.",
        f"See that the schedule and the daemon run (model-assets status), or run it now: model-assets sync {source.name}",
        f"/assets/history/{source.name}", (last or since) + timedelta(hours=source.freshness_hours), source.name, lasting=True,
    )  # fmt: skip


HELD_NEW = """
select 'held:' || held_id as what, source || ': ' || provider || '/' || listed_id || ' ' || meter || ' '
    || coalesce(from_amount::text, from_state) || ' -> ' || coalesce(to_amount::text, to_state) || ' (' || coalesce(reasons ->> 0, 'no reason') || ')' as said
from ops.held_change
where kind = 'held' and outcome = 'open' and changed_at > :since and 'held:' || held_id not in (select what from ops.alert_told)
order by changed_at desc, held_id
"""
DISPUTES_NEW = """
select 'dispute:' || dispute_id as what, offer || ' ' || meter || ': ' || lowest || ' to ' || highest || ' ' || currency as said
from catalog.dispute
where closed_at is null and opened_at > :since and 'dispute:' || dispute_id not in (select what from ops.alert_told)
order by ratio desc nulls first, dispute_id
"""


def _doubts(connection: Connection, since: datetime, now: datetime) -> int:
    """One digest a UTC day of changes that are held and disputes that opened; what comes later that day waits for the next."""
    key = f"doubts:{now:%Y-%m-%d}"
    if open_keys(connection, key):
        return 0
    held = connection.execute(text(HELD_NEW), {"since": since}).all()
    disputes = connection.execute(text(DISPUTES_NEW), {"since": since}).all()
    if not held and not disputes:
        return 0
    connection.execute(
        text("insert into ops.alert_told (what) select unnest(cast(:what as text[]))"), {"what": [row.what for row in (*held, *disputes)]}
    )
    return int(raise_alert(connection, doubts(key, [row.said for row in held], [row.said for row in disputes], now)))


def doubts(key: str, held: Sequence[str], disputes: Sequence[str], now: datetime) -> Alert:
    """Changes that are held and disputes that opened since the last digest, counted, the first few of each named."""
    counts = [f"{len(held)} changed price{'s' * (len(held) > 1)} held"] * bool(held)
    counts += [f"{len(disputes)} dispute{'s' * (len(disputes) > 1)} opened"] * bool(disputes)
    lines = [*_some("held", held), *_some("dispute", disputes)]
    return Alert(
        "doubts", key, "warning", " and ".join(counts), "\n".join(lines),
        "`model-assets held` and `model-assets disputes` list them; `model-assets held release` and `held reject` decide. Without a word the"
        " last good value is served until a change proves itself.",
        "/assets/gate/held_change" if held else "/assets/catalog/dispute", now,
    )  # fmt: skip


def _some(what: str, said: Sequence[str]) -> Iterable[str]:
    yield from (f"{what}: {one}" for one in said[:DOUBTS_SHOWN])
    if len(said) > DOUBTS_SHOWN:
        yield f"{what}: and {len(said) - DOUBTS_SHOWN} more"
