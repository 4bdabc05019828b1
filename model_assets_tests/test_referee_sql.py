from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from model_assets.sources import of_kind
from model_assets.sql_models import deploy, load_models, refresh
from model_assets_tests.test_catalog_sql import day, listing, observation, price, rows

MODELS = load_models()
LINKED = ("snapshot", "alias", "variant", "build", "region", "derivative_of")


@pytest.fixture
def ledger(database: Engine) -> Iterator[Connection]:
    """A connection in a transaction that is taken back at the end; the SQL models are there."""
    with database.connect() as connection:
        deploy(connection, MODELS)
        yield connection
        connection.rollback()


def link(
    connection: Connection,
    listed_id: str = "m",
    model: str | None = "lab/m",
    source: str = "models_dev",
    since: float | None = None,
    until: float | None = None,
    **values: Any,
) -> None:
    """Say which model a listing is, from an instant on or always."""
    said = {
        "provider": "host",
        "sold_by": "host",
        "author": "lab",
        "rule": "exact" if model else "unresolved",
        "confidence": 1,
        "evidence": "{}",
    }
    said |= {"suggestions": [], "model": model, "listed_id": listed_id, "source": source, **dict.fromkeys(LINKED, "")} | values
    said |= {"since": "-infinity" if since is None else day(since), "until": until and day(until)}
    said["offer"] = said.get("offer") or f"{said['sold_by']}:{model or '?' + listed_id}"
    columns = [*said.keys() - {"since", "until"}]
    connection.execute(
        text(f"""
            insert into history.link (key_id, seen, {", ".join(columns)})
            values (hashtextextended(:source || ' ' || :provider || ' ' || :listed_id, 0), tstzrange(:since, :until),
                    {", ".join(f":{column}" for column in columns)})"""),
        said,
    )


def claim(connection: Connection, source: str, amount: str | None, since: float, until: float | None = None, **values: Any) -> None:
    """A price that a source names for the offer `host:lab/m`; its listing is linked there."""
    listed_id, provider = values.setdefault("listed_id", "m"), values.setdefault("provider", "host")
    found = {"source": source, "listed_id": listed_id, "provider": provider}
    if not connection.execute(
        text("select 1 from history.link where (source, listed_id, provider) = (:source, :listed_id, :provider)"), found
    ).all():
        listing(connection, listed_id, 0, source=source, provider=provider)
        link(connection, listed_id, source=source, provider=provider)
    price(connection, amount, since, until, source=source, **values)


def doubt(connection: Connection, source: str, changed: float, good: str | None, until: float | None = None, kind: str = "held") -> None:
    """The gate doubts what a source says of `m` since an instant; `good` is the last good amount."""
    connection.execute(
        text("""
            insert into ops.held_change
            select source || ' ' || lower(seen), source, key_id, digest, lower(seen), provider, listed_id, meter, service_tier,
                   prompt_above_tokens, time_window, region, detail, currency, effective_from, :kind,
                   case when cast(:good as numeric) is null then 'unknown' when cast(:good as numeric) = 0 then 'free' else 'paid' end, :good,
                   state, amount, '["odd"]', '{}', tstzrange(:changed, :until), :outcome
            from history.price where source = :source and lower(seen) = :changed"""),
        {
            "source": source,
            "changed": day(changed),
            "until": until and day(until),
            "kind": kind,
            "good": good and Decimal(good),
            "outcome": "released" if until else "open",
        },
    )


def served(
    connection: Connection, columns: str = "source, amount", at: float = 20, known: float | None = None, links: str | None = None
) -> Any:
    """What is served for the only offer and meter there is; the same whether all is looked at, or what has its ids."""
    ids = list(connection.scalars(text("select listed_id from history.link union select listed_id from history.price")))
    said = {"at": day(at), "known": day(known) if known else "infinity", "links": links, "ids": ids}
    query = f"select {columns} from catalog.price_as_of(:at, :known, cast(:links as timestamptz), {{ids}})"
    [row] = connection.execute(text(query.format(ids="null")), said)
    assert connection.execute(text(query.format(ids="cast(:ids as text[])")), said).all() == [row]
    return tuple(row)


