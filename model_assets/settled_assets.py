"""What follows from all sources' ledgers together, as Dagster assets: links from listings to models, and changes that are held."""

from collections.abc import Iterator, Sequence

import dagster as dg
from sqlalchemy import text

from model_assets.gate.contradictions import LINTS, Contradiction, Lint, contradictions
from model_assets.gate.held_changes import refresh_held
from model_assets.identity.links import refresh_links
from model_assets.identity.score_links import refresh_score_links
from model_assets.mentions.links import refresh_mention_links
from model_assets.resources import Postgres
from model_assets.settling import publish_settled
from model_assets.sources import SOURCES
from model_assets.sql_models import load_models

HISTORY = [dg.AssetKey(["history", name]) for name in SOURCES]
#: a partition per day is upstream, and some day is always missing
FOLLOWS = dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing())
LINK, SCORE_LINK = dg.AssetKey(["identity", "link"]), dg.AssetKey(["identity", "score_link"])
MENTION_LINK = dg.AssetKey(["identity", "mention_link"])
DECISION, OFFER_ACCESS = dg.AssetKey(["access", "decision"]), dg.AssetKey(["access", "offer_access"])
HELD, SERVED = dg.AssetKey(["gate", "held_change"]), dg.AssetKey(["catalog", "price"])


@dg.asset(
    key=LINK, group_name="identity", deps=HISTORY, kinds={"python", "postgres"}, owners=["team:identity"], tags={"layer": "identity"},
    description="Which model each listing is (history.link): by which rule, with which confidence and evidence, since when.",
    automation_condition=FOLLOWS,
)  # fmt: skip
def link(postgres: Postgres) -> dg.MaterializeResult:
    with postgres.begin() as connection:
        written = refresh_links(connection)
        count, resolved = connection.execute(text("select count(*), count(model) from history.link where upper(seen) is null")).one()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": count, "dagster/table_name": "history.link", "written": written, "unresolved": count - resolved,
            "share_resolved": resolved / count if count else 1.0,
        }
    )  # fmt: skip


@dg.asset(
    key=SCORE_LINK, group_name="identity", deps=HISTORY, kinds={"python", "postgres"}, owners=["team:identity"], tags={"layer": "identity"},
    description="Which model each name is that a benchmark spells (history.score_link): by which rule, or why it is none.",
    automation_condition=FOLLOWS,
)  # fmt: skip
def score_link(postgres: Postgres) -> dg.MaterializeResult:
    with postgres.begin() as connection:
        written = refresh_score_links(connection)
        count, resolved = connection.execute(text("select count(*), count(model) from history.score_link")).one()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": count, "dagster/table_name": "history.score_link", "written": written, "unresolved": count - resolved,
        }
    )  # fmt: skip


@dg.asset(
    key=MENTION_LINK, group_name="identity", deps=HISTORY, kinds={"python", "postgres"}, owners=["team:identity"],
    tags={"layer": "identity"}, automation_condition=FOLLOWS,
    description="Which models each mention names (history.mention_link), with the words that do; or that it names none.",
)  # fmt: skip
def mention_link(postgres: Postgres) -> dg.MaterializeResult:
    with postgres.begin() as connection:
        written = refresh_mention_links(connection)
        count, items, named, unclear = connection.execute(
            text(
                "select count(*), count(distinct key_id), count(distinct key_id) filter (where model is not null),"
                " count(*) filter (where candidates <> '{}') from history.mention_link"
            )
        ).one()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": count, "dagster/table_name": "history.mention_link", "written": written, "items": items,
            "items_that_name_a_model": named, "words_of_several_models": unclear,
        }
    )  # fmt: skip


@dg.asset(
    key=HELD, group_name="gate", deps=[*HISTORY, LINK], kinds={"python", "postgres"}, owners=["team:gate"], tags={"layer": "gate"},
    description="Changes of prices that the gate doubts (ops.held_change): why, since when, and how it ended.",
    automation_condition=FOLLOWS,
)  # fmt: skip
def held_change(postgres: Postgres) -> dg.MaterializeResult:
    with postgres.begin() as connection:
        written = refresh_held(connection)
        count, held, marked = connection.execute(
            text(
                "select count(*), count(*) filter (where kind = 'held' and outcome = 'open'), count(*) filter (where kind = 'marked' and outcome = 'open')"
                " from ops.held_change"
            )
        ).one()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": count,
            "dagster/table_name": "ops.held_change",
            "written": written,
            "held_now": held,
            "unconfirmed_now": marked,
        }
    )


@dg.asset(
    key=DECISION, group_name="access", deps=[OFFER_ACCESS], kinds={"python", "postgres"}, owners=["team:access"], tags={"layer": "access"},
    description="What is decided about each model (access.decision): by the policy, or by a person, whose word no sync touches.",
    automation_condition=FOLLOWS,
)  # fmt: skip
def decision(postgres: Postgres) -> dg.MaterializeResult:
    with postgres.begin() as connection:
        publish_settled(connection, load_models())
        rows = connection.execute(text("select status, count(*) as models from access.model_access group by status")).all()
    counts: dict[str, int] = {row.status: row.models for row in rows}
    return dg.MaterializeResult(metadata={"dagster/row_count": sum(counts.values()), "dagster/table_name": "access.decision", **counts})


