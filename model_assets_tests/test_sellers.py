"""Who is meant by the name of a provider, on a settled ledger that holds the three bundled days."""

import pytest

from model_assets import answers
from model_assets.answers.naming import named
from model_assets.answers.sellers import sellers, whose_word
from model_assets.database import connect


def test_an_id_is_read_by_a_providers_word_as_it_is_spelled_or_by_its_own_name(settled: str) -> None:
    listed = "amazon.nova-lite-v1:0"
    with connect(settled) as connection:
        words = [whose_word(connection, name, listed) for name in ("aws", "bedrock", "Amazon_Bedrock", "openai", None)]
    assert words == ["aws", "amazon-bedrock", "amazon-bedrock", None, None]


@pytest.mark.parametrize("spelled", ["amazon-bedrock", "bedrock", "Bedrock_Converse"])
def test_what_a_provider_sold_and_sells_is_found_however_a_source_spells_it(settled: str, spelled: str) -> None:
    model, own = "anthropic/claude-sonnet-4-5", "amazon-bedrock"
    with connect(settled) as connection:
        served = answers.prices(connection, model, provider=spelled)
        listings, claims = answers.history(connection, model, spelled)
        sources = {
            (listing["source"], listing["listed_id"]) for listing in answers.history(connection, model)[0] if listing["provider"] == own
        }
    assert {row["provider"] for row in (*served, *listings, *claims)} == {own}
    assert {(listing["source"], listing["listed_id"]) for listing in listings} == sources
    assert len({source for source, _ in sources}) > 1


def test_disputes_at_a_provider_are_found_however_it_is_spelled(settled: str) -> None:
    with connect(settled) as connection:
        [first, *_] = answers.disputes(connection, model=None, provider=None, everything=True, limit=1)
        spelled = first["provider"].upper().replace("-", "_")
        found = answers.disputes(connection, model=None, provider=spelled, everything=True, limit=100)
    assert first in found
    assert {row["provider"] for row in found} == {first["provider"]}


def test_the_seller_of_an_id_is_also_who_sells_the_listing_that_it_was_read_as(settled: str) -> None:
    with connect(settled) as connection:
        meant = named(connection, "gemini/gemini-2.0-flash", "gemini")
    assert sellers(None, meant) is None
    assert sellers("gemini", meant) == ["google"]
    at_vertex = meant._replace(link=meant.link._replace(provider="google", sold_by="google-vertex"))
    assert sellers("google", at_vertex) == ["google", "google-vertex"]
    assert sellers("gemini", at_vertex) == ["google"]