def disputes(connection: Connection, columns: str) -> list[tuple[Any, ...]]:
    refresh(connection, MODELS["catalog.offer"])
    refresh(connection, MODELS["catalog.dispute"])
    return rows(connection, f"select {columns} from catalog.dispute order by opened_at, meter")


def test_every_source_has_a_rank(ledger: Connection) -> None:
    assert {source for (source,) in rows(ledger, "select source from catalog.source_rank")} >= set(of_kind("prices", "models"))


# --- whose word is served ---


def test_the_reviewed_list_comes_before_the_one_of_users_and_that_before_a_gateways_table(ledger: Connection) -> None:
    columns = "source, amount, rule, claims, disputed, lowest, highest"
    claim(ledger, "litellm", "3", 1)
    assert served(ledger, columns) == ("litellm", 3, "the only claim", 1, False, 3, 3)
    claim(ledger, "models_dev", "2", 1)
    assert served(ledger, columns) == ("models_dev", 2, "the first in rank", 2, True, 2, 3)
    claim(ledger, "genai_prices", "1", 1)
    assert served(ledger, columns) == ("genai_prices", 1, "the first in rank", 3, True, 1, 3)


def test_where_all_say_the_same_nothing_is_disputed(ledger: Connection) -> None:
    claim(ledger, "litellm", "3.0", 1)
    claim(ledger, "models_dev", "3", 1)
    assert served(ledger, "source, amount, rule, disputed") == ("models_dev", 3, "all agree", False)


def test_the_providers_own_feed_comes_first_and_only_for_itself(ledger: Connection) -> None:
    claim(ledger, "genai_prices", "1", 1, provider="openrouter")
    claim(ledger, "openrouter", "2", 1, provider="openrouter")
    assert served(ledger, "source, amount, rule") == ("openrouter", 2, "the provider's own feed")


def test_an_unknown_never_beats_a_number(ledger: Connection) -> None:
    claim(ledger, "genai_prices", None, 1)
    claim(ledger, "litellm", "3", 1)
    assert served(ledger, "source, amount, rule, disputed") == (
        "litellm",
        3,
        "a number before an unknown, a price before a free one",
        False,
    )


def test_what_a_list_calls_free_gives_way_to_a_price_and_is_disputed(ledger: Connection) -> None:
    claim(ledger, "genai_prices", "0", 1)
    claim(ledger, "litellm", "3", 1)
    assert served(ledger, "source, state, amount, disputed, lowest") == ("litellm", "paid", 3, True, 0)


def test_what_the_providers_own_feed_calls_free_is_free_and_disputed(ledger: Connection) -> None:
    claim(ledger, "openrouter", "0", 1, provider="openrouter")
    claim(ledger, "litellm", "3", 1)
    assert served(ledger, "source, state, disputed") == ("openrouter", "free", True)


def test_a_free_price_that_nobody_contradicts_is_free(ledger: Connection) -> None:
    claim(ledger, "models_dev", "0", 1)
    claim(ledger, "litellm", "0", 1)
    assert served(ledger, "source, state, disputed") == ("models_dev", "free", False)


def test_of_equal_rank_the_dated_claim_beats_the_undated_one(ledger: Connection) -> None:
    claim(ledger, "one list", "1", 1)
    claim(ledger, "two lists", "2", 1, effective_from=day(2))
    assert served(ledger, "source, amount, rule") == ("two lists", 2, "the first in rank, and it states its dates")


def test_the_first_listing_that_asks_a_price_is_the_word_of_its_source(ledger: Connection) -> None:
    claim(ledger, "models_dev", None, 1, listed_id="a")
    claim(ledger, "models_dev", "0", 1, listed_id="b")
    claim(ledger, "models_dev", "4", 1, listed_id="c")
    claim(ledger, "models_dev", "5", 1, listed_id="d")
    assert served(ledger, "listed_id, amount, claims, disputed") == ("c", 4, 2, True)  # what never asks is no claim beside what does


