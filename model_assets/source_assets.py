"""The three assets of every source and their checks: raw, staged, history. What differs only in nouns shares this factory.

An asset reads, calls the pipeline, and writes; all that is worth arguing about is in `pipeline`, `ledger` and `gate`.
"""

from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import dagster as dg
from sqlalchemy import Connection, text

from model_assets import pipeline
from model_assets.attempts import Attempt, resume_or_begin
from model_assets.contracts import METERS
from model_assets.errors import DatabaseDown, Fenced, FetchFailed, ModelAssetsError, PayloadRefused
from model_assets.executors import CELERY
from model_assets.frames import describe as describe_columns
from model_assets.ledger import observations
from model_assets.ledger.claims import PRICE
from model_assets.ledger.describe import describe
from model_assets.ledger.observations import instant_text
from model_assets.ledger.staging import staged_for
from model_assets.pipeline import Audit
from model_assets.resources import Feeds, Postgres
from model_assets.sources.base import Source

DAILY = dg.DailyPartitionsDefinition(start_date="2024-01-01", end_offset=1)
CHANGES_SHOWN = 100
OWNERS = ["team:sources"]
ENDED = {dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS}


class RawConfig(dg.Config):
    """How the payloads of a day are come by."""

    live: bool = True  # today: ask the source (else only recordings count). A past day never is asked for: a feed serves today.


def source_assets(source: Source) -> list[dg.AssetsDefinition]:
    """raw, staged and history of one source, partitioned by UTC day."""
    return [_raw(source), _staged(source), _history(source)]


def _common(source: Source, layer: str) -> dict[str, Any]:
    return {
        "key": [layer, source.name], "group_name": layer, "partitions_def": DAILY, "owners": OWNERS,
        "tags": {"source": source.name, "kind": source.kind, "layer": layer}, "pool": f"source_{source.name}",
    }  # fmt: skip


def _raw(source: Source) -> dg.AssetsDefinition:
    @dg.asset(
        **_common(source, "raw"), kinds={"http", "json", "postgres"},
        description=f"The payloads as they came.\n\n{source.description}", metadata={"url": dg.MetadataValue.url(source.url)},
    )  # fmt: skip
    def raw(context: dg.AssetExecutionContext, config: RawConfig, postgres: Postgres, feeds: Feeds) -> dg.MaterializeResult:
        day = date.fromisoformat(context.partition_key)

        def work(attempt: Attempt) -> dg.MaterializeResult:
            if day == pipeline.today() and config.live:
                found = [pipeline.record_live(postgres.address, source, feeds.policy)]
            else:
                found = pipeline.record_day(postgres.address, source, day, feeds.recording_folders)
            with postgres.begin() as connection:
                rows = [_payload_record(connection, one) for one in found]
            return dg.MaterializeResult(
                metadata={
                    "dagster/row_count": len(found),
                    "payloads": dg.MetadataValue.table([dg.TableRecord(row) for row in rows]),
                    "sha256": found[-1].sha256.hex(),
                },
                data_version=dg.DataVersion(",".join(one.sha256.hex()[:16] for one in found)),
            )

        return _attempted(context, postgres, source, day, work)

    return raw


def _payload_record(connection: Connection, observation: observations.Observation) -> dict[str, str | int]:
    origin, size = connection.execute(
        text(
            "select p.origin, b.bytes from raw.payload p join raw.body b using (sha256)"
            " where source = :source and observed_at = :at and sha256 = :sha256"
        ),
        {"source": observation.source, "at": observation.observed_at, "sha256": observation.sha256},
    ).one()
    return {"observed_at": instant_text(observation.observed_at), "origin": origin, "bytes": size, "sha256": observation.sha256.hex()}


def _staged(source: Source) -> dg.AssetsDefinition:
    key = dg.AssetKey(["staged", source.name])
    specs = [
        dg.AssetCheckSpec(
            "payload_is_accepted", asset=key, blocking=True,
            description="The payload is a catalogue, did not shrink by more than a fifth, and breaks the contract in less than one row of twenty.",
        ),
        dg.AssetCheckSpec("rows_keep_contract", asset=key, description="No row had to go to quarantine."),
        dg.AssetCheckSpec("shape_is_known", asset=key, description="The payload has no key that the source's file does not know."),
    ]  # fmt: skip
    if source.kind in ("prices", "models"):
        mapped = "At least 99 of 100 price values in the payload became price rows."
        specs.append(dg.AssetCheckSpec("price_keys_are_mapped", asset=key, description=mapped))
    wanted = {spec.name for spec in specs}

    @dg.asset(
        **_common(source, "staged"), kinds={"python", "pandera", "postgres"}, deps=[["raw", source.name]], check_specs=specs,
        description=f"The payloads parsed, checked, and compared with the ledger: what is kept is the change set.\n\n{source.description}",
    )  # fmt: skip
    def staged(context: dg.AssetExecutionContext, postgres: Postgres) -> dg.MaterializeResult:
        day = date.fromisoformat(context.partition_key)

        def work(attempt: Attempt) -> dg.MaterializeResult:
            with postgres.begin() as connection:
                found = observations.on_day(connection, source.name, day)
            if not found:
                raise ModelAssetsError(f"raw/{source.name} holds no payload of {day}. Materialise raw/{source.name} for that day first.")
            audits = pipeline.audit_day(postgres.address, source, found)
            refused = [one for one in audits if one.outcome == "refused"]
            for one in refused:
                pipeline.count(attempt, one)
            if _nothing_passes(audits):
                attempt.finish("refused", PayloadRefused(" ".join(pipeline.refusal(one) for one in refused)))
            return dg.MaterializeResult(
                metadata=_change_metadata(postgres, audits), check_results=[one for one in _checks(key, audits) if one.check_name in wanted]
            )

        return _attempted(context, postgres, source, day, work)

    return staged


