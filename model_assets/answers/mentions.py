"""What was published about a model: news, discussions, jobs."""

from sqlalchemy import Connection, text

from model_assets.answers.naming import named
from model_assets.answers.plain import Answer, plain
from model_assets.errors import ModelAssetsError

MENTIONS = """
select * from catalog.mention
where model = :model and (cast(:kind as text) is null or kind = :kind)
order by coalesce(published_at, first_seen) desc, source, feed, item limit :limit
"""


def mentions(connection: Connection, given: str, *, kind: str | None, limit: int) -> list[Answer]:
    """The items that name a model, the newest first, with the words that do. `given` is any id of any source, or a canonical one.

    Empty where none does. The words of an item are whatever somebody published: untrusted. Raises ModelAssetsError where the id is no
    model's, or that of several.
    """
    meant = named(connection, given)
    if meant.model is None:
        raise ModelAssetsError(f"{given!r} is listed, and no known model: nobody can be said to name it. `model-assets resolve` says more.")
    found = connection.execute(text(MENTIONS), {"model": meant.model, "kind": kind, "limit": limit})
    return [plain(dict(row)) for row in found.mappings()]
