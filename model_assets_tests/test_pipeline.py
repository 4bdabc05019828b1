"""The way of a payload: recorded, judged, compared, merged; against a real Postgres, with small payloads in the sources' own shape."""

import json
import random
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from model_assets import answers, attempts, loading, pipeline
from model_assets.access.policy import load_policy, store_policy
from model_assets.attempts import attempt
from model_assets.database import connect
from model_assets.errors import BadPayload, ModelAssetsError, NothingRecorded, PayloadRefused
from model_assets.ledger import observations
from model_assets.ledger.observations import Judged, Observation
from model_assets.pipeline import Audit
from model_assets.recording_files import Recording
from model_assets.soundness import unsound
from model_assets.sources import SOURCES

START = datetime(2025, 6, 1, 2, tzinfo=UTC)
OPENROUTER, GENAI = SOURCES["openrouter"], SOURCES["genai_prices"]
Model = dict[str, Any]
LEDGER = (
    "history.listing, history.price, ops.source, ops.observation, ops.quarantine, ops.sync_run, raw.payload, raw.body, staged.change_set"
)


def at(step: float) -> datetime:
    """An instant, a day after the other."""
    return START + timedelta(days=step)


def model(listed_id: str, prompt: object = "0.000001", completion: object = "0.000002", **more: object) -> Model:
    """One model as OpenRouter lists it."""
    return {"id": listed_id, "name": listed_id.upper(), "pricing": {"prompt": prompt, "completion": completion}, **more}


def crowd(count: int = 40) -> list[Model]:
    """Models that never change, so that a few broken ones among them are few."""
    return [model(f"crowd/{number:03}") for number in range(count)]


def payload(*models: Model, others: int = 40) -> bytes:
    """OpenRouter's list of the given models among a crowd."""
    return json.dumps({"data": [*models, *crowd(others)]}).encode()


def genai_payload(prices: dict[str, object], others: int = 40) -> bytes:
    """genai-prices' list: models of the given price lists among a crowd. Amounts are written as they stand, so `-1` and `1e30` work."""
    models = [{"id": f"crowd-{number:03}", "prices": {"input_mtok": 1, "output_mtok": 2}} for number in range(others)]
    return json.dumps([{"id": "host", "models": [*models, *({"id": key, "prices": found} for key, found in prices.items())]}]).encode()


def record(url: str, when: datetime, body: bytes, source: str = "openrouter") -> Observation:
    with connect(url) as connection:
        return observations.record(connection, source, when, body, url=SOURCES[source].url, origin="recording")


def load(url: str, when: datetime, body: bytes, source: str = "openrouter") -> Audit:
    """Record and load one payload, in an attempt of its own."""
    observation = record(url, when, body, source)
    with attempt(url, source, when.date(), "a test") as running:
        return pipeline.load(url, SOURCES[source], observation, running)


def unfenced(connection: Connection) -> None:
    """A fence for merges without an attempt."""


def select(url: str, query: str, **values: object) -> list[Any]:
    """The rows of a query; where it has one column, its values."""
    with connect(url) as connection:
        rows = [tuple(row) for row in connection.execute(text(query), values)]
    return [row[0] if len(row) == 1 else row for row in rows]


def dump(url: str) -> list[str]:
    """All claims, every column as text, in order."""
    return [
        row
        for name in ("listing", "price")
        for row in select(url, f"select '{name} ' || cast(h as text) from history.{name} h order by source, key_id, lower(seen)")
    ]


def row_versions(url: str) -> dict[str, list[Any]]:
    """Which transaction wrote each row, and where it lies: equal only where no row was written."""
    return {name: select(url, f"select xmin, ctid from {name} order by 2") for name in LEDGER.split(", ") if name != "ops.sync_run"}


def reset(url: str) -> None:
    """An empty ledger again."""
    with connect(url) as connection:
        connection.execute(text(f"truncate {LEDGER} cascade"))


def assert_sound(url: str) -> None:
    with connect(url) as connection:
        broken = {claim: examples for claim, examples in unsound(connection).items() if examples}
    assert broken == {}