def _change_metadata(postgres: Postgres, audits: list[Audit]) -> dict[str, Any]:
    moves = [one.staged for one in audits if one.staged]
    with postgres.begin() as connection:
        lines = []
        for place, one in enumerate(audits):
            if one.changes:
                before = [earlier.changes for earlier in audits[:place] if earlier.staged and earlier.changes]
                at = {"observed_at": instant_text(one.observation.observed_at)}
                lines += [at | line.as_dict() for line in describe(connection, one.changes, CHANGES_SHOWN, before)]
    return {
        "dagster/row_count": sum(one.counts.rows for one in moves),
        "outcome": ", ".join(f"{instant_text(one.observation.observed_at)}: {one.outcome}" for one in audits),
        "opened": sum(one.added for one in moves),
        "changed": sum(one.changed for one in moves),
        "closed": sum(one.closed for one in moves),
        "quarantined": sum(one.rejected for one in moves),
        "price_values": sum(one.parsed.price_values for one in audits),
        "unmapped_price_keys": _unmapped(audits),
        "not_spoken_of": "; ".join(_notes(audits)) or "nothing",
        "changes": dg.MetadataValue.table([dg.TableRecord(line) for line in lines[:CHANGES_SHOWN]], schema=_CHANGE_SCHEMA),
    }


_CHANGE_SCHEMA = dg.TableSchema(
    columns=[
        dg.TableColumn(name, "string") for name in ("observed_at", "relation", "change", "provider", "listed_id", "what", "before", "after")
    ]
)


def _notes(audits: list[Audit]) -> list[str]:
    """What the day's payloads say that they leave out."""
    return [reject.reason for one in audits if one.changes for reject, _ in one.changes.rejects if not reject.broken]


def _unmapped(audits: list[Audit]) -> dict[str, int]:
    """Price keys without a rule, with how many values each had in the day's payloads together."""
    return dict(sum((one.parsed.unmapped for one in audits), Counter()))


def _nothing_passes(audits: list[Audit]) -> bool:
    """Whether the run must stop here. A refused payload does not keep others of its day out: not those that wait, nor a later accepted one."""
    return audits[-1].outcome == "refused" and not any(one.staged for one in audits)


def _checks(key: dg.AssetKey, audits: list[Audit]) -> list[dg.AssetCheckResult]:
    refused = [one for one in audits if one.outcome == "refused"]
    reasons = [f"{one.observation.label}: {reason}" for one in refused for reason in one.reasons][: pipeline.SHOWN_REASONS]
    rejects = [(one, reject) for one in audits if one.changes for reject, _ in one.changes.rejects if reject.broken]
    share = min((one.parsed.share_mapped for one in audits), default=1.0)
    drift = dict(sum((one.parsed.drift for one in audits), Counter()))
    oddities = [oddity for one in audits for oddity in one.parsed.oddities]
    warn = dg.AssetCheckSeverity.WARN
    return [
        dg.AssetCheckResult(
            asset_key=key, check_name="payload_is_accepted", passed=not refused,
            severity=dg.AssetCheckSeverity.ERROR if _nothing_passes(audits) else warn,
            description="; ".join(pipeline.refusal(one) for one in refused) or None,
            metadata={"reasons": _table([{"reason": reason} for reason in reasons])},
        ),
        dg.AssetCheckResult(
            asset_key=key, check_name="rows_keep_contract", passed=not rejects, severity=warn,
            description=f"{len(rejects)} rows went to quarantine; what held before goes on" if rejects else None,
            metadata={"first": _table([
                {"listed_id": str(reject.listed_id), "reason": reject.reason, "text": reject.original[:200]} for _, reject in rejects[:20]
            ])},
        ),
        dg.AssetCheckResult(
            asset_key=key, check_name="price_keys_are_mapped", passed=share >= 0.99, severity=warn,
            metadata={"share_mapped": share, "unmapped": _unmapped(audits)},
        ),
        dg.AssetCheckResult(
            asset_key=key, check_name="shape_is_known", passed=not drift, severity=warn,
            description=f"{len(drift)} keys are not known to the source's file; they are kept in `extra`" if drift else None,
            metadata={
                "unknown_keys": drift, "values_left_out": len(oddities),
                "first_left_out": _table([{"listed_id": o.listed_id, "field": o.field, "found": o.found, "why": o.why} for o in oddities[:20]]),
            },
        ),
    ]  # fmt: skip


