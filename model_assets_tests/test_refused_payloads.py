"""A payload that is refused leaves the ledger as it was; one that a person accepts after all is merged where it belongs."""

import json

import pytest

from model_assets import loading
from model_assets.database import connect
from model_assets.errors import ModelAssetsError, PayloadRefused
from model_assets.ledger import observations
from model_assets_tests.small_ledger import GENAI, OPENROUTER, assert_sound, at, crowd, dump, load, model, payload, prices, select

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
