from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_assets.cost.book import Served, Unpriced
from model_assets.cost.evaluate import evaluate
from model_assets.cost.log import normalise
from model_assets.cost.priced import Priced
from model_assets.cost.replay import AS_LOGGED, Replay, WhatIf, replay, side_by_side
from model_assets.cost.table import PriceRow
from model_assets.cost.totals import Totals
from model_assets.cost.usage import usage
from model_assets.errors import ModelAssetsError

NOON = datetime(2026, 8, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def row(meter: str, amount: str | None, **conditions: Any) -> PriceRow:
    exact = None if amount is None else Decimal(amount)
    return PriceRow(meter, exact, **({"state": "unknown" if exact is None else "paid" if exact else "free"} | conditions))


class Book(dict[tuple[str, str | None], list[Served]]):
    """A price book of a few offers, that counts how often each was asked for."""

    def __init__(self, offers: dict[Any, list[Served]]) -> None:
        super().__init__({(key, None) if isinstance(key, str) else key: served for key, served in offers.items()})
        self.asked: list[tuple[str, str | None]] = []

    def spans(self, model: str, provider: str | None) -> list[Served] | Unpriced:
        self.asked.append((model, provider))
        return self.get((model, provider), Unpriced("the id is not known"))


BOOK = Book({
    "small": [Served(row("input", "1")), Served(row("output", "4"))],
    "large": [
        Served(row("input", "3"), until=NOON),
        Served(row("input", "2"), since=NOON),
        Served(row("output", "15")),
        Served(row("input", "6", prompt_above_tokens=200_000)),
        Served(row("input", "1.5", service_tier="batch")),
        Served(row("output", "7.5", service_tier="batch")),
    ],
    ("large", "reseller"): [Served(row("input", "4", held=True)), Served(row("output", "16", disputed=True))],
    "gone": [Served(row("input", "1"), NOON - 2 * DAY, NOON - DAY)],
    "timed": [Served(row("input", "2")), Served(row("input", "1", time_window="16:30-00:30 UTC"))],
    "silent": [Served(row("input", None, source="models_dev")), Served(row("output", "1"))],
})  # fmt: skip


def log(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([{"time": NOON, "input": 0, "output": 0} | found for found in rows])


def price(*rows: dict[str, Any], what_if: WhatIf = AS_LOGGED) -> Priced:
    return Replay(BOOK, what_if).price(normalise(log(*rows)))


def costs(*rows: dict[str, Any], what_if: WhatIf = AS_LOGGED) -> list[Decimal | None]:
    found = price(*rows, what_if=what_if)
    return [found.cost(number) for number in range(len(rows))]


def test_each_call_has_the_price_that_held_at_its_time():
    call = {"model": "large", "input": 1_000_000 // 10}
    assert costs(call | {"time": NOON - timedelta(microseconds=1)}, call) == [Decimal("0.3"), Decimal("0.2")]


def test_a_call_above_a_bound_is_repriced_whole():
    assert costs({"model": "large", "input": 200_000}, {"model": "large", "input": 200_001}) == [Decimal("0.4"), Decimal("1.200006")]


def test_a_call_has_the_price_of_its_hour():
    calls = [{"model": "timed", "input": 1_000_000, "time": NOON.replace(hour=hour)} for hour in (0, 12, 17)]
    assert costs(*calls) == [1, 2, 1]


def test_a_call_has_the_price_of_its_provider_and_tier():
    call = {"model": "large", "input": 100_000, "output": 1_000}
    found = costs(call, call | {"provider": "reseller"}, call | {"service_tier": "batch"}, call | {"provider": "nobody"})
    assert found == [Decimal("0.215"), Decimal("0.416"), Decimal("0.1575"), None]


def test_what_has_no_price_is_named_and_summed_apart():
    found = replay(
        [
            log(
                {"model": "small", "input": 1_000_000},
                {"model": "unheard", "input": 5},
                {"model": "unheard", "input": 6},
                {"model": "gone", "input": 7},
                {"model": "silent", "input": 8},
                {"model": "small", "input": 9, "service_tier": "priority"},
                {"model": "small", "time": "never", "input": 10},
            )
        ],
        BOOK,
    )
    assert {reason: (one.rows, one.tokens) for reason, one in found.reasons.items()} == {
        "the id is not known": (2, 11),
        "it had no price at that time": (1, 7),
        "input: its price is not stated by models_dev (the list price)": (1, 8),
        "input: it has no priority price; another tier's does not stand in for it": (1, 9),
        "its time cannot be read": (1, 0),
    }
    assert (found.rows, found.rows_priced, found.rows_unpriced) == (7, 1, 6)
    assert found.amounts == {"USD": 1}
    assert found.unpriced["the id is not known", "unheard", ""].rows == 2


def test_a_row_that_is_priced_in_part_is_summed_apart_with_what_it_lacks():
    found = replay([log({"model": "small", "input": 1_000, "cache_read": 50}, {"model": "small", "input": 1_000})], BOOK)
    assert found.plain["USD"].amount == Decimal("0.001")
    assert {flag: (one.rows, one.amount) for (flag, _), one in found.flagged.items()} == {"partial": (1, Decimal("0.001"))}
    assert [(key, one.rows, one.tokens) for key, one in found.missing.items()] == [
        (("small", "", "cache_read", "no price is known"), 1, 50)
    ]


def test_held_and_disputed_prices_are_summed_apart():
    call = {"model": "large", "provider": "reseller"}
    found = replay([log(call | {"input": 1_000_000}, call | {"output": 1_000_000}, call | {"input": 1_000_000, "output": 1_000_000})], BOOK)
    assert found.plain == {}
    assert {flag: (one.rows, one.amount) for (flag, _), one in found.flagged.items()} == {"disputed": (2, 36), "held": (2, 24)}
    assert found.amounts == {"USD": 40}


def test_totals_are_by_model_provider_and_day():
    call = {"input": 1_000_000}
    found = replay(
        [
            log({"model": "small", **call}, {"model": "small", **call}, {"model": "large", "provider": "reseller", **call}),
            log({"model": "small", "time": NOON + DAY, **call}),
        ],
        BOOK,
    )
    assert found.frame("model", "provider").values.tolist() == [
        ["large", "reseller", "USD", 1, 1_000_000, 4],
        ["small", "", "USD", 3, 3_000_000, 3],
    ]
    assert found.frame("day").values.tolist() == [["2026-08-22", "USD", 3, 3_000_000, 6], ["2026-08-23", "USD", 1, 1_000_000, 1]]


def test_an_offer_is_looked_up_once_however_many_rows_and_chunks():
    book = Book(dict(BOOK))
    replay([log(*[{"model": "small", "input": 1}] * 50)] * 3, book)
    assert book.asked == [("small", None)]


def test_reasoning_with_a_price_of_its_own_is_not_charged_as_output():
    book = Book({"thinker": [Served(row("output", "4")), Served(row("reasoning", "10"))]})
    priced = Replay(book).price(normalise(log({"model": "thinker", "output": 1_000_000, "reasoning": 900_000})))
    assert priced.cost(0) == Decimal("9.4")  # 0.1 M at 4, 0.9 M at 10


def test_another_model_provider_or_tier_is_priced_for_the_same_counts():
    call = {"model": "large", "provider": "reseller", "input": 100_000, "output": 1_000}
    assert costs(call, what_if=WhatIf(model="small")) == [Decimal("0.104")]
    assert costs(call | {"provider": None}, what_if=WhatIf(provider="reseller")) == [Decimal("0.416")]
    assert costs(call | {"provider": None}, what_if=WhatIf(service_tier="batch")) == [Decimal("0.1575")]


def test_only_rows_with_a_whole_price_on_both_sides_are_compared():
    rows = log(
        {"model": "large", "input": 100_000},
        {"model": "unheard", "input": 100_000},
        {"model": "large", "input": 100_000, "service_tier": "batch"},
    )
    found = side_by_side([rows], BOOK, WhatIf(model="small"))
    assert (found.logged.amounts, found.what_if.amounts) == ({"USD": Decimal("0.35")}, {"USD": Decimal("0.2")})
    assert (found.both_logged.rows, found.both_logged.amounts, found.both_what_if.amounts) == (
        1,
        {"USD": Decimal("0.2")},
        {"USD": Decimal("0.1")},
    )


def test_totals_are_exact_where_binary_floats_are_not():
    book = Book({"tenth": [Served(row("input", "0.1"))], "noisy": [Served(row("input", "0.0833333333333333"))]})
    calls = [{"model": "tenth", "input": 3}] * 1_000 + [{"model": "noisy", "input": 999_999_999_999}] * 3
    found = replay([log(*calls)], book)
    assert found.amounts["USD"] == Decimal("0.0003") + 3 * 999_999_999_999 * Decimal("0.0000000833333333333333")
    assert found.amounts["USD"] == found.days[next(iter(found.days))].amount


def test_an_offer_in_several_currencies_has_no_single_price():
    book = Book({"mixed": [Served(row("input", "1")), Served(row("output", "1", currency="DBU"))]})
    assert list(replay([log({"model": "mixed", "input": 1, "output": 1})], book).reasons) == [
        "its meters are priced in several currencies (DBU, USD)"
    ]


def test_a_log_without_rows_costs_nothing():
    assert replay([log({"model": "small"}).iloc[:0]], BOOK) == Totals()


METERS = ["input", "output", "cache_read", "cache_write_5m", "reasoning", "request", "web_search", "video_second", "second"]
AMOUNTS = st.one_of(
    st.none(), st.decimals("0", "1000", places=6, allow_nan=False), st.sampled_from([Decimal("0.0833333333333333"), Decimal(0)])
)


@st.composite
def price_rows(draw: st.DrawFn) -> list[PriceRow]:
    """A price list: no two rows of one meter and condition."""
    found = {}
    for _ in range(draw(st.integers(1, 14))):
        conditions = (
            draw(st.sampled_from(METERS)),
            draw(st.sampled_from(["standard", "standard", "batch"])),
            draw(st.sampled_from([0, 0, 1_000, 5_000])),
            draw(
                st.sampled_from(
                    ["", "", "16:30-00:30 UTC", "09:00-17:00 Europe/Berlin on mon,tue,sat Europe/Berlin", "01:00-02:00 No/Where"]
                )
            ),
            draw(st.sampled_from(["", "", "eu"])),
            draw(st.sampled_from(["", "", "", "large"])),
        )
        meter, tier, above, window, region, detail = conditions
        amount = draw(AMOUNTS)
        state = draw(st.sampled_from(["unknown", "dynamic", "included"])) if amount is None else "paid" if amount else "free"
        flags = {name: draw(st.booleans()) for name in ("held", "disputed", "unconfirmed")}
        found[conditions] = PriceRow(meter, amount, state, "USD", tier, above, window, region, detail, **flags)
    return list(found.values())


@given(
    rows=price_rows(),
    counts=st.dictionaries(st.sampled_from([*METERS, "seconds", "cache_write_1h"]), st.integers(0, 9_000), min_size=1),
    at=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),
    tier=st.sampled_from(["standard", "default", "batch", "flex"]),
    region=st.sampled_from(["", "eu", "mars"]),
    size=st.sampled_from([1, 10**9]),
)
@settings(max_examples=400, deadline=None)
def test_replay_of_a_row_says_what_evaluate_says(
    rows: list[PriceRow], counts: dict[str, int], at: datetime, tier: str, region: str, size: int
):
    if "reasoning" in counts:
        counts["output"] = counts.get("output", 0) + counts["reasoning"]
    counts = {meter: count * size for meter, count in counts.items()}
    frame = pd.DataFrame([{"time": at, "model": "m", "service_tier": tier, "region": region} | counts])
    priced = Replay(Book({"m": [Served(one) for one in rows]})).price(normalise(frame))
    try:
        answer = evaluate(rows, usage(counts), at, tier, region)
    except ModelAssetsError:
        assert priced.frame()["reason"][0] == "it counts nothing"
        return
    if not answer.totals:
        assert priced.cost(0) is None
        assert priced.frame()["reason"][0] in {f"{line.meter}: {line.why}" for line in answer.missing}
    else:
        assert priced.cost(0) == answer.totals["USD"]
        assert priced.frame()["flags"][0] == ", ".join(answer.flags)
        assert {(one.meter, one.why) for one in priced.missing} == {(line.meter, line.why) for line in answer.missing}


@given(
    calls=st.lists(
        st.tuples(
            st.sampled_from(["small", "large", "timed", "gone", "silent", "unheard"]),
            st.integers(-3 * 86_400, 3 * 86_400),
            st.integers(0, 300_000),
            st.integers(0, 10_000),
            st.sampled_from(["standard", "batch"]),
        ),
        max_size=40,
    ),
    chunk=st.integers(1, 40),
)
@settings(max_examples=60, deadline=None)
def test_totals_are_the_sums_of_the_rows_whatever_the_chunks(calls: list[tuple[str, int, int, int, str]], chunk: int):
    rows = [
        {"model": model, "time": NOON + timedelta(seconds=seconds), "input": read, "output": written, "service_tier": tier}
        for model, seconds, read, written, tier in calls
    ]
    totals = replay((log(*rows[start : start + chunk]) for start in range(0, len(rows), chunk)), BOOK)
    found = [cost for row in rows for cost in costs(row)]
    assert sum(totals.amounts.values()) == sum(cost for cost in found if cost is not None)
    assert totals.rows_unpriced == sum(cost is None for cost in found)
    assert totals.rows == len(rows)


def test_the_frame_of_priced_rows_has_exact_costs_and_reasons():
    found = price({"model": "small", "input": 1}, {"model": "unheard", "input": 1}).frame()
    assert found.values.tolist() == [[Decimal("0.000001"), "USD", "", ""], [None, "", "", "the id is not known"]]


@pytest.mark.parametrize("columns", [["output", "input", "model", "time"], ["model", "time", "output", "input"]])
def test_the_order_of_columns_does_not_matter(columns: list[str]):
    frame = log({"model": "small", "input": 1_000, "output": 1_000})[columns]
    assert replay([frame], BOOK).amounts == {"USD": Decimal("0.005")}