def test_listings_of_other_offers_do_not_meet(ledger: Connection) -> None:
    claim(ledger, "models_dev", "1", 1, listed_id="here")
    link(ledger, "there", source="litellm", region="eu", offer="host:lab/m#eu")
    price(ledger, "2", 1, source="litellm", listed_id="there")
    found = ledger.execute(text("select offer, region, amount, disputed from catalog.price_as_of(now()) order by 1")).all()
    assert [tuple(row) for row in found] == [("host:lab/m", None, 1, False), ("host:lab/m#eu", "eu", 2, False)]


def test_a_listing_without_a_link_stands_for_itself(ledger: Connection) -> None:
    price(ledger, "2", 1, source="litellm")
    assert served(ledger, "offer, provider, model, amount") == ("host:?m", "host", None, 2)


def test_a_held_change_serves_the_last_good_price_and_says_so(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1, 10)
    price(ledger, "2000", 10, source="models_dev")
    doubt(ledger, "models_dev", 10, "2")
    columns = "amount, state, held, said_amount, unconfirmed, held_id is not null"
    assert served(ledger, columns) == (2, "paid", True, 2000, False, True)
    assert served(ledger, columns, at=5) == (2, "paid", False, 2, False, False)


def test_a_price_that_fell_to_nothing_and_is_held_is_not_served_as_free(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1, 10)
    price(ledger, "0", 10, source="models_dev")
    doubt(ledger, "models_dev", 10, "2")
    assert served(ledger, "amount, state, said_state") == (2, "paid", "free")
    listed = "select state, amount, said_state from catalog.listing_price"
    assert rows(ledger, listed) == [("paid", 2, "free")]


def test_a_marked_change_is_served_and_unconfirmed(ledger: Connection) -> None:
    claim(ledger, "models_dev", "0", 1, 10)
    price(ledger, "2", 10, source="models_dev")
    doubt(ledger, "models_dev", 10, "0", kind="marked")
    assert served(ledger, "amount, state, held, unconfirmed") == (2, "paid", False, True)


def test_what_was_known_before_a_release_still_serves_the_old_value(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1, 10)
    price(ledger, "9", 10, source="models_dev")
    doubt(ledger, "models_dev", 10, "2", until=13)
    assert served(ledger, "amount, held", at=20, known=12) == (2, True)
    assert served(ledger, "amount, held", at=20, known=14) == (9, False)
    assert served(ledger, "amount, held", at=20) == (9, False)


def test_the_past_uses_the_link_of_the_past_unless_asked_otherwise(ledger: Connection) -> None:
    link(ledger, model="lab/old", until=10)
    link(ledger, model="lab/new", since=10)
    price(ledger, "2", 1, source="models_dev")
    assert served(ledger, "model", at=5) == ("lab/old",)
    assert served(ledger, "model", at=15) == ("lab/new",)
    assert served(ledger, "model", at=5, links="infinity") == ("lab/new",)


def test_the_price_now_is_the_price_as_of_now(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1, 10)
    price(ledger, "2000", 10, source="models_dev")
    doubt(ledger, "models_dev", 10, "2")
    claim(ledger, "models_dev", "7", 1, listed_id="other", meter="output")
    claim(ledger, "genai_prices", "3", 1, effective_from=day(1), meter="output")
    claim(ledger, "litellm", "3", 1)
    refresh(ledger, MODELS["catalog.price_span"])
    now = rows(ledger, "select p::text from catalog.price p order by 1")
    assert now == rows(ledger, "select p::text from catalog.price_as_of(now()) p order by 1")
    assert len(now) == 2