def _table(records: list[dict[str, str]]) -> dg.MetadataValue:
    return dg.MetadataValue.table([dg.TableRecord(record) for record in records]) if records else dg.MetadataValue.text("none")


def _history(source: Source) -> dg.AssetsDefinition:
    @dg.asset(
        **_common(source, "history"), kinds={"postgres"}, deps=[["staged", source.name]],
        description=f"The ledger of the source: the day's change sets merged by time, each whole or not at all.\n\n{source.description}",
        metadata={"dagster/column_schema": _price_schema()},
    )  # fmt: skip
    def history(context: dg.AssetExecutionContext, postgres: Postgres) -> dg.MaterializeResult:
        day = date.fromisoformat(context.partition_key)

        def work(attempt: Attempt) -> dg.MaterializeResult:
            with postgres.begin() as connection:
                found = observations.on_day(connection, source.name, day)
                waiting = [(one, staged_for(connection, one), pipeline.verdict_on(connection, one)) for one in found]
            merged = []
            for one, staged, verdict in waiting:
                if staged is None and verdict is not None:
                    continue
                # a change set is lost where the server crashed since (`staged` is unlogged): then it is made again
                audited = Audit(one, "changes", staged) if staged else pipeline.audit(postgres.address, source, one)
                if audited.outcome == "refused":
                    raise PayloadRefused(pipeline.refusal(audited))
                audited = pipeline.publish(postgres.address, source, audited, _fence(context, attempt))
                pipeline.count(attempt, audited)
                merged.append(audited)
                for later in audited.rejudged:
                    context.log.warning(
                        pipeline.refusal(later) if later.outcome == "refused" else f"{later.observation.label} is accepted now"
                    )
            attempt.finish("succeeded")
            with postgres.begin() as connection:
                held = connection.execute(
                    text("select count(*) from history.price where source = :source and upper(seen) is null"), {"source": source.name}
                ).scalar_one()
            return dg.MaterializeResult(
                metadata={
                    "dagster/row_count": held, "observations_merged": len(merged), "opened": attempt.tally.added,
                    "changed": attempt.tally.changed, "closed": attempt.tally.closed,
                    "already_merged": len(found) - len(merged),
                    "later_verdicts_changed": ", ".join(one.observation.label for audit in merged for one in audit.rejudged) or "none",
                }
            )  # fmt: skip

        return _attempted(context, postgres, source, day, work)

    return history


def _price_schema() -> dg.TableSchema:
    units = {"meter": "; ".join(f"{meter}: per {per}" for meter, (per, _) in list(METERS.items())[:6]) + "; ..."}
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name, description=f"{about} {units.get(name, '')}".strip()) for name, about in describe_columns(PRICE).items()
        ]
    )


def _fence(context: dg.AssetExecutionContext, attempt: Attempt) -> Callable[[Connection], None]:
    """A merge may commit only while its attempt runs and Dagster has not ended the run: a run that was cancelled must not write."""

    def fence(connection: Connection) -> None:
        attempt.fence(connection)
        _still_wanted(context)

    return fence


def _still_wanted(context: dg.AssetExecutionContext) -> None:
    """Raise Fenced where Dagster has ended the run: a queue may deliver a step long after its run died."""
    run = context.instance.get_run_by_id(context.run.run_id)
    if run is not None and run.status in ENDED:
        raise Fenced(f"Dagster run {context.run.run_id} is {run.status.value}: it may not write to the ledger any more.")


def _attempted(
    context: dg.AssetExecutionContext, postgres: Postgres, source: Source, day: date, work: Callable[[Attempt], dg.MaterializeResult]
) -> dg.MaterializeResult:
    """Do a step's work within the run's attempt, keep how it ended, and turn our errors into failures that say what to do."""
    try:
        _still_wanted(context)
        attempt = resume_or_begin(postgres.address, source.name, day, f"dagster run {context.run.run_id[:8]}", context.run.run_id)
    except ModelAssetsError as error:
        raise _failure(error) from error
    try:
        result = work(attempt)
    except ModelAssetsError as error:
        attempt.finish("refused" if isinstance(error, PayloadRefused) else "failed", error)
        raise _failure(error) from error
    except BaseException as error:
        attempt.finish("failed", error)
        raise
    if not _history_follows(context, source):
        attempt.finish("succeeded")
    elif context.job_def.executor_def.name == CELERY:
        attempt.let_go()  # the worker lives on, and the next step may be another's
    return result


def _failure(error: ModelAssetsError) -> dg.Failure:
    passing = isinstance(error, FetchFailed | DatabaseDown)
    return dg.Failure(str(error), metadata={"error": type(error).__name__}, allow_retries=passing)


def _history_follows(context: dg.AssetExecutionContext, source: Source) -> bool:
    """Whether this run goes on to the source's history, which ends the attempt."""
    return dg.AssetKey(["history", source.name]) in context.job_def.asset_layer.selected_asset_keys
