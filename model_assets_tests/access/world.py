"""A small world in which access is decided: listings and observations put into the ledger by hand, and what follows from them."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, text

from model_assets.access.decide import decide
from model_assets.access.policy import Policy, Rule
from model_assets.sql_models import load_models, refresh
from model_assets_tests.test_catalog_sql import listing, observation, price

MODELS = load_models()
#: everybody but the tier free may use everything; the tier free what costs nothing
OPEN = Policy(
    (
        Rule("free", 1, "allow", states=("free",)),
        Rule("pro", 2, "allow", ids=".*"),
        Rule("enterprise", 3, "allow", ids=".*"),
    )
)


def settle(connection: Connection) -> int:
    """Bring the offers and the decisions up to the ledger; how many decisions were written."""
    refresh(connection, MODELS["access.offer_access"])
    return decide(connection)


def observed(connection: Connection, *days: float, source: str = "feed") -> None:
    """The source was read on these days of January, and what it said was accepted."""
    for day in days:
        observation(connection, day, source=source)


def sell(
    connection: Connection, listed_id: str, since: float, until: float | None = None, usd: str = "1", source: str = "feed", **values: Any
) -> None:
    """A source lists something with a price for input and output."""
    listing(connection, listed_id, since, until, source=source, **values)
    provider = {"provider": values["provider"]} if "provider" in values else {}
    for meter in ("input", "output"):
        price(connection, usd, since, until, source=source, listed_id=listed_id, meter=meter, **provider)


def link(connection: Connection, listed_id: str, model: str, variant: str = "", source: str = "feed", provider: str = "host") -> None:
    """The listing is this model, or this variant of it."""
    connection.execute(
        text("""
            insert into history.link (source, provider, listed_id, key_id, seen, model, sold_by, author, snapshot, alias, variant, build, region,
                                      derivative_of, offer, rule, confidence, evidence, suggestions)
            values (:source, :provider, :listed_id, hashtextextended(:source || ' ' || :provider || ' ' || :listed_id, 0), '(,)', :model, :provider,
                    '', '', '', :variant, '', '', '', :provider || ':' || :model || case :variant when '' then '' else ':' || :variant end, 'exact',
                    1, '{}', '{}')"""),
        {"source": source, "provider": provider, "listed_id": listed_id, "model": model, "variant": variant},
    )


def statuses(connection: Connection) -> dict[str, str]:
    """model -> status."""
    return {row.model_id: row.status for row in connection.execute(text("select model_id, status from access.model_access order by 1"))}


def allowed(connection: Connection, user: str | None) -> list[str]:
    """What a user may use, by the list."""
    return list(connection.scalars(text("select model_id from access.get_user_allowed_models(:user) order by 1"), {"user": user}))


def check(connection: Connection, user: str | None, model: str, provider: str | None = None) -> Any:
    """What the check says."""
    return connection.execute(
        text("select * from access.can_user_use_model(:user, :model, :provider)"), {"user": user, "model": model, "provider": provider}
    ).one()


def users(connection: Connection, tiers: Iterable[str] = ("free", "pro", "enterprise", "admin")) -> None:
    """A user of each tier, named like it."""
    for tier in tiers:
        connection.execute(text("insert into access.profile (user_id, tier) values (:tier, :tier)"), {"tier": tier})


def trail(connection: Connection, subject: str) -> list[tuple[Any, ...]]:
    """Who did what to a subject, in order."""
    query = text("select actor, action, before, after, why from access.audit where subject = :subject order by audit_id")
    return [tuple(row) for row in connection.execute(query, {"subject": subject})]