def test_a_dated_price_is_served_no_longer_than_its_listing_is_there(ledger: Connection) -> None:
    listing(ledger, "m", 1, 10, source="genai_prices")
    link(ledger, "m", source="genai_prices")
    price(ledger, "2", 1, 10, source="genai_prices", effective_from=day(-100))
    at = "select amount from catalog.price_as_of(cast(:at as timestamptz))"
    assert [ledger.execute(text(at), {"at": day(number)}).scalars().all() for number in (-50, 9, 11)] == [[2], [2], []]
    refresh(ledger, MODELS["catalog.price_span"])
    assert rows(ledger, "select count(*) from catalog.price") == [(0,)]
    assert rows(ledger, "select upper(served_in) from catalog.price_span") == [(day(10),)]


# --- disputes ---


def test_a_dispute_opens_when_sources_differ_and_closes_when_they_agree(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1, 10)
    price(ledger, "3", 10, source="models_dev")
    claim(ledger, "litellm", "2", 1, 14)
    price(ledger, "3", 14, source="litellm")
    columns = "offer, provider, model, meter, opened_at, closed_at, ended, lowest, highest, ratio, difference, started_by, agreed_amount"
    told = ("host:lab/m", "host", "lab/m", "input", day(10), day(14), "agreed", 2, 3, Decimal("1.5"), 1, "models_dev", 3)
    assert disputes(ledger, columns) == [told]


def test_an_alias_that_moved_is_disputed_as_the_model_that_it_is_now(ledger: Connection) -> None:
    for source, amount in (("models_dev", "2"), ("litellm", "3")):
        claim(ledger, source, amount, 1)
        link(ledger, "alias", "lab/old", source, until=10)
        link(ledger, "alias", "lab/new", source, since=10)
        ledger.execute(text("update history.link set seen = tstzrange(null, upper(seen)) where model = 'lab/old'"))  # as they are begun
        price(ledger, amount, 1, source=source, listed_id="alias")
    assert {model for (model,) in disputes(ledger, "model")} == {"lab/m", "lab/new"}


def test_each_side_is_told_with_its_listing_and_the_time_in_which_it_said_so(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1, listed_id="lab/m")
    claim(ledger, "litellm", "0.3", 4)
    [(sides, served_source, served_amount, started_by, closed)] = disputes(
        ledger, "sides, served_source, served_amount, started_by, closed_at"
    )
    assert [(side["source"], side["listed_id"], side["state"], side["amount"], side["until"], side["held"]) for side in sides] == [
        ("litellm", "m", "paid", "0.3", None, False),
        ("models_dev", "lab/m", "paid", "2", None, False),
    ]
    assert [side["since"][:10] for side in sides] == ["2026-01-04", "2026-01-01"]
    assert (served_source, served_amount, started_by, closed) == ("models_dev", 2, "litellm", None)


def test_a_dispute_ends_in_silence_where_one_side_names_no_amount_any_more(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1)
    claim(ledger, "litellm", "3", 4, 8)
    price(ledger, None, 8, source="litellm")
    assert disputes(ledger, "opened_at, closed_at, ended, agreed_amount") == [(day(4), day(8), "silent", None)]


def test_a_side_that_moves_without_agreeing_goes_on_with_the_same_dispute(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1)
    claim(ledger, "litellm", "200", 3, 6)
    price(ledger, "3", 6, source="litellm")
    assert disputes(ledger, "opened_at, closed_at, ratio, widest_ratio") == [(day(3), None, Decimal("1.5"), 100)]


def test_what_breaks_out_again_is_another_dispute(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1)
    claim(ledger, "litellm", "3", 2, 4)
    price(ledger, "2", 4, 6, source="litellm")
    price(ledger, "3", 6, source="litellm")
    told = disputes(ledger, "opened_at, closed_at, dispute_id")
    assert [row[:2] for row in told] == [(day(2), day(4)), (day(6), None)]
    assert told[0][2] != told[1][2]


def test_a_source_that_is_refilled_names_its_disputes_as_before(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1)
    claim(ledger, "litellm", "3", 2)
    before = disputes(ledger, "dispute_id")
    claim(ledger, "genai_prices", "4", 5)
    assert disputes(ledger, "dispute_id") == before


