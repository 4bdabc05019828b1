"""What is served over time is what is served at each instant: the table of spans against the function, at every instant at which anything moved."""

from datetime import datetime

from sqlalchemy import Connection, text

from model_assets.answers import read_instant
from model_assets.database import connect
from model_assets.gate.held_changes import say_word
from model_assets.identity.corrections import keep_correction
from model_assets.identity.links import refresh_links
from model_assets.settling import publish
from model_assets.soundness import unsound

COLUMNS = (
    "offer, provider, model, snapshot, alias, variant, build, region, meter, per, amount, currency, state, service_tier, prompt_above_tokens, time_window,"
    " detail, source, source_provider, listed_id, rule, claims, disputed, lowest, highest, held, held_id, said_state, said_amount, unconfirmed,"
    " effective_from, effective_to, key_id, seen_since, seen_until"
)
MOMENTS = """
select observed_at as at from ops.observation where verdict = 'accepted'
union select effective_from from history.price where effective_from is not null
union select effective_to from history.price where effective_to is not null
union select lower(seen) from history.link where lower(seen) is not null
order by at
"""
DIFFERENT = f"""
with span as (select {COLUMNS} from catalog.price_span where served_in @> cast(:at as timestamptz)),
     instant as (select {COLUMNS} from catalog.price_as_of(cast(:at as timestamptz)))
(select 'only in the span' as side, * from (table span except table instant) as missing)
union all (select 'only at the instant', * from (table instant except table span) as missing)
limit 5
"""


def moments(connection: Connection) -> list[datetime]:
    """Every instant at which anything that is served can change."""
    return list(connection.execute(text(MOMENTS)).scalars())


def assert_spans_are_what_was_served(url: str, every: int = 1) -> None:
    """At every instant at which anything moved (or every so many of them), the table of spans and the function have the same rows."""
    with connect(url) as connection:
        for at in moments(connection)[::every]:
            assert connection.execute(text(DIFFERENT), {"at": at}).mappings().all() == [], at
        assert {claim: examples for claim, examples in unsound(connection).items() if examples} == {}


def test_the_spans_of_the_bundled_recordings_are_what_was_served_at_every_instant(settled: str) -> None:
    with connect(settled) as connection:
        assert len(moments(connection)) >= 6
    assert_spans_are_what_was_served(settled)


def test_they_are_so_where_a_link_moved_and_where_a_word_ended_a_hold(settled_copy: str) -> None:
    with connect(settled_copy) as connection:
        keep_correction(
            connection,
            "gpt-4o",
            "openai/gpt-4o-mini",
            source="models_dev",
            provider="azure",
            since=read_instant("2026-05-19T12:00Z"),
            why="x",
            by="y",
        )
        refresh_links(connection)
        held_id = connection.execute(text("select held_id from ops.held_change where kind = 'held'")).scalar_one()
        say_word(connection, held_id, "release", why="x", by="y")
    publish(settled_copy)
    assert_spans_are_what_was_served(settled_copy)


def test_an_announced_price_is_served_by_its_span_from_its_day_on(settled: str) -> None:
    query = """
        select amount::text, lower(served_in)::date::text, upper(served_in)::date::text from catalog.price_span
        where offer like 'cohere:cohere/command-a%' and source = 'genai_prices' and meter = 'input' order by lower(served_in) nulls first"""
    with connect(settled) as connection:
        found = connection.execute(text(query)).all()
    assert [(row[0], row[1] or row[2]) for row in found][-1] == ("2", "2027-01-01")
    assert found[-2][2] == "2027-01-01"
