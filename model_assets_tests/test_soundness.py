"""What must hold of the database: each claim is found broken when it is broken by hand, and nothing else is."""

import pytest
from sqlalchemy import text

from model_assets import soundness
from model_assets.database import connect
from model_assets.soundness import BOOKS, CLAIMS, unsound
from model_assets_tests.small_ledger import at, load, model, payload

OPEN_AGAIN = "alter table history.price drop constraint price_claims_do_not_overlap;"
ANY_AMOUNT = "alter table history.price drop constraint amount_fits_state;"
ANY_LISTING = "alter table history.listing drop constraint listing_claims_do_not_overlap;"
LAB = "where listed_id = 'lab/a' and meter = 'input'"
ANY_OBSERVATION = "alter table ops.observation drop constraint observation_source_observed_at_sha256_fkey;"
ANY_PAYLOAD = "alter table raw.payload drop constraint payload_sha256_fkey;"
ANY_RUN = "drop index ops.one_running_sync_per_source_and_day;"
IN_TWO = """
    update history.listing set seen = tstzrange(lower(seen), '2025-06-03 02:00+00') where listed_id = 'lab/b';
    create temporary table half as select * from history.listing where listed_id = 'lab/b';
    update half set seen = tstzrange(upper(seen), null);
    insert into history.listing select * from half"""

TWO_LINKS = """
    alter table history.link drop constraint link_claims_do_not_overlap;
    insert into history.link select 'openrouter', 'openrouter', 'lab/a', 1, '(,)', null, 'openrouter', '', '', '', '', '', '', '', 'openrouter:?lab/a',
        'unresolved', 0, '{}', '{}' from generate_series(1, 2)"""
TWO_SERVED = """
    insert into catalog.price_span (offer, meter, service_tier, prompt_above_tokens, currency, served_in)
    values ('openrouter:lab/a', 'input', 'standard', 0, 'USD', '[2025-06-01,)'), ('openrouter:lab/a', 'input', 'standard', 0, 'USD', '[2025-06-02,)')"""
HELD_CHANGE = """
    insert into ops.held_change
    select 'abc', source, key_id, digest, lower(seen), provider, listed_id, meter, service_tier, prompt_above_tokens, time_window, region, detail, currency,
        effective_from, 'held', 'paid', 1, state, amount, '["odd"]', '{}', tstzrange(lower(seen), null), 'open'
    from history.price where listed_id = 'lab/a' and meter = 'input' and upper(seen) is null;"""

NOT_OVERLAPPING, STARTED, ENDED, JOINED = CLAIMS
PRICED, LINKED, SERVED, HELD, KEPT, ONE_RUNS, NOT_IDLE = BOOKS

