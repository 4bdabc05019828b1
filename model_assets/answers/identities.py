"""What people said of which model a listing is, and what is not resolved."""

from sqlalchemy import Connection, text

from model_assets.answers.plain import Answer, plain


def corrections(connection: Connection) -> list[Answer]:
    """People's corrections, newest first, undone ones too."""
    found = connection.execute(text("select * from ops.identity_correction order by correction_id desc"))
    return [plain(dict(row)) for row in found.mappings()]


def unresolved(connection: Connection, limit: int) -> list[Answer]:
    """Listings shown now that are no known model, with the nearest ones as suggestions."""
    found = connection.execute(
        text(
            "select link.source, link.provider, link.listed_id, listing.name, link.suggestions, link.evidence"
            " from history.link as link join history.listing as listing on listing.key_id = link.key_id and upper_inf(listing.seen)"
            " where link.model is null and upper_inf(link.seen) order by link.source, link.provider, link.listed_id limit :limit"
        ),
        {"limit": limit},
    )
    return [plain(dict(row)) for row in found.mappings()]


def unresolved_names(connection: Connection, limit: int) -> list[Answer]:
    """Names under which benchmarks list scores now and that are no known model, with how many scores each has and why it is none."""
    found = connection.execute(
        text(
            "select link.source, spelled as listed_id, count(*) as scores, evidence ->> 'why' as why, suggestions"
            " from history.score_link as link join history.score on score.source = link.source and score.model = link.spelled"
            " where link.model is null and upper(seen) is null group by link.source, spelled, evidence, suggestions"
            " order by count(*) desc, link.source, spelled limit :limit"
        ),
        {"limit": limit},
    )
    return [plain(dict(row)) for row in found.mappings()]
