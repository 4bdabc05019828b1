"""People's words on which model a listing is: kept, taken back, and never forgotten. Links follow them when they are refreshed next."""

from datetime import UTC, datetime

from sqlalchemy import Connection, text

from model_assets.errors import ModelAssetsError
from model_assets.identity.link import Correction

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
WORDS = """
select source, provider, listed_id, model, decided_by, since as decided_at, why from ops.identity_correction
where undone_at is null order by correction_id
"""


def corrections_of(connection: Connection) -> list[Correction]:
    """People's words that count, in the order in which they were said."""
    return [Correction(*row) for row in connection.execute(text(WORDS))]


def keep_correction(
    connection: Connection,
    listed_id: str,
    model: str | None,
    *,
    source: str | None,
    provider: str | None,
    since: datetime | None,
    why: str,
    by: str,
) -> int:
    """Keep a person's word that a listed id is `model` (null: none that is known). It counts from the next time that the links are refreshed, for
    all that was seen from `since` on; null: always. Returns its number.

    Raises ModelAssetsError where no such listing was ever seen, or no such model.
    """
    listed = connection.execute(
        text(
            "select count(*) from (select source, provider, listed_id from history.link union all select source, '', spelled from history.score_link)"
            " as known where listed_id = :listed_id and (cast(:source as text) is null or source = :source)"
            " and (cast(:provider as text) is null or provider = :provider)"
        ),
        {"listed_id": listed_id, "source": source, "provider": provider},
    ).scalar_one()
    if not listed:
        raise ModelAssetsError(
            f"no listing has the id {listed_id!r} there. Ids are taken letter for letter: `model-assets resolve` finds them."
        )
    if model is not None and not _is_model(connection, model):
        raise ModelAssetsError(f"no model is called {model!r}. Use a canonical id author/name: `model-assets resolve ID` shows it.")
    number: int = connection.execute(
        text(
            "insert into ops.identity_correction (source, provider, listed_id, model, since, why, decided_by)"
            " values (:source, :provider, :listed_id, :model, :since, :why, :by)"
            " returning correction_id"
        ),
        {"source": source, "provider": provider, "listed_id": listed_id, "model": model, "since": since or ALWAYS, "why": why, "by": by},
    ).scalar_one()
    return number


def keep_undoing(connection: Connection, number: int, *, why: str, by: str) -> None:
    """Keep that a person's word is taken back, from the next time that the links are refreshed. Raises ModelAssetsError where there is none of
    that number that counts."""
    undone = connection.execute(
        text(
            "update ops.identity_correction set undone_at = clock_timestamp(), undone_by = :by, undone_why = :why"
            " where correction_id = :number and undone_at is null"
        ),
        {"number": number, "why": why, "by": by},
    ).rowcount
    if not undone:
        raise ModelAssetsError(f"there is no correction {number} that counts. `model-assets identity corrections` lists them.")


def _is_model(connection: Connection, model: str) -> bool:
    return bool(connection.execute(text("select exists (select from history.link where model = :model)"), {"model": model}).scalar())