@dg.asset_check(asset=LINK, name="most_listings_are_resolved", description="At least four listings in five are resolved to a model.")
def most_listings_are_resolved(postgres: Postgres) -> dg.AssetCheckResult:
    with postgres.begin() as connection:
        count, resolved = connection.execute(
            text(
                "select count(*), count(model) from history.link join history.listing using (source, provider, listed_id)"
                " where upper(link.seen) is null and upper(listing.seen) is null"
            )
        ).one()
    share = resolved / count if count else 1.0
    said = (
        f"{count - resolved} of {count} listings are not resolved: `model-assets identity unresolved` lists them with the nearest models."
    )
    return dg.AssetCheckResult(
        passed=share >= 0.8,
        severity=dg.AssetCheckSeverity.WARN,
        description=None if share >= 0.8 else said,
        metadata={"share_resolved": share},
    )


@dg.asset_check(
    asset=SCORE_LINK,
    name="most_scores_are_of_known_models",
    description="Of each source at least half of its scores are of models that are known.",
)
def most_scores_are_of_known_models(postgres: Postgres) -> dg.AssetCheckResult:
    with postgres.begin() as connection:
        rows = connection.execute(
            text("select source, count(*), count(model) from catalog.score group by source having count(model) < count(*) / 2.0 order by 1")
        ).all()
    said = "; ".join(f"{source}: {count - known} of {count} scores are of models that are not known" for source, count, known in rows)
    return dg.AssetCheckResult(
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{said}. `model-assets identity unresolved --scores` lists the names." if rows else None,
    )


@dg.asset_check(
    asset=MENTION_LINK,
    name="most_names_in_mentions_are_clear",
    description="Of the names found in mentions, nineteen in twenty are of one model.",
)
def most_names_in_mentions_are_clear(postgres: Postgres) -> dg.AssetCheckResult:
    with postgres.begin() as connection:
        found, unclear = connection.execute(
            text("select count(words), count(*) filter (where candidates <> '{}') from history.mention_link")
        ).one()
    share = unclear / found if found else 0.0
    said = f"{unclear} of {found} names are of several models: `select words, candidates from history.mention_link where candidates <> '{{}}'`."
    return dg.AssetCheckResult(
        passed=share <= 0.05,
        severity=dg.AssetCheckSeverity.WARN,
        description=None if share <= 0.05 else said,
        metadata={"share_unclear": share},
    )


@dg.asset_check(asset=DECISION, name="audit_is_whole", description="No row of access.audit is missing, edited or forged.")
def audit_is_whole(postgres: Postgres) -> dg.AssetCheckResult:
    with postgres.begin() as connection:
        breaks = connection.execute(text("select audit_id, what from access.audit_breaks() limit 20")).all()
    said = "; ".join(f"row {audit_id}: {what}" for audit_id, what in breaks)
    return dg.AssetCheckResult(
        passed=not breaks,
        description=f"{said}. Somebody wrote to it past the database: restore it from a backup beside this one, and compare."
        if breaks
        else None,
    )


@dg.asset_check(asset=HELD, name="no_change_is_held", description="No changed price waits to prove itself, or for a person's word.")
def no_change_is_held(postgres: Postgres) -> dg.AssetCheckResult:
    with postgres.begin() as connection:
        rows = (
            connection.execute(
                text(
                    "select held_id, source, provider, listed_id, meter, from_amount::text, to_amount::text, reasons ->> 0 as reason from ops.held_change"
                    " where outcome = 'open' and kind = 'held' order by changed_at desc"
                )
            )
            .mappings()
            .all()
        )
    table = dg.MetadataValue.table(
        [dg.TableRecord(dict(row)) for row in rows[:50]],
        schema=dg.TableSchema([dg.TableColumn(name, "string") for name in (rows[0] if rows else ())]),
    )
    return dg.AssetCheckResult(
        passed=not rows, severity=dg.AssetCheckSeverity.WARN, metadata={"held": len(rows), **({"first": table} if rows else {})},
        description=f"{len(rows)} changes are held: `model-assets held` lists them, `held release` and `held reject` decide." if rows else None,
    )  # fmt: skip


@dg.multi_asset_check(
    name="sources_do_not_contradict_themselves",
    specs=[dg.AssetCheckSpec(lint.name, asset=SERVED, description=lint.description, blocking=False) for lint in LINTS],
    can_subset=True,
)
def sources_do_not_contradict_themselves(context: dg.AssetCheckExecutionContext, postgres: Postgres) -> Iterator[dg.AssetCheckResult]:
    wanted = {selected.name for selected in context.selected_asset_check_keys}
    for lint in LINTS:
        if lint.name in wanted:
            with postgres.begin() as connection:
                yield lint_result(lint, contradictions(connection, lint))


def lint_result(lint: Lint, found: Sequence[Contradiction]) -> dg.AssetCheckResult:
    """A warning that names the first listings that break a claim."""
    rows = [dg.TableRecord({"source": one.source, "listing": f"{one.provider}/{one.listed_id}", "said": one.said}) for one in found[:50]]
    return dg.AssetCheckResult(
        asset_key=SERVED, check_name=lint.name, passed=not found, severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(found)} listings break it, such as {found[0].provider}/{found[0].listed_id}: {found[0].said}." if found else None,
        metadata={"failing": len(found), **({"first": dg.MetadataValue.table(rows)} if rows else {})},
    )  # fmt: skip
