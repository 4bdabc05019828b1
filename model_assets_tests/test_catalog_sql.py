import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from model_assets.contracts import METERS
from model_assets.sql_models import deploy, load_models, refresh, run_test

KEY = "provider listed_id meter service_tier prompt_above_tokens time_window region detail currency effective_from".split()  # noqa: SIM905
MODELS = load_models()


def day(number: float) -> datetime:
    """Midnight of a day of January 2026; day 40 is in February."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number - 1)


def listing(connection: Connection, listed_id: str, since: float, until: float | None = None, source: str = "feed", **values: Any) -> None:
    """Put a claim about a listing into the ledger: of the provider `host`, unless told otherwise."""
    said: dict[str, Any] = {"provider": "host", "input_modalities": [], "output_modalities": [], "capabilities": [], "extra": "{}"} | values
    said |= {"source": source, "listed_id": listed_id, "since": day(since), "until": until and day(until)}
    columns = [*said.keys() - {"since", "until"}]
    connection.execute(
        text(f"""
            insert into history.listing (key_id, seen, digest, {", ".join(columns)})
            values (hashtextextended(:source || ' ' || :provider || ' ' || :listed_id, 0), tstzrange(:since, :until), '',
                    {", ".join(f":{column}" for column in columns)})"""),
        said,
    )


def price(
    connection: Connection,
    amount: str | None,
    since: float,
    until: float | None = None,
    state: str | None = None,
    source: str = "feed",
    **values: Any,
) -> None:
    """Put a claim about a price into the ledger: of the input of `m`, unless told otherwise."""
    said: dict[str, Any] = dict.fromkeys(KEY, "") | {"provider": "host", "listed_id": "m", "meter": "input", "service_tier": "standard"}
    said |= {"prompt_above_tokens": 0, "currency": "USD", "effective_from": None, "effective_to": None} | values
    said |= {"source": source, "amount": amount and Decimal(amount), "since": day(since), "until": until and day(until)}
    said["state"] = state or ("unknown" if amount is None else "paid" if Decimal(amount) else "free")
    said["key"] = repr([source, *(said[column] for column in KEY)])
    columns = [*KEY, "state", "amount", "effective_to"]
    connection.execute(
        text(f"""
            insert into history.price (source, key_id, seen, digest, {", ".join(columns)})
            values (:source, hashtextextended(:key, 0), tstzrange(:since, :until), '', {", ".join(f":{column}" for column in columns)})"""),
        said,
    )


def observation(
    connection: Connection, at: float, verdict: str = "accepted", source: str = "feed", listings: int = 0, prices: int = 0
) -> None:
    """Put the verdict on a payload into the books."""
    said = {"source": source, "at": day(at), "verdict": verdict, "sha": repr((source, at)).encode(), "listings": listings, "prices": prices}
    connection.execute(text("insert into raw.body values (:sha, 0, '')"), said)
    connection.execute(text("insert into raw.payload values (:source, :at, :sha, '', 200, '{}', 'live')"), said)
    connection.execute(
        text("""insert into ops.observation (source, observed_at, sha256, verdict, decided_by, listings, prices, rejected, price_values)
                values (:source, :at, :sha, :verdict, 'gate', :listings, :prices, 0, 0)"""),
        said,
    )


def as_of(connection: Connection, at: float, known: float | None = None) -> list[str]:
    """The amounts of `m` at an instant."""
    said = {"at": day(at), "known": day(known) if known else "infinity"}
    found = connection.scalars(text("select amount from catalog.price_claim_as_of(:at, :known) where listed_id = 'm' order by 1"), said)
    return [str(amount) for amount in found]


def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(query))]


@pytest.fixture
def ledger(database: Engine) -> Iterator[Connection]:
    """A connection in a transaction that is taken back at the end; the SQL models are there."""
    with database.connect() as connection:
        deploy(connection, MODELS)
        yield connection
        connection.rollback()


def test_the_meters_of_the_database_are_those_of_the_contract(ledger: Connection) -> None:
    assert rows(ledger, "select meter, per, about from catalog.meter") == [(meter, *said) for meter, said in METERS.items()]


# --- what did it cost at T, as far as was known at K ---


def test_a_price_without_dates_holds_while_it_is_seen(ledger: Connection) -> None:
    listing(ledger, "m", 1)
    price(ledger, "1", 1, 10)
    price(ledger, "2", 10)
    assert [as_of(ledger, at) for at in (0.5, 1, 9.9, 10, 300)] == [[], ["1"], ["1"], ["2"], ["2"]]


def test_what_is_asked_for_a_time_after_the_knowledge_is_what_was_held_then(ledger: Connection) -> None:
    listing(ledger, "m", 1)
    price(ledger, "1", 1, 10)
    price(ledger, "2", 10)
    assert as_of(ledger, 12, known=9.5) == ["1"]
    assert as_of(ledger, 12, known=0.5) == []
    assert as_of(ledger, 5, known=4) == ["1"]
    assert as_of(ledger, 5, known=12) == ["1"]


def test_knowledge_between_two_observations_is_that_of_the_earlier_one(ledger: Connection) -> None:
    listing(ledger, "m", 1)
    price(ledger, "1", 1, 3)
    price(ledger, "2", 3)
    assert as_of(ledger, 2.5, known=2.5) == ["1"]
    assert as_of(ledger, 3, known=2.9) == ["1"]


def test_a_dated_price_counts_where_its_dates_cover_even_before_it_was_seen(ledger: Connection) -> None:
    listing(ledger, "m", 10)
    price(ledger, "3", 10, effective_from=day(2), effective_to=day(5))
    assert [as_of(ledger, at) for at in (1.9, 2, 4.9, 5, 12)] == [[], ["3"], ["3"], [], []]
    assert as_of(ledger, 3, known=9) == []
    assert as_of(ledger, 3, known=10) == ["3"]


def test_an_announced_price_takes_over_on_its_day(ledger: Connection) -> None:
    listing(ledger, "m", 1)
    price(ledger, "1", 1)
    price(ledger, "2", 5, effective_from=day(20))
    assert [as_of(ledger, at) for at in (19, 20, 30)] == [["1"], ["2"], ["2"]]
    assert as_of(ledger, 20, known=4) == ["1"]
    assert as_of(ledger, 20, known=6) == ["2"]


def test_of_several_dated_prices_the_latest_start_wins(ledger: Connection) -> None:
    listing(ledger, "m", 1)
    price(ledger, "9", 1, effective_from=None, effective_to=day(30))
    price(ledger, "1", 1, effective_from=day(2))
    price(ledger, "2", 1, effective_from=day(8))
    assert [as_of(ledger, at) for at in (1, 5, 8, 40)] == [["9"], ["1"], ["2"], ["2"]]


def test_a_dated_price_that_was_retracted_is_not_believed_any_more(ledger: Connection) -> None:
    listing(ledger, "m", 1)
    price(ledger, "1", 1)
    price(ledger, "2", 3, 6, effective_from=day(2))
    assert as_of(ledger, 7, known=5) == ["2"]
    assert as_of(ledger, 4, known=6) == ["1"]
    assert as_of(ledger, 4) == ["1"]


def test_a_dated_price_outlives_its_listing(ledger: Connection) -> None:
    listing(ledger, "m", 1, 4, name="old name")
    listing(ledger, "m", 4, 10, name="new name")
    price(ledger, "1", 1, 10, effective_from=day(1), effective_to=day(20))
    price(ledger, "2", 1, 4, effective_from=day(2))
    assert as_of(ledger, 5) == ["1"]
    assert as_of(ledger, 5, known=12) == ["1"]
    assert as_of(ledger, 3, known=3.5) == ["2"]


def test_a_dated_price_is_not_taken_up_again_when_its_listing_comes_back_without_it(ledger: Connection) -> None:
    listing(ledger, "m", 1, 5)
    listing(ledger, "m", 8)
    price(ledger, "1", 1, 5, effective_from=day(1))
    assert as_of(ledger, 3, known=6) == ["1"]
    assert as_of(ledger, 3, known=8) == []


def test_a_price_without_dates_is_over_where_the_source_later_dates_its_end(ledger: Connection) -> None:
    listing(ledger, "m", 1)
    price(ledger, "10", 1, 20)
    price(ledger, "10", 20, effective_to=day(5))
    assert [as_of(ledger, at) for at in (0.5, 4.9, 5, 12, 25)] == [["10"], ["10"], [], [], []]
    assert as_of(ledger, 12, known=19) == ["10"]


def test_a_dated_price_that_ended_hides_no_price_of_another_condition(ledger: Connection) -> None:
    listing(ledger, "m", 1)
    price(ledger, "5", 1)
    price(ledger, "6", 1, region="eu")
    price(ledger, "10", 1, 3, prompt_above_tokens=200_000)
    price(ledger, "10", 3, effective_to=day(2), prompt_above_tokens=200_000)
    assert as_of(ledger, 2.5) == ["5", "6"]
    assert rows(ledger, "select amount from catalog.price_claim order by 1") == [(5,), (6,)]


def test_a_promotion_beside_the_list_price_hides_it_while_it_lasts_and_not_after(ledger: Connection) -> None:
    listing(ledger, "m", 1)
    price(ledger, "1", 1)
    price(ledger, "2", 1, effective_from=day(8), effective_to=day(9))
    assert [as_of(ledger, at) for at in (7.9, 8, 9)] == [["1"], ["2"], ["1"]]


def test_a_dated_price_that_ended_and_was_retracted_hides_nothing(ledger: Connection) -> None:
    listing(ledger, "m", 1)
    price(ledger, "1", 1, 5)
    price(ledger, "2", 5, 6, effective_to=day(3))
    assert as_of(ledger, 4, known=5.5) == []
    assert as_of(ledger, 4) == ["1"]


def test_only_the_same_condition_is_hidden_by_a_dated_price(ledger: Connection) -> None:
    listing(ledger, "m", 1)
    price(ledger, "1", 1)
    price(ledger, "7", 1, service_tier="batch")
    price(ledger, "2", 1, effective_from=day(1))
    assert as_of(ledger, 5) == ["2", "7"]


def test_the_price_now_is_the_price_as_of_now_of_what_is_listed_now(ledger: Connection) -> None:
    chance = random.Random(1)
    today = (datetime.now(UTC) - day(1)).days + 1
    for number in range(150):
        name, gone = f"m{number}", chance.choice([None, None, today - 1])
        listing(ledger, name, 1, gone)
        for start in chance.sample([None, day(today - 20), day(today - 5), day(today + 5)], k=chance.randint(1, 4)):
            end = chance.choice([None, day(today - 3), day(today + 9)]) if start != day(today + 5) else None
            amount, until = str(chance.randint(0, 9)), chance.choice([gone, gone, 20])
            price(ledger, amount, 1, until, listed_id=name, effective_from=start, effective_to=end)
    columns = "listed_id, meter, per, amount, state, effective_from, effective_to, seen_since"
    now = rows(ledger, f"select {columns} from catalog.price_claim order by 1, 2")
    listed = "(select listed_id from catalog.listing)"
    assert now == rows(ledger, f"select {columns} from catalog.price_claim_as_of(now(), now()) where listed_id in {listed} order by 1, 2")
    assert len(now) > 50


def test_an_unstated_condition_is_null_and_a_price_has_its_unit(ledger: Connection) -> None:
    listing(ledger, "m", 1)
    price(ledger, "1", 1, region="eu", meter="image")
    assert rows(ledger, "select per, time_window, region, detail from catalog.price_claim") == [("image", None, "eu", None)]
    assert rows(ledger, "select per, time_window, region, detail from catalog.price_claim_as_of(now())") == [("image", None, "eu", None)]


# --- listings ---


def test_a_listing_is_shown_while_it_is_seen_and_stays_answerable(ledger: Connection) -> None:
    observation(ledger, 1)
    observation(ledger, 10)
    observation(ledger, 11, "refused")
    listing(ledger, "here", 1, name="Here")
    listing(ledger, "gone", 1, 10)
    assert rows(ledger, "select listed_id, name, seen_since, last_observed_at from catalog.listing") == [("here", "Here", day(1), day(10))]
    past = rows(ledger, "select listed_id, seen_until from catalog.listing_as_of('2026-01-05Z') order by 1")
    assert past == [("gone", day(10)), ("here", None)]
    assert rows(ledger, "select listed_id from catalog.listing_as_of('2025-12-31Z')") == []


# --- changes ---


def changes(connection: Connection, columns: str = "changed_at, kind, from_amount, to_amount") -> list[tuple[Any, ...]]:
    refresh(connection, MODELS["catalog.price_change"])
    return rows(connection, f"select {columns} from catalog.price_change order by changed_at, kind")


def test_the_first_observation_of_a_source_is_no_news(ledger: Connection) -> None:
    observation(ledger, 1)
    price(ledger, "1", 1)
    assert changes(ledger) == []


def test_a_price_that_moves_is_one_change(ledger: Connection) -> None:
    observation(ledger, 1)
    price(ledger, "2", 1, 4)
    price(ledger, "3", 4)
    columns = "changed_at, kind, from_state, to_state, from_amount, to_amount, ratio, difference"
    assert changes(ledger, columns) == [(day(4), "changed", "paid", "paid", 2, 3, Decimal("1.5"), 1)]


def test_a_change_to_or_from_an_unknown_or_free_price_has_no_ratio(ledger: Connection) -> None:
    observation(ledger, 1)
    price(ledger, None, 1, 4, state="dynamic")
    price(ledger, "0", 4, 6)
    price(ledger, "3", 6)
    columns = "from_state, to_state, ratio, difference"
    assert changes(ledger, columns) == [("dynamic", "free", None, None), ("free", "paid", None, 3)]


def test_a_price_that_appears_later_is_opened_and_one_that_vanishes_is_closed(ledger: Connection) -> None:
    observation(ledger, 1)
    price(ledger, "1", 3, 5)
    price(ledger, "1", 8)
    assert changes(ledger) == [(day(3), "opened", None, 1), (day(5), "closed", 1, None), (day(8), "opened", None, 1)]


def test_each_source_has_a_first_observation_of_its_own(ledger: Connection) -> None:
    observation(ledger, 1, source="old")
    observation(ledger, 5, source="new")
    price(ledger, "1", 5, source="old")
    price(ledger, "1", 5, source="new")
    assert changes(ledger, "source, kind") == [("old", "opened")]


# --- sources ---


def test_the_health_of_a_source_says_what_is_served_how_old_it_is_and_what_went_wrong(ledger: Connection) -> None:
    observation(ledger, 1, listings=2, prices=1)
    observation(ledger, 2, listings=1, prices=1)
    observation(ledger, 3, "refused", listings=9, prices=9)
    said = {"first": repr(("feed", 1)).encode(), "second": repr(("feed", 2)).encode(), "one": day(1), "two": day(2)}
    ledger.execute(
        text("""insert into ops.quarantine (source, observed_at, sha256, relation, reason, original)
                values ('feed', :one, :first, 'price', 'r', ''), ('feed', :two, :second, 'price', 'r', ''),
                       ('feed', :two, :second, 'price', 's', '')"""),
        said,
    )
    ledger.execute(
        text("""insert into ops.sync_run (source, day, started_by, status, started_at, finished_at, message)
                values ('feed', '2026-01-02', 'test', 'succeeded', '2026-01-02Z', '2026-01-02 01:00Z', null),
                       ('feed', '2026-01-03', 'test', 'refused', '2026-01-03Z', '2026-01-03Z', 'too few'),
                       ('feed', '2026-01-04', 'test', 'running', '2026-01-04Z', null, null),
                       ('down', '2026-01-03', 'test', 'failed', '2026-01-03Z', '2026-01-03Z', 'timeout')""")
    )
    columns = "source, last_observed_at, listings, prices, last_success_at, last_status, last_error, refused_since, quarantined"
    assert rows(ledger, f"select {columns} from catalog.source_health order by source desc") == [
        ("feed", day(2), 1, 1, day(2 + 1 / 24), "running", "too few", 1, 2),
        ("down", None, 0, 0, None, "failed", "timeout", 0, 0),
    ]
    assert rows(ledger, "select age = now() - last_observed_at from catalog.source_health where source = 'feed'") == [(True,)]


# --- what the models say of themselves ---


def test_every_column_is_described_and_every_relation_is_tested(ledger: Connection) -> None:
    for model in MODELS.values():
        if model.kind != "function":
            columns = list(ledger.execute(text(f"select * from {model.key} limit 0")).keys())
            assert list(model.columns) == columns, model.key
            assert model.tests, model.key


def test_every_claim_of_schema_yml_holds_on_a_small_ledger(ledger: Connection) -> None:
    observation(ledger, 1)
    listing(ledger, "m", 1)
    for meter in ("input", "output"):
        price(ledger, "1", 1, 3, meter=meter)
        price(ledger, "2", 3, meter=meter)
        price(ledger, "5", 1, effective_from=day(2), meter=meter)
        price(ledger, "6", 1, region="eu", meter=meter)
    changes(ledger)
    broken = {f"{test.model}: {test.name}" for model in MODELS.values() for test in model.tests if run_test(ledger, test).failing}
    assert broken == {"catalog.source_health: last_status_is_not_null"}
