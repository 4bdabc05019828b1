"""Events for the gate: from recordings, from a file of changes, and from the ledger, all in the same form and in order of time."""

import csv
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, text

from model_assets.contracts import Price
from model_assets.errors import BadRecording
from model_assets.gate.types import Event, Listed, PriceKey, Said
from model_assets.recording_files import find
from model_assets.sources import of_kind
from model_assets.sources.amounts import exact
from model_assets.sources.base import Parsed
from model_assets.sources.models_dev import is_subscription

PRICED = of_kind("prices")
Claims = dict[PriceKey, tuple[str, Decimal | None, datetime | None]]

#: the columns a file of changes must have, and the meter that each spelling of its keys stands for
COLUMNS = ("changed_at", "provider", "listed_id", "key", "old", "new")
METER_OF = {"cache_write": "cache_write_5m", "inputCached": "cache_read", "outputCached": "cache_write_5m", "cached_input": "cache_read",
            "cache_input": "cache_read"}  # fmt: skip
CHANGES_SOURCE = "models_dev"


def claims_of(parsed: Parsed, before: Claims) -> Claims:
    """What a parsed payload claims. Of what it could not read (its rejects), what was claimed before goes on."""
    claims = {PriceKey(*row[:10]): (row.state, row.amount, row.effective_to) for row in parsed.prices}
    whole = {(one.provider, one.listed_id) for one in parsed.rejects if one.row is None}
    single = {PriceKey(*one.row[:10]) for one in parsed.rejects if isinstance(one.row, Price)}
    if whole or single:
        claims.update(
            (key, claim)
            for key, claim in before.items()
            if key not in claims and (key in single or (key.provider, key.listed_id) in whole or (key.provider, None) in whole)
        )
    return claims


def difference(before: Claims, after: Claims) -> list[Said]:
    """What is said otherwise than before: changed and opened claims, then closed ones."""
    said = [Said(key, *claim) for key, claim in after.items() if before.get(key) != claim]
    return said + [Said(key, None, None) for key in before if key not in after]


class Snapshot(NamedTuple):
    """All that a source claimed at an instant."""

    source: str
    at: datetime
    claims: Claims
    listings: tuple[Listed, ...] = ()


def read_folder(path: Path) -> list[Snapshot]:
    """The recordings of a folder as snapshots, in order of time. Raises BadRecording or BadPayload where one is no catalogue."""
    recordings = find(path, PRICED).recordings
    if not recordings:
        known = ", ".join(sorted(PRICED))
        raise BadRecording(f"there are no recordings of {known} in {path}. Give a folder that holds <source>/<instant>.json.gz.")
    before: dict[str, Claims] = defaultdict(dict)
    snapshots = []
    for one in sorted(recordings, key=lambda recording: (recording.observed_at, recording.source)):
        parsed = PRICED[one.source].rows(one.read()[0])
        before[one.source] = claims_of(parsed, before[one.source])
        listings = tuple(Listed(one.source, listing.provider, listing.listed_id) for listing in parsed.listings)
        snapshots.append(Snapshot(one.source, one.observed_at, before[one.source], listings))
    return snapshots


def of_snapshots(snapshots: Iterable[Snapshot]) -> list[Event]:
    """The events of snapshots in order of time: what each differs by from the one before of its source."""
    before: dict[str, Claims] = defaultdict(dict)
    events = []
    for one in snapshots:
        events.append(Event(one.source, one.at, difference(before[one.source], one.claims)))
        before[one.source] = one.claims
    return events


@dataclass(frozen=True)
class ListedChange:
    """A line of a file of changes: what a price was and became, USD per million tokens; null where there was or is none."""

    at: datetime
    key: PriceKey
    old: Decimal | None
    new: Decimal | None


def read_changes(path: Path) -> list[ListedChange]:
    """The lines of a file of changes (`changed_at, provider, listed_id, key, old, new`), in order of time.

    Raises BadRecording where the file is not in this form.
    """
    found = []
    for number, row in enumerate(_rows(path), 2):
        try:
            if not all(isinstance(row[name], str) for name in COLUMNS):
                raise ValueError("a short line")
            at = datetime.fromisoformat(row["changed_at"].replace("Z", "+00:00")).astimezone(UTC)
            key = PriceKey(row["provider"], row["listed_id"], METER_OF.get(row["key"], row["key"]))
            old, new = (exact(row[name]) if row[name] else None for name in ("old", "new"))
        except (ValueError, TypeError):
            said = ",".join(map(str, row.values()))[:80]
            raise BadRecording(
                f"line {number} of {path} is not a change (an instant, ids, amounts): {said}. Correct or remove it."
            ) from None
        found.append(ListedChange(at, key, old, new))
    if not found:
        raise BadRecording(f"{path} holds no change. Give a file of changes with the columns {', '.join(COLUMNS)}.")
    return sorted(found, key=lambda change: change.at)


