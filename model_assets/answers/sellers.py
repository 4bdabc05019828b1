"""Who is meant by the name of a provider: by its own (`amazon-bedrock`), or as some source spells it (`bedrock`)."""

from datetime import datetime

from sqlalchemy import Connection

from model_assets.answers.naming import Named, lists
from model_assets.identity.tables import provider_of


def own_name(provider: str) -> str:
    """The name under which a provider sells here, of any spelling of it."""
    return provider_of(provider).name


def whose_word(connection: Connection, provider: str | None, given: str, at: datetime | None = None) -> str | None:
    """By whose word an id is read: a provider's as it is spelled, else by its own name; null where it lists nothing under this very id."""
    spelled = [] if provider is None else dict.fromkeys((provider, own_name(provider)))
    return next((one for one in spelled if lists(connection, one, given, at)), None)


def sellers(provider: str | None, meant: Named) -> list[str] | None:
    """Who sells what an id means at a provider; null: whoever sells it. Some sources list under one provider what another one sells: then the
    seller is who sells the listing that the id was found to be, whoever's word wins the price."""
    if provider is None:
        return None
    return sorted({own_name(provider)} | ({meant.link.sold_by} if meant.link.provider == provider else set()))