def prices(url: str, listed_id: str, meter: str = "input") -> list[tuple[object, ...]]:
    """(state, amount, since, until) of a price's claims; instants as steps."""
    found = select(
        url,
        "select state, cast(amount as text), lower(seen), upper(seen) from history.price where listed_id = :id and meter = :meter order by 3",
        id=listed_id, meter=meter,
    )  # fmt: skip
    return [(state, amount, *(instant and (instant - START) / timedelta(days=1) for instant in span)) for state, amount, *span in found]


# --- seen again, loaded again, replaced ---


def test_an_equal_payload_is_seen_again_and_kept_once_and_writes_no_claim(url: str) -> None:
    assert load(url, at(0), payload(model("lab/a"))).outcome == "changes"
    before = row_versions(url)
    assert load(url, at(1), payload(model("lab/a"))).outcome == "seen again"
    after = row_versions(url)
    assert [after[name] == before[name] for name in ("history.listing", "history.price", "raw.body")] == [True] * 3
    assert select(url, "select observed_at from raw.payload order by 1") == [at(0), at(1)]
    assert select(url, "select verdict, listings, prices from ops.observation") == [("accepted", 41, 82)] * 2
    assert_sound(url)


def test_what_was_seen_again_repeats_what_it_doubts(url: str) -> None:
    load(url, at(0), payload(model("lab/a")))
    for step in (1, 2):
        load(url, at(step), payload(model("lab/a", prompt="free")))
    reasons = select(url, "select observed_at, listed_id, reason from ops.quarantine order by 1")
    assert [row[0] for row in reasons] == [at(1), at(2)]
    assert reasons[0][1:] == reasons[1][1:]
    load(url, at(0.5), payload(model("lab/a", prompt="0.000003")))
    assert prices(url, "lab/a") == [("paid", "1", 0, 0.5), ("paid", "3", 0.5, None)]


def test_an_equal_body_in_other_bytes_writes_no_claim(url: str) -> None:
    body = payload(model("lab/a"))
    load(url, at(0), body)
    before = row_versions(url)
    assert load(url, at(1), json.dumps(json.loads(body), indent=2).encode()).outcome == "nothing changed"
    after = row_versions(url)
    assert [after[name] == before[name] for name in ("history.listing", "history.price")] == [True] * 2


@pytest.mark.parametrize("times", [1, 3])
def test_loading_an_observation_again_writes_no_row(url: str, times: int) -> None:
    days = {step: payload(model("lab/a", prompt=f"0.00000{step + 1}")) for step in range(3)}
    for step, body in days.items():
        load(url, at(step), body)
    before = row_versions(url)
    for _ in range(times):
        assert [load(url, at(step), body).outcome for step, body in days.items()] == ["merged before"] * 3
    assert row_versions(url) == before


def test_a_corrected_payload_of_the_same_instant_replaces_the_first(url: str) -> None:
    right = payload(model("lab/a", prompt="0.000007"))
    for step, body in ((0, payload(model("lab/a"))), (1, right), (2, payload())):
        load(url, at(step), body)
    wanted = dump(url)
    reset(url)
    for step, body in ((0, payload(model("lab/a"))), (1, payload(model("lab/b"))), (2, payload()), (1, right)):
        load(url, at(step), body)
    assert dump(url) == wanted
    assert select(url, "select verdict from ops.observation where observed_at = :at order by 1", at=at(1)) == ["accepted", "replaced"]
    assert_sound(url)


def test_a_correction_to_what_was_seen_the_day_before_counts_although_it_is_nothing_new(url: str) -> None:
    first, wrong = payload(model("lab/a")), payload(model("lab/a", prompt="9"))
    for step, body in ((0, first), (1, wrong), (2, first), (1, first)):
        load(url, at(step), body)
    assert prices(url, "lab/a") == [("paid", "1", 0, None)]
    assert_sound(url)