def of_changes(changes: Iterable[ListedChange], snapshots: Iterable[Snapshot] = ()) -> list[Event]:
    """The events of a list of changes (one for each instant), of whole snapshots of the same source, and of a look each night in between.

    What a price was before its first change is said a second before that change: nobody knew it earlier. A snapshot says what differs from
    all that was said until then. On a night without a change the source was looked at, and said the same.
    """
    by_instant: dict[datetime, list[ListedChange]] = defaultdict(list)
    for change in changes:
        by_instant[change.at].append(change)
    whole = {one.at: one.claims for one in snapshots}
    said: Claims = {}
    events: list[Event] = []
    for at in sorted({*by_instant, *whole, *_nights(by_instant)}):
        if at in whole:
            events.append(_step(at, said, difference(said, whole[at])))
        if own := by_instant.get(at):
            before = [as_said(one.key, one.old) for one in own if one.old is not None and one.key not in said]
            if before:
                events.append(_step(at - timedelta(seconds=1), said, before))
            events.append(_step(at, said, [as_said(one.key, one.new) for one in own]))
        elif at not in whole:
            events.append(Event(CHANGES_SOURCE, at, []))
    return events


def _nights(by_instant: Collection[datetime]) -> Iterator[datetime]:
    """02:00 UTC of each day from the first to the last instant, and of three days more."""
    if by_instant:
        night = min(by_instant).replace(hour=2, minute=0, second=0, microsecond=0) + timedelta(days=1)
        while night <= max(by_instant) + timedelta(days=4):
            yield night
            night += timedelta(days=1)


def _step(at: datetime, said: Claims, differs: list[Said]) -> Event:
    for one in differs:
        if one.state is None:
            said.pop(one.key, None)
        else:
            said[one.key] = (one.state, one.amount, one.effective_to)
    return Event(CHANGES_SOURCE, at, differs)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise BadRecording(
                    f"{path} has no column {', '.join(missing)}. Give a file of changes with the columns {', '.join(COLUMNS)}."
                )
            yield from reader
    except OSError as error:
        raise BadRecording(f"{path} cannot be read ({error.strerror}). Give a file of changes.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadRecording(f"{path} is not a CSV file in UTF-8 ({error}). Give a file of changes.") from None


def as_said(key: PriceKey, amount: Decimal | None) -> Said:
    """A number of models.dev as a claim: 0 is free, or included where the provider is a plan."""
    if amount is None:
        return Said(key, None, None)
    if not amount and is_subscription(key.provider):
        return Said(key, "included", None)
    return Said(key, "paid" if amount else "free", amount)


def merged(*streams: Iterable[Event]) -> list[Event]:
    """Several streams of events as one, in order of time."""
    return sorted((event for stream in streams for event in stream), key=lambda event: (event.at, event.source))


LEDGER = """
select source, lower(seen) as at, key_id, digest, provider, listed_id, meter, service_tier, prompt_above_tokens, time_window, region, detail,
    currency, effective_from, state, amount, effective_to, upper(seen) as ends
from history.price
where cast(:since as timestamptz) is null or upper(seen) is null or upper(seen) >= :since
"""
LOOKS = """
select source, observed_at from ops.observation
where verdict = 'accepted' and (cast(:since as timestamptz) is null or observed_at >= :since)
"""


def ledger_events(connection: Connection, since: datetime | None = None) -> list[Event]:
    """The events that the ledger holds, in order of time: one for each accepted observation, with the claims that began or ended there.

    With `since`, only those from then on; the first of them says all that held then. A claim's end is not said where another one of its key
    begins at the same instant.
    """
    said: dict[tuple[str, datetime], dict[PriceKey, Said]] = defaultdict(dict)
    for row in connection.execute(text(LEDGER), {"since": since}):
        key = PriceKey(*row[4:14])
        begins = row.at if since is None else max(row.at, since)
        said[row.source, begins][key] = Said(key, row.state, row.amount, row.effective_to, row.digest)
        if row.ends is not None:
            said[row.source, row.ends].setdefault(key, Said(key, None, None))
    looks = {(row.source, row.observed_at) for row in connection.execute(text(LOOKS), {"since": since})}
    return [
        Event(source, at, list(said[source, at].values())) for source, at in sorted(looks | said.keys(), key=lambda one: (one[1], one[0]))
    ]
