"""The ledger is a function of the set of accepted observations: compared with a plain replay, in any order, with corrections and doubts."""

import itertools
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from model_assets.contracts import Listing, Mention, Popularity, Price, Reject, Score
from model_assets.database import connect
from model_assets.frames import broken_rows
from model_assets.ledger import observations
from model_assets.ledger.changes import compare
from model_assets.ledger.merge import LedgerMoved, merge
from model_assets.ledger.observations import Observation
from model_assets.ledger.staging import stage
from model_assets.sources.base import Parsed

START = datetime(2026, 1, 1, tzinfo=UTC)
MODELS = ["a", "b", "c"]
EMPTY = "truncate history.listing, history.price, history.score, ops.source, ops.observation, ops.quarantine, raw.payload cascade"
#: a model's price; 0 stands for "in quarantine: the payload does not speak of it"
Payload = dict[str, int]


def instant(step: int) -> datetime:
    return START + timedelta(hours=step)


def score(model: str, value: int) -> Score:
    return Score("exam", model, "1", "", "passed", "", "", "", "us", "", Decimal(value), "pct")


def parsed(payload: Payload) -> Parsed:
    found = Parsed()
    for model, price in payload.items():
        if price:
            found.listings.append(Listing("host", model, name=f"{model} {price % 2}"))
            found.quote("host", model, "input", price, 1)
            found.scores.append(score(model, price))
        else:
            found.reject("listing", "host", model, "broken", payload)
            found.reject("score", None, model, "broken", payload)
    return found


def never_fenced(connection: Connection) -> None:
    pass


def load(url: str, at: datetime, found: Parsed, body: bytes) -> Observation:
    with connect(url) as connection:
        observation = observations.record(connection, "src", at, body, url="http://x", origin="recording")
        staged = stage(connection, compare(connection, observation, found, broken_rows), found)
        merge(connection, staged, never_fenced)
    return observation


def ledger(url: str) -> list[tuple[object, ...]]:
    """All claims, as a dump would have them."""
    with connect(url) as connection:
        return [
            tuple(row)
            for name, entry, value in (
                ("listing", "listed_id", "name"),
                ("price", "listed_id", "cast(trim_scale(amount) as text)"),
                ("score", "model", "cast(trim_scale(value) as text)"),
            )
            for row in connection.execute(
                text(
                    f"select '{name}', {entry}, {value}, lower(seen), upper(seen), encode(digest, 'hex') from history.{name} order by 2, 4"
                )
            )
        ]


def replay(accepted: dict[int, Payload]) -> list[tuple[object, ...]]:
    """The oracle: go through the observations in order of time, and write down what each key is said to be."""
    claims = []
    for relation in ("listing", "price", "score"):
        for model in MODELS:
            held: tuple[object, datetime] | None = None
            for step in sorted(accepted):
                price = accepted[step].get(model)
                if price == 0:
                    continue
                value = None if price is None else f"{model} {price % 2}" if relation == "listing" else str(price)
                if held and held[0] != value:
                    claims.append((relation, model, held[0], held[1], instant(step)))
                    held = None
                if value is not None and held is None:
                    held = (value, instant(step))
            if held:
                claims.append((relation, model, held[0], held[1], None))
    return claims


steps = st.lists(
    st.tuples(st.integers(0, 5), st.dictionaries(st.sampled_from(MODELS), st.integers(0, 3), max_size=3)), min_size=1, max_size=9
)