@pytest.mark.parametrize(("minutes", "taken"), [(-60, True), (4, True), (6, False), (60 * 24, False)])
def test_an_observation_ahead_of_the_clock_by_over_five_minutes_is_refused(url: str, tmp_path: Path, minutes: int, taken: bool) -> None:
    when = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=minutes)
    path = tmp_path / "file.json.gz"
    path.write_bytes(pipeline.observations.gzip.compress(payload()))
    [report] = loading.import_recordings(url, [Recording("openrouter", when, path)], lambda _: None)
    assert select(url, "select observed_at from raw.payload") == ([when] if taken else [])
    if taken:
        assert report.errors == []
    else:
        assert f"{path} was not loaded" in report.errors[0]
        assert "ahead of the database's clock" in report.errors[0]
        assert select(url, "select count(*) from raw.body") == [0]


def test_an_instant_without_a_zone_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        record(url, datetime(2025, 6, 1), payload())


def test_a_day_with_neither_payload_nor_recording_is_named_with_what_to_do(url: str, tmp_path: Path) -> None:
    with pytest.raises(
        NothingRecorded, match=r"openrouter serves only today; 2025-06-01 was asked for.*/openrouter/2025-06-01T0200Z\.json\.gz"
    ):
        pipeline.record_day(url, OPENROUTER, date(2025, 6, 1), [tmp_path])


# --- refused, and accepted after all ---

REFUSED = {
    "shrunk": (payload(others=30), "the payload lists 30 models, 25% fewer than the 40"),
    "broken": (payload(*[model(f"lab/{number}", "n/a", "n/a") for number in range(5)]), "10 of 135 rows break the contract"),
    "no ids": (json.dumps({"data": [*crowd(), {}, {}, {}]}).encode(), "3 of 43 entries break the contract"),
    "no list": (b'{"data": []}', "lists no model"),
    "error": (b'{"error": {"code": 503, "message": "no"}}', "`data` of OpenRouter's list of models should be a JSON array and is null"),
    "array": (b"[]", "should be a JSON object and is an array"),
    "null": (b"null", "should be a JSON object and is null"),
    "page": (b"<!DOCTYPE html><title>Sign in</title>", "not JSON: looks like an HTML page"),
    "cut": (payload()[:-20], "the document ends too early"),
    "nan": (payload(model("lab/a", prompt=float("nan"))), "NaN is not a number in JSON"),
    "empty": (b"", "the body is empty"),
}
READABLE = ("shrunk", "broken", "no ids")


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refused_payload_leaves_the_ledger_and_stays_in_raw_with_its_reasons(url: str, kind: str) -> None:
    body, reason = REFUSED[kind]
    load(url, at(0), payload())
    before = dump(url), select(url, "select ledger_version from ops.source")
    for _ in range(2):
        with pytest.raises(PayloadRefused) as refused:
            load(url, at(1), body)
    assert reason in str(refused.value)
    assert str(refused.value).endswith(
        "model-assets accept openrouter 2025-06-02T02:00Z" if kind in READABLE else "so there is nothing to accept; load a whole one."
    )
    assert (dump(url), select(url, "select ledger_version from ops.source")) == before
    assert select(url, "select count(*) from staged.change_set") == [0]
    [(verdict, by, reasons, digest)] = select(
        url, "select verdict, decided_by, reasons, sha256 from ops.observation where observed_at = :at", at=at(1)
    )
    assert (verdict, by) == ("refused", "gate")
    assert reason in reasons[0]
    assert len(reasons) <= 20
    with connect(url) as connection:
        assert observations.body_of(connection, digest) == body
    [(status, error, message, what_to_do)] = select(
        url, "select status, error_class, message, what_to_do from ops.sync_run order by run_id desc limit 1"
    )
    assert (status, error) == ("refused", "PayloadRefused")
    assert reason in message
    assert "model-assets accept" in what_to_do
    assert_sound(url)


def test_a_refused_payload_keeps_what_it_holds_that_breaks_the_contract(url: str) -> None:
    load(url, at(0), payload())
    with pytest.raises(PayloadRefused):
        load(url, at(1), REFUSED["broken"][0])
    assert select(url, "select count(*), count(key_id) from ops.quarantine where observed_at = :at", at=at(1)) == [(10, 10)]
    [reasons] = select(url, "select reasons from ops.observation where verdict = 'refused'")
    assert "openrouter/lab/0: price of input: 'n/a' is not a number" in reasons
    load(url, at(0.5), payload(model("lab/0")))
    assert prices(url, "lab/0") == [("paid", "1", 0.5, None)], "what is refused ends no claim and carries none on"


