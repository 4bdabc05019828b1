"""The ledger as a price list: what one request cost at each offer of a model, and the spans that a log is priced by."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from model_assets.answers.naming import Named, ids_of, named
from model_assets.answers.prices import nothing_priced
from model_assets.answers.sellers import own_name, sellers, whose_word
from model_assets.cost.book import Served, Unpriced
from model_assets.cost.table import PriceRow, row_of
from model_assets.errors import ModelAssetsError
from model_assets.identity.links import resolver_of
from model_assets.identity.resolve import Resolver

PARTS = ("snapshot", "alias", "variant", "build")


class LedgerBook:
    """What was served, by what is known now; each offer is looked up once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._resolver: Resolver | None = None

    def spans(self, model: str, provider: str | None) -> Sequence[Served] | Unpriced:
        """The rows of the one offer that `model`, any id of any source, means at `provider`, with when they were served; or why none."""
        try:
            meant = named(self.connection, model, provider or None, resolver=self._known)
        except ModelAssetsError as error:
            return Unpriced(str(error))
        rows = self.connection.execute(
            text(
                f"select *, lower(served_in) as since, upper(served_in) as until from catalog.price_span where {meant.condition}"
                " and (cast(:sellers as text[]) is null or provider = any(:sellers))"
            ),
            meant.bound | {"sellers": sellers(provider or None, meant)},
        )
        offers: dict[str, list[dict[str, Any]]] = {}
        for row in rows.mappings():
            offers.setdefault(anywhere(row["offer"]), []).append(dict(row))
        chosen = _the_one(meant, offers, provider)
        if isinstance(chosen, Unpriced):
            return chosen
        return [Served(_row(row), row["since"], row["until"]) for row in offers[chosen]]

    def _known(self) -> Resolver:
        if self._resolver is None:
            self._resolver = resolver_of(self.connection)
        return self._resolver


def _the_one(meant: Named, offers: dict[str, list[dict[str, Any]]], provider: str | None) -> str | Unpriced:
    """The offer that is meant where a model is sold in several ways: the one whose parts are just those that the id names."""
    what = meant.model or meant.given
    if not offers:
        return Unpriced(f"{what} was never priced{f' at {provider}' if provider else ''}")
    if len(offers) == 1:
        return next(iter(offers))
    sold_by = sorted({rows[0]["provider"] for rows in offers.values()})
    if len(sold_by) > 1:
        return Unpriced(
            f"{what} is sold by {len(sold_by)} providers ({', '.join(sold_by[:4])}, ...): say by which, in the log or by --as-provider"
        )
    named_parts = {part: getattr(meant, part, "") or "" for part in PARTS}
    just = [offer for offer, rows in offers.items() if all((rows[0][part] or "") == named_parts[part] for part in PARTS)]
    if len(just) == 1:
        return just[0]
    of_listing = [offer for offer, rows in offers.items() if any(row["listed_id"] == meant.given for row in rows)]
    if len(of_listing) == 1:
        return of_listing[0]
    return Unpriced(f"{what} is sold by {sold_by[0]} in {len(offers)} ways ({', '.join(sorted(offers)[:4])}, ...): use the exact id")


def offers_at(
    connection: Connection, model: str, at: datetime, known_at: datetime, provider: str | None = None
) -> dict[str, list[PriceRow]]:
    """offer -> the rows of its price list as they held at an instant, for every offer of a model that is meant by an id.

    Raises ModelAssetsError where the id cannot be resolved, or nothing of it has a price then.
    """
    meant = named(connection, model, whose_word(connection, provider, model))
    rows = connection.execute(
        text(
            f"select * from catalog.price_as_of(cast(:at as timestamptz), cast(:known as timestamptz), null, cast(:ids as text[]))"
            f" where {meant.condition}"
            " and (cast(:sellers as text[]) is null or provider = any(:sellers)) order by provider, offer"
        ),
        meant.bound | {"ids": ids_of(connection, meant), "at": at, "known": known_at, "sellers": sellers(provider, meant)},
    )
    offers: dict[str, list[PriceRow]] = {}
    for row in meant.chosen(rows.mappings().all(), lambda row, name: row[name]):
        offers.setdefault(anywhere(row["offer"]), []).append(_row(row))
    if not offers:
        raise ModelAssetsError(nothing_priced(connection, meant, at, known_at, provider and own_name(provider)))
    return offers


def anywhere(offer: str) -> str:
    """An offer whatever its region: which region's price counts is up to the request, not to the id."""
    return offer.partition("#")[0]


def _row(found: Any) -> PriceRow:
    return row_of(dict(found))
