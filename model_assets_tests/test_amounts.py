"""Amounts that are none, unknown or exact, from the payload to what is answered (U13)."""

import json
from decimal import Decimal

import pytest

from model_assets import answers
from model_assets.access.policy import load_policy, store_policy
from model_assets.database import connect
from model_assets_tests.small_ledger import assert_sound, at, genai_payload, load, model, payload, prices, select

NO_AMOUNTS = ["-0.5", "NaN", "Infinity", "-Infinity", "1e30", "1e-400", "-1e-400", "1e-5000", "free", "", "0x10", "1,5", "9" * 40]
GENAI_AMOUNTS = [-1, -0.5, Decimal("1e30"), Decimal("1e-400"), "free", "", True, [], 10**25]


def assert_no_bad_price(url: str) -> None:
    bad = "select listed_id, meter, state, amount from history.price where not (coalesce(amount, 0) >= 0 and coalesce(amount, 0) < 'Infinity')"
    assert select(url, bad) == []
    assert select(url, "select listed_id, state, amount from history.price where (amount = 0) <> (state = 'free')") == []
    assert (
        select(url, "select listed_id, state from history.price where (amount is null) <> (state in ('unknown', 'dynamic', 'included'))")
        == []
    )
    assert_sound(url)


@pytest.mark.parametrize("before", [False, True], ids=["new", "known before"])
def test_an_amount_that_is_none_never_gets_into_the_ledger_and_ends_no_price(url: str, before: bool) -> None:
    ids = {f"lab/{number}": found for number, found in enumerate(NO_AMOUNTS)}
    if before:
        load(url, at(0), payload(*(model(one, "0.000005") for one in ids), others=120))
    load(url, at(1), payload(*(model(one, found) for one, found in ids.items()), others=120))
    assert_no_bad_price(url)
    assert [prices(url, one) for one in ids] == [[("paid", "5", 0, None)] if before else []] * len(ids)
    assert [prices(url, one, "output") for one in ids] == [[("paid", "2", 0 if before else 1, None)]] * len(ids)
    doubts = dict(select(url, "select listed_id, original from ops.quarantine where reason like 'price of input: %'"))
    assert {one: json.loads(original)["found"] for one, original in doubts.items()} == ids


@pytest.mark.parametrize("before", [False, True], ids=["new", "known before"])
def test_a_number_that_is_no_price_is_not_one_in_a_source_without_sentinels_either(url: str, before: bool) -> None:
    ids = {f"m{number}": found for number, found in enumerate(GENAI_AMOUNTS)}
    if before:
        load(url, at(0), genai_payload({one: {"input_mtok": 5, "output_mtok": 2} for one in ids}, others=90), "genai_prices")
    body = genai_payload({one: {"input_mtok": f"<{one}>", "output_mtok": 2} for one in ids}, others=90)
    for one, found in ids.items():
        written = f"{found:e}" if isinstance(found, Decimal) else json.dumps(found)
        body = body.replace(f'"<{one}>"'.encode(), written.encode())
    load(url, at(1), body, "genai_prices")
    assert_no_bad_price(url)
    assert [prices(url, one) for one in ids] == [[("paid", "5", 0, None)] if before else []] * len(ids)
    assert select(url, "select distinct listed_id from ops.quarantine order by 1") == sorted(ids)


def test_minus_one_is_dynamic_a_missing_price_unknown_and_neither_is_ever_free(url: str) -> None:
    load(
        url,
        at(0),
        payload(model("lab/free", "0", "0"), model("lab/auto", "-1", "-1"), model("lab/half", "0", "-1"), model("lab/gone", "0")),
    )
    load(url, at(0), genai_payload({"unsaid": {}, "zero": {"input_mtok": 0, "output_mtok": 0}}), "genai_prices")
    missing = model("lab/gone")
    del missing["pricing"]["completion"]
    load(url, at(1), payload(model("lab/free", "0", "0"), model("lab/auto", "-1", "-1"), model("lab/half", "0", "-1"), missing))
    with connect(url) as connection:
        store_policy(connection, load_policy())
    assert prices(url, "lab/auto") == [("dynamic", None, 0, None)]
    assert prices(url, "unsaid") == [("unknown", None, 0, None)]
    assert prices(url, "lab/gone", "output") == [("paid", "2", 0, None)], "a required price that is missing is in doubt, not 0"
    assert_no_bad_price(url)
    assert select(url, "select listed_id from access.free_models order by 1") == ["lab/free", "zero"]
    held = "select state, amount from catalog.price_claim where listed_id in ('lab/auto', 'unsaid') group by 1, 2 order by 1"
    assert select(url, held) == [("dynamic", None), ("unknown", None)]


@pytest.mark.parametrize(
    ("quoted", "per_million"),
    [
        ("0.0000000375", "0.0375"),
        ("3.75e-8", "0.0375"),
        ("0.00000008333333333333334", "0.0833333333333333"),
        ("0.0000003000", "0.3"),
        ("25", "25000000"),
    ],
)
def test_an_exact_price_survives_as_text_everywhere(url: str, quoted: str, per_million: str) -> None:
    load(url, at(0), payload(model("lab/cheap", quoted)))
    where = "where listed_id = 'lab/cheap' and meter = 'input'"
    for relation in ("history.price", "catalog.price_claim"):
        assert select(url, f"select cast(amount as text) from {relation} {where}") == [per_million]
    with connect(url) as connection:
        found = json.dumps(answers.claims(connection, "lab/cheap", None, None, None, None))
    assert f'"amount": "{per_million}"' in found
