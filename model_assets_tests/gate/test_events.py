from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from model_assets.contracts import Price, Reject
from model_assets.errors import BadRecording
from model_assets.gate.events import claims_of, difference, ledger_events, of_changes, read_changes, read_folder
from model_assets.gate.replay import replay
from model_assets.gate.types import PriceKey, Said
from model_assets.ledger.claims import PRICE, key_id
from model_assets.sources.base import Parsed
from model_assets_tests import test_catalog_sql as books
from model_assets_tests.gate.world import claims, day

HEADER = "changed_at,provider,listed_id,key,old,new\n"


def changes_file(folder: Path, *lines: str) -> Path:
    """A file of changes."""
    path = folder / "changes.csv"
    path.write_text(HEADER + "".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def test_a_payload_says_what_changed_opened_and_closed() -> None:
    before, after = claims({"p/m": ("1", "2"), "p/n": {"input": "3"}}), claims({"p/m": ("1", "0"), "p/o": {"input": "?"}})
    assert difference(before, after) == [
        Said(PriceKey("p", "m", "output"), "free", Decimal(0)),
        Said(PriceKey("p", "o", "input"), "unknown", None),
        Said(PriceKey("p", "n", "input"), None, None),
    ]


def test_what_a_payload_could_not_be_read_of_goes_on() -> None:
    before = claims({"p/m": ("1", "2"), "p/n": ("3", "4"), "p/gone": ("5", "6")})
    unclear = Price("p", "n", "input", "standard", 0, "", "", "", "USD", None, "unknown", None, None)
    parsed = Parsed(rejects=[Reject("listing", "p", "m", "broken", ""), Reject("price", "p", "n", "broken", "", unclear)])
    assert claims_of(parsed, before) == {key: claim for key, claim in before.items() if key.listed_id == "m" or key == PriceKey("p", "n")}


def test_a_file_of_changes_becomes_events_that_know_nothing_early(tmp_path: Path) -> None:
    path = changes_file(
        tmp_path,
        "2026-01-05T10:00Z,p,m,input,1,2",
        "2026-01-05T10:00Z,p,m,cache_write,,0.30000000000000004",
        "2026-01-07T10:00Z,p,m,input,2,0",
    )
    events = [event for event in of_changes(read_changes(path)) if event.said]
    assert [(f"{event.at:%dT%H:%M:%S}", [(one.key.meter, one.state, one.amount) for one in event.said]) for event in events] == [
        ("05T09:59:59", [("input", "paid", Decimal(1))]),
        ("05T10:00:00", [("input", "paid", Decimal(2)), ("cache_write_5m", "paid", Decimal("0.3"))]),
        ("07T10:00:00", [("input", "free", Decimal(0))]),
    ]


def test_between_changes_the_source_is_looked_at_every_night(tmp_path: Path) -> None:
    path = changes_file(tmp_path, "2026-01-05T10:00Z,p,m,input,1,10")
    events = of_changes(read_changes(path))
    assert [f"{event.at:%dT%H}" for event in events if not event.said] == ["06T02", "07T02", "08T02", "09T02"]
    assert [held.outcome for held in replay(events)] == ["released"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n", "has no column changed_at, provider, listed_id, key, old, new"),
        (HEADER, "holds no change"),
        (HEADER + "yesterday,p,m,input,1,2\n", "line 2 of"),
        (HEADER + "2026-01-05T10:00Z,p,m,input,1,two\n", "is not a change (an instant, ids, amounts)"),
        (HEADER + "2026-01-05T10:00Z,p\n", "line 2 of"),
    ],
)
def test_a_file_that_is_none_of_changes_is_refused_and_says_why(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "changes.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadRecording, match=said.replace("(", r"\(").replace(")", r"\)")):
        read_changes(path)


def test_a_missing_file_and_a_folder_without_recordings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="cannot be read"):
        read_changes(tmp_path / "none.csv")
    with pytest.raises(BadRecording, match="there are no recordings of"):
        read_folder(tmp_path)


@pytest.fixture
def ledger(database: Engine) -> Iterator[Connection]:
    """A ledger of a feed with two looks, and one more that changed nothing."""
    with database.connect() as connection:
        books.price(connection, "1", 1, 2)
        books.price(connection, "10", 2)
        books.price(connection, "2", 1, 2, meter="output")
        for at in (1, 2, 3, 4):
            books.observation(connection, at, "refused" if at == 4 else "accepted")
        yield connection
        connection.rollback()


def test_the_ledger_gives_an_event_for_each_accepted_observation(ledger: Connection) -> None:
    events = ledger_events(ledger)
    assert [(event.source, event.at, sorted((one.key.meter, one.state, one.amount) for one in event.said)) for event in events] == [
        ("feed", day(1), [("input", "paid", Decimal(1)), ("output", "paid", Decimal(2))]),
        ("feed", day(2), [("input", "paid", Decimal(10)), ("output", None, None)]),
        ("feed", day(3), []),
    ]
    [held] = replay(events)
    assert (held.key.listed_id, held.digest, held.changed_at) == ("m", b"", day(2))
    assert held.key_id == key_id("feed", PRICE, ("host", "m", "input", "standard", 0, "", "", "", "USD", None))


def test_the_ledger_from_an_instant_on_begins_with_what_held_then(ledger: Connection) -> None:
    first, second = ledger_events(ledger, since=day(2))
    assert (first.at, second.at, second.said) == (day(2), day(3), [])
    assert ("input", "paid", Decimal(10)) in [(one.key.meter, one.state, one.amount) for one in first.said]
