"""What the tests of benchmark sources share: what a sound score is, and payloads with each place damaged."""

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from model_assets.contracts import KEY_WIDTH, Score
from model_assets.errors import BadPayload
from model_assets.frames import broken_rows
from model_assets.ledger.claims import SCORE
from model_assets.sources.base import Parsed, Source
from model_assets.sources.gathered import Part, pack
from model_assets_tests.shared_data import SHARED, body
from model_assets_tests.sources.damaged import mutations

BENCHMARKS = SHARED / "payloads" / "benchmarks"
needs_benchmarks = pytest.mark.skipif(
    not BENCHMARKS.is_dir(), reason=f"no real payloads in {BENCHMARKS}; set MODEL_ASSETS_SHARED to the folder that holds them"
)


def real(name: str) -> bytes:
    """The bytes of a real payload below the benchmarks folder."""
    return body(BENCHMARKS / name)


def gathered(**files: bytes | str) -> bytes:
    """A payload gathered from files, by file name: `__` stands for a dot."""
    texts = {name.replace("__", "."): found if isinstance(found, str) else found.decode() for name, found in files.items()}
    return pack(Part(f"https://example.com/{name}", None, text) for name, text in texts.items())


def key(score: Score) -> tuple[object, ...]:
    """The key of a score."""
    return score[: KEY_WIDTH["score"]]


def values(parsed: Parsed, *columns: str) -> dict[Any, str]:
    """What some columns of a score say -> its value as text."""
    return {tuple(getattr(score, name) for name in columns): str(score.value) for score in parsed.scores}


def only(parsed: Parsed) -> Score:
    """The only score."""
    (found,) = parsed.scores
    return found


def sound(parsed: Parsed) -> Parsed:
    """Nothing that the database would fail on, whatever the payload held."""
    for score in parsed.scores:
        assert all(end is None or (isinstance(end, Decimal) and end.is_finite()) for end in (score.value, score.lower, score.upper))
        assert isinstance(json.loads(score.extra), dict)
    for row in [*parsed.scores, *parsed.rejects, *parsed.oddities]:
        for word in row:
            if isinstance(word, str):
                word.encode()
                assert "\x00" not in word
    return parsed


def whole(parsed: Parsed, count: int) -> Parsed:
    """A real payload: read whole, each score alone in speaking of its key, and nothing unknown."""
    assert not sound(parsed).rejects
    assert not parsed.drift
    assert not broken_rows(SCORE, parsed.scores)
    assert len(parsed.scores) == count
    assert len({key(score) for score in parsed.scores}) == count
    return parsed


def as_csv(table: object) -> bytes:
    """A table as CSV, also one that was damaged."""
    text = io.StringIO()
    rows = table if isinstance(table, list) else [table]
    csv.writer(text).writerows([[str(cell) for cell in row] if isinstance(row, list) else [str(row)] for row in rows])
    return text.getvalue().encode("utf-8", "surrogatepass")


def as_json(found: Any) -> bytes:
    """A payload as JSON, which is YAML too; what JSON has no word for as text."""
    return json.dumps(found, default=str).encode("utf-8", "surrogatepass")


def outcomes(source: Source, payload: Any, written: Callable[[Any], bytes] = as_json) -> Counter[str]:
    """How often each declared outcome answers a mutation of a payload; anything else is an error."""
    count: Counter[str] = Counter()
    good = sound(source.rows(written(payload)))
    assert good.scores
    for what, broken in mutations(payload):
        try:
            parsed = sound(source.rows(written(broken)))
        except BadPayload:
            count["refused whole"] += 1
            continue
        except Exception as unforeseen:
            raise AssertionError(f"{what} raised {unforeseen!r}") from unforeseen
        count["rejected" if len(parsed.rejects) > len(good.rejects) else "rows"] += 1
    return count


def cut(found: bytes) -> Iterator[bytes]:
    """A payload cut at some places, and what is none at all."""
    yield from (found[: len(found) * part // 7] for part in range(7))
    yield from (b"<!doctype html><title>Moved</title>", b"\xff\xfe", b"\x00", gzip.compress(found), b"[" * 100_000, b"{" * 100_000)
