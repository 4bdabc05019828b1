"""From a price to the bytes of the payload that says it."""

import gzip
import io
import json
import re
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from sqlalchemy import Connection, text

from model_assets import cli
from model_assets.answers import payload_bytes, prices, why
from model_assets.database import connect
from model_assets.errors import ModelAssetsError
from model_assets.fetching import strict_json
from model_assets.settings import BUNDLED_RECORDINGS
from model_assets.sources.base import as_json
from model_assets_tests.conftest import Run
from model_assets_tests.pointers import followed
from model_assets_tests.served.conftest import DAY_1, DAY_3


def recorded(source: str, at: datetime) -> bytes:
    return gzip.decompress((BUNDLED_RECORDINGS / source / f"{at:%Y-%m-%dT%H%M}Z.json.gz").read_bytes())


def price_ids(connection: Connection) -> list[str]:
    """Ids of served prices: the first few of each source."""
    query = """
        select lpad(to_hex(key_id), 16, '0')
        from (select *, row_number() over (partition by source order by offer, meter, service_tier, prompt_above_tokens) as place from catalog.price) p
        where place % 60 = 1"""
    return list(connection.execute(text(query)).scalars())


def test_a_price_leads_to_the_payload_that_says_it_hashed_and_read_again(ledger: Connection) -> None:
    asked = price_ids(ledger)
    assert len(asked) >= 8
    sources = set()
    for price_id in asked:
        found = why(ledger, price_id)
        claim, payload = found["claim"], found["payload"]
        body = recorded(claim["source"], datetime.fromisoformat(payload["observed_at"]))
        assert (payload["sha256"], payload["hash_is_right"], payload["bytes"]) == (sha256(body).hexdigest(), True, len(body))
        assert payload["read_again"] == "the same"
        assert payload_bytes(ledger, price_id) == body
        assert payload["entry"] == as_json(followed(strict_json.loads(body), payload["where"]))
        assert found["price_id"] == price_id
        assert found["served"]["amount"] == claim["amount"]
        assert claim["source"] in {one["source"] for one in found["claims"]}
        sources.add(claim["source"])
    assert sources >= {"genai_prices", "models_dev", "openrouter"}


def test_the_entry_is_that_of_the_listing(ledger: Connection) -> None:
    row, _batch = prices(ledger, "gpt-4o", provider="azure", meter="input")
    found = why(ledger, row["price_id"])
    assert (found["payload"]["where"], json.loads(found["payload"]["entry"])["id"]) == ("/azure/models/gpt-4o", "gpt-4o")


def test_why_names_every_claim_the_rule_the_link_and_the_doubts_of_the_gate(ledger: Connection) -> None:
    query = "select lpad(to_hex(key_id), 16, '0') from ops.held_change where kind = 'held'"
    found = why(ledger, ledger.execute(text(query)).scalar_one())
    assert (found["claim"]["source"], found["claim"]["amount"]) == ("litellm", "5.9")
    assert (found["served"]["source"], found["served"]["amount"], found["served"]["rule"]) == ("genai_prices", "0.59", "the first in rank")
    assert {(one["source"], one["amount"], one["held"]) for one in found["claims"]} == {
        ("genai_prices", "0.59", False), ("models_dev", "0.59", False), ("litellm", "0.59", True),
    }  # fmt: skip
    assert found["link"]["model"] == "meta/llama-3.3-70b-instruct"
    [doubt] = found["gate"]
    assert (doubt["kind"], doubt["from_amount"], doubt["to_amount"], doubt["outcome"]) == ("held", "0.59", "5.9", "open")


def test_why_of_a_past_price_is_the_claim_and_the_payload_of_the_past(ledger: Connection) -> None:
    query = "select lpad(to_hex(key_id), 16, '0') from ops.held_change where kind = 'held'"
    price_id = ledger.execute(text(query)).scalar_one()
    found = why(ledger, price_id, as_of=DAY_1)
    assert (found["claim"]["amount"], found["payload"]["observed_at"]) == ("0.59", "2026-05-18T02:00:00Z")
    assert payload_bytes(ledger, price_id, as_of=DAY_1) == recorded("litellm", datetime(2026, 5, 18, 2, tzinfo=UTC))
    assert payload_bytes(ledger, price_id) == recorded("litellm", datetime(2026, 5, 20, 2, tzinfo=UTC))


def test_a_payload_that_was_tampered_with_is_found_out(settled_copy: str) -> None:
    with connect(settled_copy) as connection:
        row, _batch = prices(connection, "gpt-4o", provider="azure", meter="input")
        other = gzip.compress(recorded("models_dev", datetime(2026, 5, 18, 2, tzinfo=UTC)).replace(b"gpt-4o", b"gpt-4p"))
        connection.execute(
            text("update raw.body set gzip = :other where sha256 = decode(:sha256, 'hex')"),
            {"other": other, "sha256": row["payload_sha256"]},
        )
        found = why(connection, row["price_id"])["payload"]
    assert (found["hash_is_right"], found["read_again"] == "the same") == (False, False)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("gpt-4o", "'gpt-4o' is no id of a price."),
        ("abc", "'abc' is no id of a price."),
        ("0000000000000001", "no price has an id that begins with '0000000000000001'."),
    ],
)
def test_what_is_no_id_of_a_price_is_refused_with_where_the_ids_are(ledger: Connection, asked: str, said: str) -> None:
    with pytest.raises(ModelAssetsError, match=re.escape(said)) as error:
        why(ledger, asked)
    assert "`model-assets price MODEL` shows the ids" in str(error.value)


def test_the_beginning_of_an_id_will_do(ledger: Connection) -> None:
    row, _batch = prices(ledger, "gpt-4o", provider="azure", meter="input")
    assert why(ledger, row["price_id"][:8])["price_id"] == row["price_id"]


def test_the_command_tells_it_in_lines_and_writes_the_very_bytes(ask: Run, ledger: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    row, _batch = prices(ledger, "gpt-4o", provider="azure", meter="input")
    # at an instant, or its age differs between the two
    assert json.loads(ask("why", row["price_id"], "--as-of", "2026-05-20", "--json")[1]) == why(ledger, row["price_id"], DAY_3)
    code, out, err = ask("why", row["price_id"][:8])
    assert (code, err) == (0, "")
    assert "computed again: right" in out
    assert "read again the same" in out
    assert f"sha256     {row['payload_sha256']}" in out
    assert "entry      /azure/models/gpt-4o" in out
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written))
    with pytest.raises(SystemExit) as end:
        cli.main(["why", row["price_id"], "--payload"])
    assert end.value.code == 0
    assert sha256(written.getvalue()).hexdigest() == row["payload_sha256"]