@settings(
    max_examples=int(os.environ.get("LEDGER_EXAMPLES", "40")), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(loads=steps)
def test_any_order_with_corrections_and_quarantine_ends_as_a_plain_replay_does(url: str, loads: list[tuple[int, Payload]]) -> None:
    with connect(url) as connection:
        connection.execute(text(EMPTY))
    accepted: dict[int, Payload] = {}
    for step, payload in loads:
        load(url, instant(step), parsed(payload), repr(sorted(payload.items())).encode())
        accepted[step] = payload
        assert [row[:5] for row in ledger(url)] == replay(accepted)


def test_the_same_days_in_every_order_give_the_same_dump(url: str) -> None:
    days: list[Payload] = [{"a": 1, "b": 2}, {"a": 1, "b": 0, "c": 3}, {"b": 2}]
    dumps = set()
    for order in itertools.permutations(range(3)):
        with connect(url) as connection:
            connection.execute(text(EMPTY))
        for step in order:
            load(url, instant(step), parsed(days[step]), str(days[step]).encode())
        dumps.add(tuple(ledger(url)))
    assert len(dumps) == 1


def test_loading_an_observation_again_changes_no_row(url: str) -> None:
    load(url, instant(1), parsed({"a": 1, "b": 2}), b"one")
    before = ledger(url)
    with connect(url) as connection:
        versions = connection.execute(text("select xmin, ctid from history.price")).all()
    load(url, instant(1), parsed({"a": 1, "b": 2}), b"one")
    assert ledger(url) == before
    with connect(url) as connection:
        assert connection.execute(text("select xmin, ctid from history.price")).all() == versions


@pytest.mark.parametrize("seen", ["seen", "tstzrange(lower(seen) - interval '1 day', lower(seen) + interval '1 second')"])
def test_the_database_itself_refuses_two_claims_of_one_key_at_one_time(url: str, seen: str) -> None:
    load(url, instant(1), parsed({"a": 1}), b"one")
    columns = ", ".join(Price._fields)
    with pytest.raises(IntegrityError, match="price_claims_do_not_overlap"), connect(url) as connection:
        connection.execute(
            text(
                f"insert into history.price (source, key_id, seen, digest, {columns}) select source, key_id, {seen}, digest, {columns} from history.price"
            )
        )


@pytest.mark.parametrize("amount", ["'NaN'", "'Infinity'", "-1", "0", "null"])
def test_the_database_itself_refuses_a_paid_amount_that_is_none(url: str, amount: str) -> None:
    load(url, instant(1), parsed({"a": 1}), b"one")
    with pytest.raises(IntegrityError, match="amount_fits_state"), connect(url) as connection:
        connection.execute(text(f"update history.price set amount = {amount}"))


def test_a_change_set_compared_with_an_older_ledger_is_not_merged(url: str) -> None:
    load(url, instant(1), parsed({"a": 1}), b"one")
    found = parsed({"a": 2})
    with connect(url) as connection:
        late = observations.record(connection, "src", instant(3), b"three", url="http://x", origin="recording")
        staged = stage(connection, compare(connection, late, found, broken_rows), found)
    load(url, instant(2), parsed({"a": 3}), b"two")
    before = ledger(url)
    with pytest.raises(LedgerMoved), connect(url) as connection:
        merge(connection, staged, never_fenced)
    assert ledger(url) == before


def test_two_things_said_of_one_key_go_to_quarantine_and_the_claim_that_held_goes_on(url: str) -> None:
    load(url, instant(1), parsed({"a": 1, "b": 1}), b"one")
    found = parsed({"a": 2, "b": 1})
    found.quote("host", "a", "input", 3, 1)
    load(url, instant(2), found, b"two")
    with connect(url) as connection:
        prices = connection.execute(text("select listed_id, amount, upper(seen) from history.price order by 1")).all()
        reasons = connection.execute(text("select listed_id, reason from ops.quarantine")).all()
    assert [tuple(row) for row in prices] == [("a", Decimal(1), None), ("b", Decimal(1), None)]
    assert [tuple(row) for row in reasons] == [("a", "the payload says two different things of one key")] * 2


def test_a_row_that_breaks_the_contract_goes_to_quarantine_with_its_text(url: str) -> None:
    found = parsed({"a": 1})
    found.prices.append(Price("host", "b", "no_such_meter", "standard", 0, "", "", "", "USD", None, "paid", Decimal(1), None))
    load(url, instant(1), found, b"one")
    with connect(url) as connection:
        reason, original = connection.execute(text("select reason, original from ops.quarantine")).one()
    assert "meter: 'no_such_meter' breaks isin" in reason
    assert '"meter":"no_such_meter"' in original


def test_a_broken_price_keeps_only_its_own_key_in_doubt(url: str) -> None:
    first = parsed({"a": 1})
    first.quote("host", "a", "output", 5, 1)
    load(url, instant(1), first, b"one")
    second = parsed({"a": 2})
    second.quote("host", "a", "output", "NaN", 1)
    load(url, instant(2), second, b"two")
    with connect(url) as connection:
        now = connection.execute(text("select meter, amount from history.price where upper(seen) is null order by 1")).all()
    assert [tuple(row) for row in now] == [("input", Decimal(2)), ("output", Decimal(5))]


def test_text_that_postgres_cannot_keep_is_quarantined_as_an_escape(url: str) -> None:
    found = parsed({"a": 1})
    found.rejects.append(Reject("listing", "host", "x\x00\ud800", "an id with control characters", "\x00\ud800"))
    load(url, instant(1), found, b"one")
    with connect(url) as connection:
        assert connection.execute(text("select listed_id, original from ops.quarantine")).one() == ("x\\x00\\ud800", "\\x00\\ud800")


@pytest.mark.parametrize(
    ("provider", "listed_id", "going_on"),
    [("host", None, "ab"), (None, "a", "a"), (None, None, "ab"), ("host", "a", "a"), ("other", None, ""), (None, "z", "")],
)
def test_what_a_broken_entry_may_have_been_goes_on_in_whatever_order_the_days_come(
    url: str, provider: str | None, listed_id: str | None, going_on: str
) -> None:
    broken = Parsed()
    broken.listings.append(Listing("other", "z"))
    broken.reject("listing", provider, listed_id, "the entry is no object", [])
    whole = parsed({"a": 1, "b": 2})
    for order in itertools.permutations((1, 2, 3)):
        with connect(url) as connection:
            connection.execute(text(EMPTY))
        for step in order:
            load(url, instant(step), broken if step == 2 else whole, str(step).encode())
        for model in ("a", "b"):
            seen = {row[3:5] for row in ledger(url) if row[1] == model and row[0] != "score"}
            assert seen == ({(instant(1), None)} if model in going_on else {(instant(1), instant(2)), (instant(3), None)})


def test_a_score_out_of_its_unit_is_quarantined_and_the_one_that_held_goes_on(url: str) -> None:
    good = Parsed(scores=[score("a", 50)])
    load(url, instant(0), good, b"0")
    load(url, instant(1), Parsed(scores=[score("a", 101), score("b", 7)]), b"1")
    with connect(url) as connection:
        held = connection.execute(
            text("select model, trim_scale(value)::text from history.score where upper(seen) is null order by 1")
        ).all()
        [(relation, entry, reason)] = connection.execute(text("select relation, listed_id, reason from ops.quarantine")).all()
    assert [tuple(row) for row in held] == [("a", "50"), ("b", "7")]
    assert (relation, entry) == ("score", "a")
    assert "values_are_numbers" in reason


def test_runs_that_cannot_be_compared_are_claims_of_their_own(url: str) -> None:
    one = score("a", 50)
    runs = [
        one,
        *(one._replace(**{name: "other"}) for name in ("version", "split", "metric", "harness", "effort", "variant", "runner", "run")),
    ]
    load(url, instant(0), Parsed(scores=runs), b"0")
    with connect(url) as connection:
        assert connection.execute(text("select count(*), count(distinct key_id) from history.score")).one() == (9, 9)
        assert connection.execute(text("select count(*) from ops.quarantine")).scalar() == 0


def test_a_mention_is_kept_word_for_word_after_its_feed_has_dropped_it(url: str) -> None:
    words = "<script>alert(1)</script> {{7*7}} '; DROP TABLE x; --"
    load(url, instant(0), Parsed(mentions=[Mention("feed", "1", "news", title=words, text=words)]), b"0")
    load(url, instant(1), Parsed(mentions=[Mention("feed", "2", "news", title="next")]), b"1")
    with connect(url) as connection:
        found = connection.execute(text("select item, title, text, upper(seen) from history.mention order by item")).all()
    assert [tuple(row) for row in found] == [("1", words, words, instant(1)), ("2", "next", None, None)]


def test_counters_are_those_of_the_newest_observation_in_whatever_order_they_come(url: str) -> None:
    def seen(downloads: int) -> Parsed:
        return Parsed(listings=[Listing("host", "a")], popularity=[Popularity("host", "a", downloads=downloads)])

    for step, downloads in ((1, 10), (0, 5), (2, 30)):
        load(url, instant(step), seen(downloads), b"%d" % step)
        with connect(url) as connection:
            kept = connection.execute(text("select observed_at, downloads from ops.popularity")).one()
        assert kept == ((instant(1), 10) if step < 2 else (instant(2), 30))
    with connect(url) as connection:
        assert connection.execute(text("select count(*) from history.listing")).scalar() == 1


def test_of_an_entry_that_is_listed_twice_the_higher_counters_are_kept_and_a_payload_without_counters_leaves_none(url: str) -> None:
    counted = [Popularity("host", "a", downloads=downloads, likes=1) for downloads in (3, None, 7, 5)]
    payloads = {
        1: Parsed(listings=[Listing("host", "a")], popularity=counted),
        2: Parsed(listings=[Listing("host", "b")]),
    }
    for order, left in (((1,), [(instant(1), 7)]), ((2,), []), ((1,), [])):
        for step in order:
            load(url, instant(step), payloads[step], b"%d" % step)
        with connect(url) as connection:
            assert connection.execute(text("select observed_at, downloads from ops.popularity")).all() == left
