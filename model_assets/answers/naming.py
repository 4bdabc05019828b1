"""Which model, and which of its offers, somebody means by an id: any id of any source, or the canonical one."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, Row, text

from model_assets.errors import ModelAssetsError
from model_assets.identity.link import Link
from model_assets.identity.links import resolver_of
from model_assets.identity.resolve import Resolver

T = TypeVar("T")
LINK_COLUMNS = ", ".join(f"link.{column}" for column in Link._fields)
_LISTED_AS = f"""
select {LINK_COLUMNS} from history.link as link
where (link.listed_id = :given or link.provider || '/' || link.listed_id = :given)
  and (cast(:provider as text) is null or :provider in (link.provider, link.sold_by))
  and {{then}}
order by link.source, link.provider, link.listed_id
"""
#: what is believed now is found by an index
NOW, THEN = "upper_inf(link.seen)", "link.seen @> cast(:at as timestamptz)"


class Named(NamedTuple):
    """What an id stands for. `model` is null for a listing that is no known model: then `offers` are all there is. The other parts are those
    that the id names: '' for any snapshot, build and region, and for the plain variant."""

    given: str
    model: str | None
    offers: tuple[str, ...]
    snapshot: str
    variant: str
    build: str
    region: str
    link: Link

    @property
    def condition(self) -> str:
        """The offers that are meant, for SQL over the columns of catalog.price; binds what `bound` gives."""
        if self.model is None:
            return "offer = any(:offers)"
        said = ["model = :model", "coalesce(variant, '') = :variant"]
        said += ["coalesce(snapshot, '') in (:snapshot, '')"] if self.snapshot else []
        said += ["build = :build"] if self.build else []
        said += ["coalesce(region, '') = :region"] if self.region else []
        return " and ".join(said)

    @property
    def names_dates(self) -> bool:
        """Whether dated snapshots are meant too: one is named, or the id is that of a listing."""
        return bool(self.snapshot) or self.model is None

    def chosen(self, rows: Sequence[T], part: Callable[[T, str], object]) -> list[T]:
        """Of the rows of offers those that are meant: where the id names no snapshot and the provider sells the model without one, not the
        dated ones as well. `part` reads a column of a row."""
        if self.names_dates:
            return list(rows)
        undated = {part(row, "provider") for row in rows if not part(row, "snapshot")}
        return [row for row in rows if not part(row, "snapshot") or part(row, "provider") not in undated]

    @property
    def bound(self) -> dict[str, object]:
        """What `condition` binds."""
        return {**self._asdict(), "offers": list(self.offers), "link": None, "given": None}


def ids_of(connection: Connection, meant: Named) -> list[str]:
    """All ids under which what is meant is listed, or ever was: its prices at any instant are theirs (catalog.price_as_of, only_ids)."""
    where = "model = :model" if meant.model else "offer = any(:offers)"
    found = connection.scalars(text(f"select distinct listed_id from history.link where {where}"), meant.bound)
    return [*found, *(offer.partition(":?")[2] for offer in meant.offers if ":?" in offer)]


def named(
    connection: Connection,
    given: str,
    provider: str | None = None,
    at: datetime | None = None,
    resolver: Callable[[], Resolver] | None = None,
) -> Named:
    """What an id stands for at an instant (null: by what is believed now). `resolver` gives one that is already there, for many questions.

    Raises ModelAssetsError, with the nearest ids, where it names nothing that was ever seen, and where it names several models.
    """
    return meaning(given, first_hand(connection, resolve(connection, given, provider, at, resolver)))


def first_hand(connection: Connection, links: Sequence[Link]) -> Sequence[Link]:
    """Of links that stand for several things, those of what a provider lists in a feed of its own; all of them where there is no such feed.
    `~openai/gpt-latest` is what OpenRouter says it is, though others repeat the id and know no model by it."""
    if len({link.model or link.offer for link in links}) <= 1:
        return links
    feeds = set(map(tuple, connection.execute(text("select source, own_feed_of from catalog.source_rank where own_feed_of is not null"))))
    meant = {link.model or link.offer for link in links if (link.source, link.provider) in feeds}
    return [link for link in links if (link.model or link.offer) in meant] or links


def meaning(given: str, links: Sequence[Link]) -> Named:
    """What an id stands for by its links. Raises ModelAssetsError where they name nothing, or several models."""
    models = sorted({link.model for link in links if link.model})
    if len(models) > 1:
        who = "; ".join(f"{model} at {', '.join(sorted({one.sold_by for one in links if one.model == model})[:3])}" for model in models)
        raise ModelAssetsError(f"{given!r} names several models: {who}. Say which, by its canonical id or with --provider.")
    [first, *_] = [link for link in links if link.model or not models]
    if not models and first.source == "":
        near = f"The nearest known are: {', '.join(first.suggestions[:5])}." if first.suggestions else "None comes near."
        why = str(first.evidence.get("why", "")) or "no source ever listed it, and its name leads to no known model"
        raise ModelAssetsError(f"{given!r} was not resolved: {why.rstrip('.')}. {near}")
    same = {
        part: _common([getattr(link, part) for link in links if link.model or not models])
        for part in ("snapshot", "variant", "build", "region")
    }
    return Named(given, first.model, tuple(sorted({link.offer for link in links})), **same, link=first)


def resolve(
    connection: Connection,
    given: str,
    provider: str | None = None,
    at: datetime | None = None,
    resolver: Callable[[], Resolver] | None = None,
) -> list[Link]:
    """The links of an id: those of the listings that have it, letter for letter; else the one that identity finds for it (its source is '').

    A canonical id is found as such. Raises ModelAssetsError where the ledger is empty, or was never settled.
    """
    linked, listed = connection.execute(text("select exists (select from history.link), exists (select from history.listing)")).one()
    if not listed:
        raise ModelAssetsError("The ledger is empty. Load something first: `model-assets sync`, or `model-assets import FOLDER`.")
    if not linked:
        raise ModelAssetsError(
            "No listing was linked to a model yet: the ledger was filled by an older version. Run `model-assets migrate`."
        )
    if found := listed_as(connection, given, provider, at):
        return found
    known = resolver() if resolver else resolver_of(connection)
    best = known.resolve_id(given, provider, at)
    return [best if best.model or provider else known.resolve_name("", given)]


def listed_as(connection: Connection, given: str, provider: str | None = None, at: datetime | None = None) -> list[Link]:
    """The links of the listings that have an id, letter for letter, or of the model whose canonical id it is; empty where there are none."""
    rows = _rows(connection, given, provider, at)
    canonical = connection.execute(text("select exists (select from history.link where model = :given)"), {"given": given}).scalar()
    if canonical:  # whatever else a provider calls so, this is the one that is meant
        return [link for link in map(_link, rows) if link.model == given] or [_canonical(given)]
    return [_link(row) for row in rows]


def lists(connection: Connection, provider: str | None, given: str, at: datetime | None = None) -> bool:
    """Whether a provider lists something under this very id; then it is its word that counts for what the id means there."""
    return provider is not None and bool(_rows(connection, given, provider, at))


def _rows(connection: Connection, given: str, provider: str | None, at: datetime | None) -> Sequence[Row[tuple[object, ...]]]:
    query = text(_LISTED_AS.format(then=NOW if at is None else THEN))
    return connection.execute(query, {"given": given, "provider": provider, "at": at}).all()


def _link(row: Row[tuple[object, ...]]) -> Link:
    found: Link = Link._make(row)
    return found._replace(suggestions=tuple(found.suggestions))


def _canonical(model: str) -> Link:
    from decimal import Decimal

    author = model.partition("/")[0]
    return Link(
        "", "", model, model, "", author, "", "", "", "", "", "", "", "canonical", Decimal(1), {"path": "the canonical id itself"}, ()
    )


def _common(values: Sequence[str]) -> str:
    """What all of them say; '' where they differ."""
    return values[0] if len(set(values)) == 1 else ""