#: how to break it, what is broken, what the example must say
BROKEN = {
    "a price twice": (f"{OPEN_AGAIN} insert into history.price select * from history.price {LAB} and upper(seen) is null", NOT_OVERLAPPING, "lab/a"),
    "a listing twice": (f"{ANY_LISTING} insert into history.listing select * from history.listing where listed_id = 'lab/b'", NOT_OVERLAPPING, "lab/b"),
    "it starts when nothing was seen": (
        f"update history.price set seen = tstzrange('2025-06-02 03:00+00', null) {LAB} and upper(seen) is null",
        STARTED, "history.price: openrouter openrouter/lab/a at 2025-06-02 03",
    ),
    "it starts with what was refused": (
        "update ops.observation set verdict = 'refused' where observed_at = '2025-06-01 02:00+00'", STARTED, "at 2025-06-01 02",
    ),
    "it starts with another source": (
        f"{ANY_OBSERVATION} update ops.observation set source = 'litellm' where observed_at = '2025-06-02 02:00+00'",
        STARTED, "lab/a at 2025-06-02 02",
    ),
    "it ends when nothing was seen": (
        f"update history.price set seen = tstzrange(lower(seen), '2025-06-01 03:00+00') {LAB} and upper(seen) is not null", ENDED, "lab/a at 2025-06-01 03",
    ),
    "a claim in two": (IN_TWO, JOINED, "lab/b at 2025-06-03 02"),
    "a free price with an amount": (f"{ANY_AMOUNT} update history.price set state = 'free' {LAB}", PRICED, "lab/a 1"),
    "an unknown price of 0": (f"{ANY_AMOUNT} update history.price set state = 'unknown', amount = 0 {LAB}", PRICED, "lab/a 0"),
    "a dynamic price of -1": (f"{ANY_AMOUNT} update history.price set state = 'dynamic', amount = -1 {LAB}", PRICED, "lab/a -1"),
    "a paid price of 0": (f"{ANY_AMOUNT} update history.price set amount = 0 {LAB}", PRICED, "lab/a 0"),
    "a negative price": (f"{ANY_AMOUNT} update history.price set amount = -2 {LAB}", PRICED, "lab/a -2"),
    "a price without end": (f"{ANY_AMOUNT} update history.price set amount = 'Infinity' {LAB}", PRICED, "lab/a Infinity"),
    "a price that is no number": (f"{ANY_AMOUNT} update history.price set amount = 'NaN' {LAB}", PRICED, "lab/a NaN"),
    "a paid price without amount": (f"{ANY_AMOUNT} update history.price set amount = null {LAB}", PRICED, "lab/a "),
    "a free price without amount": (f"{ANY_AMOUNT} update history.price set state = 'free', amount = null {LAB}", PRICED, "lab/a "),
    "a listing linked twice": (TWO_LINKS, LINKED, "openrouter openrouter/lab/a"),
    "an offer served at two prices": (TWO_SERVED, SERVED, "openrouter:lab/a input"),
    "a held change of another amount": (f"{HELD_CHANGE} update ops.held_change set to_amount = 7", HELD, "openrouter/lab/a abc"),
    "a held change of another state": (f"{HELD_CHANGE} update ops.held_change set to_state = 'unknown'", HELD, "openrouter/lab/a abc"),
    "a held change that nobody made": (f"{HELD_CHANGE} update ops.held_change set key_id = 5", HELD, "openrouter/lab/a abc"),
    "a held change of another instant": (f"{HELD_CHANGE} update ops.held_change set changed_at = '2025-06-03 02:00+00'", HELD, "openrouter/lab/a abc"),
    "a price held as gone that is there": (f"{HELD_CHANGE} update ops.held_change set to_state = 'gone', changed_at = '2025-06-03 02:00+00'", HELD, "abc"),
    "no payload": (
        f"{ANY_OBSERVATION} delete from raw.payload where observed_at = '2025-06-01 02:00+00'", KEPT, "openrouter 2025-06-01 02:00:00+00",
    ),
    "no body": (
        f"{ANY_PAYLOAD} delete from raw.body where sha256 = (select sha256 from raw.payload where observed_at = '2025-06-02 02:00+00')",
        KEPT, "openrouter 2025-06-02 02:00:00+00",
    ),
    "two runs at once": (
        f"{ANY_RUN} insert into ops.sync_run (source, day, started_by) values ('litellm', '2025-06-01', 'a'), ('litellm', '2025-06-01', 'b')",
        ONE_RUNS, "litellm 2025-06-01",
    ),
}  # fmt: skip
#: what cannot be broken alone
BROKEN_TOO = {"it starts with another source": {ENDED, KEPT}}


def found(url: str) -> dict[str, list[str]]:
    """The claims that are broken, with examples."""
    with connect(url) as connection:
        said = unsound(connection)
    assert list(said) == [*CLAIMS, *BOOKS]
    return {claim: examples for claim, examples in said.items() if examples}


@pytest.fixture
def ledger(url: str) -> str:
    """Three days, the last of which is the second seen again."""
    load(url, at(0), payload(model("lab/a"), model("lab/b"), others=3))
    for step in (1, 2):
        load(url, at(step), payload(model("lab/a", "0.000003"), model("lab/b"), others=3))
    assert found(url) == {}
    return url


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_broken_by_hand_is_found_and_nothing_else(ledger: str, how: str) -> None:
    statements, claim, example = BROKEN[how]
    with connect(ledger) as connection:
        connection.exec_driver_sql(statements)
    said = found(ledger)
    assert set(said) == {claim} | BROKEN_TOO.get(how, set())
    assert any(example in one for one in said[claim])
    assert len(said[claim]) <= 10


def test_a_session_that_idles_in_a_transaction_is_found_once_it_has_done_so_for_long(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(ledger) as idle:
        idle.execute(text("select 1"))
        assert found(ledger) == {}
        monkeypatch.setitem(soundness.BOOKS, NOT_IDLE, BOOKS[NOT_IDLE].replace("1 minute", "0 seconds"))
        assert [example.endswith("(model-assets)") for example in found(ledger)[NOT_IDLE]] == [True]
    assert found(ledger) == {}


def test_every_claim_is_broken_by_a_test() -> None:
    assert {claim for _, claim, _ in BROKEN.values()} | {NOT_IDLE} == {*CLAIMS, *BOOKS}


def test_a_change_that_is_held_as_the_ledger_has_it_is_sound(ledger: str) -> None:
    with connect(ledger) as connection:
        connection.exec_driver_sql(HELD_CHANGE)
    assert found(ledger) == {}
