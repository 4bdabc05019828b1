"""Several observations of a day, audited before any of them is merged: each shows its own changes, and the ledger ends the same."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from model_assets import pipeline
from model_assets.database import connect
from model_assets.ledger import observations
from model_assets.ledger.describe import describe
from model_assets.ledger.merge import lock_source
from model_assets.ledger.observations import Observation
from model_assets.sources import SOURCES

OPENROUTER = SOURCES["openrouter"]
START = datetime(2026, 1, 1, 2, tzinfo=UTC)


def never_fenced(connection: Connection) -> None:
    pass


def payload(**prices: str) -> bytes:
    """An OpenRouter list: model -> USD per token."""
    return json.dumps(
        {"data": [{"id": f"lab/{name}", "name": name, "pricing": {"prompt": usd, "completion": "0"}} for name, usd in prices.items()]}
    ).encode()


def record(url: str, bodies: list[bytes]) -> list[Observation]:
    with connect(url) as connection:
        return [
            observations.record(connection, "openrouter", START + timedelta(hours=hour), body, url="http://x", origin="recording")
            for hour, body in enumerate(bodies)
        ]


def claims(url: str) -> list[tuple[object, ...]]:
    with connect(url) as connection:
        query = "select listed_id, meter, cast(trim_scale(amount) as text), cast(seen as text) from history.price order by 1, 2, 4"
        return [tuple(row) for row in connection.execute(text(query))]


@pytest.mark.parametrize("merged_before", [0, 1, 2])
def test_a_day_audited_at_once_ends_as_one_loaded_piece_by_piece(url: str, merged_before: int) -> None:
    days = [payload(a="1e-6", b="2e-6"), payload(a="3e-6", b="2e-6"), payload(a="3e-6", b="2e-6"), payload(a="1e-6", c="5e-6")]
    found = record(url, days)
    for one in found[:merged_before]:
        pipeline.publish(url, OPENROUTER, pipeline.audit(url, OPENROUTER, one), never_fenced)
    audits = pipeline.audit_day(url, OPENROUTER, found)
    with connect(url) as connection:
        version = lock_source(connection, "openrouter")
    for audited in audits:
        pipeline.publish(url, OPENROUTER, audited, never_fenced)
    with connect(url) as connection:
        assert lock_source(connection, "openrouter") == version + 4 - merged_before
    at_once = claims(url)
    with connect(url) as connection:
        connection.execute(text("truncate history.listing, history.price, ops.source, ops.observation cascade"))
    for one in found:
        pipeline.publish(url, OPENROUTER, pipeline.audit(url, OPENROUTER, one), never_fenced)
    assert claims(url) == at_once


def test_each_observation_of_a_day_shows_its_own_changes_only(url: str) -> None:
    found = record(url, [payload(a="1e-6", b="2e-6"), payload(a="3e-6", b="2e-6"), payload(a="4e-6", b="2e-6")])
    audits = pipeline.audit_day(url, OPENROUTER, found)
    pending = [one.changes for one in audits if one.changes]
    with connect(url) as connection:
        lines = [describe(connection, changes, None, pending[:place]) for place, changes in enumerate(pending)]
    assert [len(some) for some in lines] == [6, 1, 1]
    assert [(line.before, line.after) for some in lines[1:] for line in some] == [("1", "3"), ("3", "4")]


def test_a_list_is_compared_in_size_with_the_one_that_waits_before_it(url: str) -> None:
    many = {f"m{number}": "1e-6" for number in range(20)}
    found = record(url, [payload(**many), payload(m1="1e-6")])
    assert [one.outcome for one in pipeline.audit_day(url, OPENROUTER, found)] == ["changes", "refused"]


def test_a_replacement_that_restores_makes_the_next_one_be_compared_again(url: str) -> None:
    source = replace(OPENROUTER, name="openrouter")
    broken = json.dumps(
        {
            "data": [
                {"id": "lab/a", "name": "a", "pricing": []},
                *({"id": f"lab/{n}", "pricing": {"prompt": "1e-6", "completion": "0"}} for n in range(40)),
            ]
        }
    ).encode()
    whole = payload(a="1e-6", **{str(number): "1e-6" for number in range(40)})
    changed = payload(a="2e-6", **{str(number): "1e-6" for number in range(40)})
    for one in record(url, [whole, changed]):
        pipeline.publish(url, source, pipeline.audit(url, source, one), never_fenced)
    with connect(url) as connection:
        again = observations.record(connection, "openrouter", START + timedelta(hours=1), broken, url="http://x", origin="recording")
        later = observations.record(connection, "openrouter", START + timedelta(hours=2), changed, url="http://x", origin="recording")
    for audited in pipeline.audit_day(url, source, [again, later]):
        pipeline.publish(url, source, audited, never_fenced)
    with connect(url) as connection:
        query = "select amount, lower(seen) from history.price where listed_id = 'lab/a' and meter = 'input' order by 2"
        assert [(int(amount), at) for amount, at in connection.execute(text(query))] == [(1, START), (2, START + timedelta(hours=2))]
