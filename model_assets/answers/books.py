"""How the sources are doing, and what was kept out of the ledger."""

from sqlalchemy import Connection, text

from model_assets.answers.plain import Answer, plain


def status(connection: Connection) -> tuple[list[Answer], list[Answer]]:
    """(the health of every source, its age in seconds; the last ten attempts)."""
    columns = "source, last_observed_at, extract(epoch from age)::bigint as age_seconds, listings, prices, scores, mentions, quarantined, refused_since"
    health = connection.execute(
        text(f"select {columns}, last_success_at, last_status, last_error from catalog.source_health order by source")
    ).mappings()
    runs = connection.execute(
        text(
            "select run_id, source, day, started_by, status, started_at, finished_at, observations, added, changed, closed, quarantined,"
            " error_class, message, what_to_do from ops.sync_run order by run_id desc limit 10"
        )
    ).mappings()
    return [plain(dict(row)) for row in health], [plain(dict(row)) for row in runs]


def quarantined(connection: Connection, source: str | None, limit: int) -> list[Answer]:
    """What broke the contract, newest first."""
    found = connection.execute(
        text(
            "select source, observed_at, relation, provider, listed_id, reason, original from ops.quarantine"
            " where cast(:source as text) is null or source = :source order by observed_at desc, source, listed_id limit :limit"
        ),
        {"source": source, "limit": limit},
    )
    return [plain(dict(row)) for row in found.mappings()]