@pytest.mark.parametrize("kind", READABLE)
@pytest.mark.parametrize("later", [False, True], ids=["at once", "after later days"])
def test_a_refused_payload_that_a_person_accepts_is_merged_where_it_belongs_in_time(url: str, kind: str, later: bool) -> None:
    body, reason = REFUSED[kind]
    days = [(0, payload(model("lab/0"))), (2, payload(model("lab/0", prompt="0.000005"))), (3, payload())]

    def accept() -> None:
        with pytest.raises(PayloadRefused):
            load(url, at(1), body)
        before = select(url, "select reasons from ops.observation where verdict = 'refused'")
        assert loading.accept(url, OPENROUTER, at(1), "ann: they wrote so").errors == []
        verdict = select(url, "select verdict, decided_by from ops.observation where observed_at = :at", at=at(1))
        assert verdict == [("accepted", "ann: they wrote so")]
        [reasons] = select(url, "select reasons from ops.observation where observed_at = :at", at=at(1))
        assert reason.split(",")[0].split(" of ")[0] in reasons[0]
        assert reasons[0] == before[0][0]

    for step, known in days[: 3 if later else 1]:
        load(url, at(step), known)
    accept()
    for step, known in days:
        load(url, at(step), known)

    ids = {one["id"] for one in json.loads(body)["data"] if "id" in one} | ({"lab/0"} if kind == "no ids" else set())
    assert select(url, "select listed_id from history.listing where seen @> cast(:at as timestamptz) order by 1", at=at(1)) == sorted(ids)
    wanted = [("paid", "1", 0, None if "lab/0" in ids else 1), ("paid", "5", 2, 3)]
    if "lab/0" in ids:  # it or its price is in doubt there: what held goes on
        wanted[0] = ("paid", "1", 0, 2)
    assert prices(url, "lab/0") == wanted
    assert_sound(url)


def test_accepting_what_nobody_can_read_says_so_and_moves_nothing(url: str) -> None:
    load(url, at(0), payload())
    before = dump(url)
    with pytest.raises(PayloadRefused):
        load(url, at(1), REFUSED["page"][0])
    with pytest.raises(ModelAssetsError, match="looks like an HTML page"):
        loading.accept(url, OPENROUTER, at(1), "ann")
    assert dump(url) == before
    assert select(url, "select verdict, decided_by from ops.observation where observed_at = :at", at=at(1)) == [("refused", "gate")]


def test_accepting_where_nothing_was_refused_names_what_was(url: str) -> None:
    load(url, at(0), payload())
    with pytest.raises(PayloadRefused):
        load(url, at(1), REFUSED["shrunk"][0])
    with pytest.raises(ModelAssetsError, match=r"no refused payload at 2025-06-01T02:00Z.* Refused ones: 2025-06-02T02:00Z\."):
        loading.accept(url, OPENROUTER, at(0), "ann")
    with pytest.raises(ModelAssetsError, match="Refused ones: none"):
        loading.accept(url, GENAI, at(1), "ann")


def test_a_dry_run_says_what_would_change_and_writes_nothing(url: str) -> None:
    load(url, at(0), payload(model("lab/a"), model("lab/b")))
    before = row_versions(url)
    observation = Observation("openrouter", at(1), b"")
    audited = pipeline.audit(url, OPENROUTER, observation, keep=False, body=payload(model("lab/a", "0.000003"), model("lab/c")))
    assert audited.changes is not None
    assert (audited.outcome, audited.changes.added, audited.changes.changed, audited.changes.closed) == ("changes", 3, 1, 3)
    assert pipeline.audit(url, OPENROUTER, observation, keep=False, body=REFUSED["shrunk"][0]).outcome == "refused"
    with pytest.raises(BadPayload):
        pipeline.audit(url, OPENROUTER, observation, keep=False, body=b"<html>")
    assert row_versions(url) == before


