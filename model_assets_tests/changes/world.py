"""What the tests of changes share: a small list of models that is loaded day by day, published, and read back."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from model_assets import pipeline
from model_assets.database import connect
from model_assets.ledger import observations
from model_assets.settling import settle
from model_assets.sources import SOURCES

START = datetime(2026, 1, 1, 2, tzinfo=UTC)
OPENROUTER = SOURCES["openrouter"]
POLICY = Path(__file__).with_name("policy.yml")
#: fills a list up, so that the gate does not take one that lost a model for no list at all
OTHERS = {f"other-{number}": "0.000009" for number in range(30)}


def day(number: float) -> datetime:
    """The instant of a day's observation."""
    return START + timedelta(days=number)


def never_fenced(connection: Connection) -> None:
    pass


def load(url: str, number: float, prices: Mapping[str, str], *, published: bool = True) -> None:
    """Load OpenRouter's list of a day: model -> USD per token, for input as for output; and publish."""
    listed = [
        {"id": f"lab/{name}", "name": name, "created": 1700000000, "pricing": {"prompt": usd, "completion": usd}}
        for name, usd in {**OTHERS, **prices}.items()
    ]
    with connect(url) as connection:
        body = json.dumps({"data": listed}).encode()
        found = observations.record(connection, "openrouter", day(number), body, url="http://x", origin="recording")
    pipeline.publish(url, OPENROUTER, pipeline.audit(url, OPENROUTER, found), never_fenced)
    if published:
        settle(url, POLICY)


def told(url: str) -> list[dict[str, Any]]:
    """All rows of catalog.change, in their order."""
    with connect(url) as connection:
        return [dict(row) for row in connection.execute(text("select * from catalog.change order by change_id")).mappings()]


def brief(changes: list[dict[str, Any]]) -> list[tuple[str, str, float]]:
    """(type, the name after the last slash, day) of changes."""
    return [(one["type"], one["model_id"].rpartition("/")[2], (one["at"] - START).total_seconds() / 86400) for one in changes]


def standing(url: str) -> set[tuple[Any, ...]]:
    """What was said and not taken back."""
    return {
        (one["type"], one["at"], one["model_id"], one["offer"], str(one["condition"]), str(one["before"]), str(one["after"]))
        for one in told(url)
        if one["withdraws"] is None and not one["withdrawn"] and one["type"] != "model_available"
    }
