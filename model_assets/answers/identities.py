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
            "select source, provider, listed_id, name, suggestions, evidence from catalog.identity"
            " where model is null and listed order by source, provider, listed_id limit :limit"
        ),
        {"limit": limit},
    )
    return [plain(dict(row)) for row in found.mappings()]