# --- two at once ---


def test_two_threads_that_publish_different_days_of_one_source_at_once_both_land(url: str) -> None:
    days = {step: payload(model("lab/a", prompt=f"0.00000{step + 1}"), model(f"lab/{step}")) for step in range(4)}
    for step, body in days.items():
        load(url, at(step), body)
    wanted = dump(url)
    reset(url)
    audits = [pipeline.audit(url, OPENROUTER, record(url, at(step), body)) for step, body in days.items()]
    assert {audited.staged.ledger_version for audited in audits if audited.staged} == {0}, "all four were compared with the empty ledger"
    together = threading.Barrier(len(audits))

    def publish(audited: Audit) -> str:
        together.wait(timeout=10)
        return pipeline.publish(url, OPENROUTER, audited, unfenced).outcome

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(publish, audits)) == ["changes"] * 4
    assert dump(url) == wanted
    assert select(url, "select ledger_version from ops.source") == [4]
    assert_sound(url)


def test_a_day_that_lands_while_another_is_audited_is_not_overlooked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload equal to the nearest earlier one is not compared; so what is nearest must not change unseen."""
    old, new = payload(model("lab/a")), payload(model("lab/a", prompt="0.000002"))
    load(url, at(0), old)
    look_up = observations.nearest_earlier_accepted
    landed: list[Audit] = []

    def look_up_slowly(connection: Connection, source: str, before: datetime) -> Judged | None:
        found = look_up(connection, source, before)
        if not landed:
            landed.append(Audit(found.observation if found else Observation(source, before, b""), "underway"))
            landed.append(load(url, at(1), new))
        return found

    monkeypatch.setattr(observations, "nearest_earlier_accepted", look_up_slowly)
    load(url, at(2), old)
    assert landed[1].outcome == "changes"
    assert prices(url, "lab/a") == [("paid", "1", 0, 1), ("paid", "2", 1, 2), ("paid", "1", 2, None)]


def test_the_gate_compares_a_payload_with_the_day_that_landed_while_it_was_audited(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load(url, at(0), payload(others=40))
    look_up = observations.nearest_earlier_accepted
    landed: list[str] = []

    def look_up_slowly(connection: Connection, source: str, before: datetime) -> Judged | None:
        found = look_up(connection, source, before)
        if not landed:
            landed.append("underway")
            landed.append(load(url, at(1), payload(others=60)).outcome)
        return found

    monkeypatch.setattr(observations, "nearest_earlier_accepted", look_up_slowly)
    with pytest.raises(PayloadRefused, match="lists 41 models, 32% fewer than the 60"):
        load(url, at(2), payload(model("lab/a")))
    assert landed[1] == "changes"
    assert select(url, "select upper(seen) from history.listing where listed_id = 'crowd/050'") == [None]


def test_change_sets_that_a_crash_of_the_server_emptied_are_made_again(url: str) -> None:
    """`staged` is unlogged: Postgres empties it when it recovers, and the run that staged may still be there."""
    load(url, at(0), payload(model("lab/a")))
    observation = record(url, at(1), payload(model("lab/a", prompt="0.000002")))
    audited = pipeline.audit(url, OPENROUTER, observation)
    with connect(url) as connection:
        connection.execute(text("truncate staged.change_set cascade"))
    pipeline.publish(url, OPENROUTER, audited, unfenced)
    assert prices(url, "lab/a") == [("paid", "1", 0, 1), ("paid", "2", 1, None)]
    assert select(url, "select verdict from ops.observation where observed_at = :at", at=at(1)) == ["accepted"]


def test_an_observation_that_never_finds_the_ledger_at_rest_is_not_called_loaded(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    look = pipeline.audit

    def overtaken(*given: Any, **named: Any) -> Audit:
        audited = look(*given, **named)
        with connect(url) as connection:
            connection.execute(text("insert into ops.source (source) values ('openrouter') on conflict do nothing"))
            connection.execute(text("update ops.source set ledger_version = ledger_version + 1"))
        return audited

    monkeypatch.setattr(pipeline, "audit", overtaken)
    with pytest.raises(ModelAssetsError, match=r"openrouter 2025-06-01T02:00Z was not merged: .* Run it again"):
        load(url, at(0), payload())
    assert dump(url) == []
    assert select(url, "select status from ops.sync_run") == ["failed"]


def test_a_merge_that_fails_half_way_leaves_nothing(url: str) -> None:
    load(url, at(0), payload(model("lab/a")))
    before = row_versions(url)
    observation = record(url, at(1), payload(model("lab/b")))

    def fence(connection: Connection) -> None:
        assert connection.execute(text("select count(*) from history.listing where listed_id = 'lab/b'")).scalar() == 1
        raise attempts.Fenced("cancelled")

    audited = pipeline.audit(url, OPENROUTER, observation)
    with pytest.raises(attempts.Fenced):
        pipeline.publish(url, OPENROUTER, audited, fence)
    after = row_versions(url)
    assert [name for name in before if before[name] != after[name]] == ["raw.payload", "raw.body", "staged.change_set"]


# --- duplicates (U12) ---


def shuffles(models: list[Model], count: int = 6) -> Iterable[bytes]:
    """The same payload in different orders of its entries."""
    for seed in range(count):
        shuffled = models + crowd()
        random.Random(seed).shuffle(shuffled)
        yield json.dumps({"data": shuffled}).encode()


def outcome_of_shuffles(url: str, models: list[Model], prepare: Callable[[], object] = lambda: None) -> list[str]:
    """What is in the ledger and in quarantine, asserted to be the same in every order of the entries."""
    found = set()
    for body in shuffles(models):
        reset(url)
        prepare()
        load(url, at(1), body)
        doubts = select(url, "select concat_ws(' ', relation, key_id, reason, original) from ops.quarantine order by 1")
        found.add((*dump(url), *doubts))
    assert len(found) == 1
    return list(found.pop())


def test_an_entry_that_occurs_twice_word_for_word_is_one(url: str) -> None:
    outcome_of_shuffles(url, [model("lab/a"), model("lab/a")])
    assert prices(url, "lab/a") == [("paid", "1", 1, None)]
    assert select(url, "select count(*) from history.listing where listed_id = 'lab/a'") == [1]
    assert select(url, "select count(*) from ops.quarantine") == [0]


def test_of_an_entry_that_occurs_twice_differently_only_what_differs_is_in_doubt(url: str) -> None:
    outcome_of_shuffles(url, [model("lab/a", "0.000003"), model("lab/a", "0.000004"), model("lab/b", "0.000005")])
    assert prices(url, "lab/a") == []
    assert prices(url, "lab/a", "output") == [("paid", "2", 1, None)]
    assert prices(url, "lab/b") == [("paid", "5", 1, None)]
    assert (
        select(url, "select listed_id, relation, reason from ops.quarantine")
        == [("lab/a", "price", "the payload says two different things of one key")] * 2
    )


@pytest.mark.parametrize("held", ["0.000003", "0.000004", "0.000009"])
def test_what_held_before_goes_on_where_a_payload_says_two_things(url: str, held: str) -> None:
    twice = [model("lab/a", "0.000003"), model("lab/a", "0.000004"), model("lab/a", "0.000003")]
    outcome_of_shuffles(url, twice, lambda: load(url, at(0), payload(model("lab/a", held))))
    assert prices(url, "lab/a") == [("paid", held[-1], 0, None)]
    forwards = dump(url)
    reset(url)
    load(url, at(1), next(iter(shuffles(twice))))
    load(url, at(0), payload(model("lab/a", held)))
    assert dump(url) == forwards


def test_ids_that_differ_by_case_or_unicode_form_are_different_ids(url: str) -> None:
    ids = ["lab/Model", "lab/model", "lab/caf\u00e9", "lab/cafe\u0301"]
    outcome_of_shuffles(url, [model(one, f"0.00000{number}") for number, one in enumerate(ids, 1)])
    assert [prices(url, one) for one in ids] == [[("paid", str(number), 1, None)] for number in range(1, 5)]
    assert select(url, "select count(*) from ops.quarantine") == [0]


# --- amounts (U13, show 6) ---

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