def test_a_free_claim_against_a_price_is_a_dispute_without_a_ratio(ledger: Connection) -> None:
    claim(ledger, "models_dev", "0", 1)
    claim(ledger, "litellm", "3", 2)
    assert disputes(ledger, "ratio, difference, served_source, served_amount") == [(None, 3, "litellm", 3)]


@pytest.mark.parametrize("said", ["unknown", "dynamic", "included"])
def test_what_names_no_amount_contradicts_nobody(ledger: Connection, said: str) -> None:
    claim(ledger, "models_dev", "2", 1)
    claim(ledger, "litellm", None, 2, state=said)
    assert disputes(ledger, "offer") == []


def test_only_the_same_meter_condition_and_currency_can_be_disputed(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1)
    claim(ledger, "litellm", "1", 1, service_tier="batch")
    claim(ledger, "litellm", "3", 1, prompt_above_tokens=200_000)
    claim(ledger, "litellm", "4", 1, meter="output")
    claim(ledger, "litellm", "14", 1, currency="CNY")
    assert disputes(ledger, "offer") == []


def test_listings_of_one_source_do_not_dispute_with_each_other(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1, listed_id="a")
    claim(ledger, "models_dev", "3", 1, listed_id="b")
    claim(ledger, "litellm", "2", 1)
    assert disputes(ledger, "offer") == []


def test_a_dated_claim_counts_where_it_was_said_and_its_dates_cover_the_time(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1)
    claim(ledger, "genai_prices", "2", 1)
    claim(ledger, "genai_prices", "3", 1, effective_from=day(6), effective_to=day(9))
    assert disputes(ledger, "opened_at, closed_at, ended, served_amount") == [(day(6), day(9), "agreed", 3)]


def test_what_is_announced_is_no_dispute_yet(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1)
    claim(ledger, "genai_prices", "3", 1, effective_from=day(365 * 200))
    assert disputes(ledger, "offer") == []


def test_a_held_side_is_named_and_its_last_good_price_is_served(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1, 10)
    price(ledger, "2000", 10, source="models_dev")
    claim(ledger, "litellm", "2", 1)
    doubt(ledger, "models_dev", 10, "2")
    [(sides, source, amount, highest)] = disputes(ledger, "sides, served_source, served_amount, highest")
    assert [(side["amount"], side["held"]) for side in sides] == [("2", False), ("2000", True)]
    assert (source, amount, highest) == ("models_dev", 2, 2000)


def test_an_open_dispute_is_stale_until_all_its_sources_were_read_again(ledger: Connection) -> None:
    observation(ledger, 1, source="models_dev")
    observation(ledger, 4, source="litellm")
    claim(ledger, "models_dev", "2", 1)
    claim(ledger, "litellm", "3", 4)
    assert disputes(ledger, "stale") == [(True,)]
    observation(ledger, 5, source="models_dev")
    assert disputes(ledger, "stale") == [(False,)]


# --- who was right ---


def test_a_source_wins_where_the_others_came_to_its_amount_and_the_rest_have_lost(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1, 10)
    price(ledger, "3", 10, source="models_dev")
    claim(ledger, "litellm", "2", 1, 14)
    price(ledger, "3", 14, source="litellm")
    claim(ledger, "litellm", "5", 1, meter="output")
    claim(ledger, "models_dev", "6", 1, meter="output")
    disputes(ledger, "offer")
    columns = "source, disputes, open, won, lost, share_won, median_lag_days, claims, share_disputed"
    told = rows(ledger, f"select {columns} from catalog.source_record where source in ('models_dev', 'litellm') order by 1")
    assert told == [("litellm", 2, 1, 0, 1, 0, 4, 2, Decimal("0.5")), ("models_dev", 2, 1, 1, 0, 1, None, 2, Decimal("0.5"))]


def test_where_someone_fell_silent_nobody_has_won(ledger: Connection) -> None:
    claim(ledger, "models_dev", "2", 1)
    claim(ledger, "litellm", "3", 1, 5)
    disputes(ledger, "offer")
    assert rows(ledger, "select won, lost, share_won from catalog.source_record where source = 'models_dev'") == [(0, 0, None)]
