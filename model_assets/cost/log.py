"""Usage logs: which columns are read, under which names, and what a row must hold to be priced.

Required: a time, a model, and at least one count. All else is optional.

| column | also read as | holds |
|---|---|---|
| time | timestamp, created_at, start_time, date | ISO 8601 (without a zone: UTC), or seconds (or milliseconds) since 1970 |
| model | model_id, model_name | any id of any source |
| provider | sold_by, provider_id, provider_name | who sent the bill; blank where the model says it |
| input | input_tokens, uncached_input_tokens | prompt tokens that were neither read from nor written to a cache |
| | prompt_tokens, prompt | the whole prompt, as OpenAI counts it: its cached, audio, image and video tokens are taken off |
| output | output_tokens | the answer, reasoning included, audio and images not |
| | completion_tokens, completion | the whole answer: audio and image tokens are taken off |
| cache_read | cache_read_tokens, cache_read_input_tokens | counted apart from `input`, as Anthropic does |
| | cached_tokens, cached_input_tokens | counted within the prompt, as OpenAI does: taken off it, whatever its column is called |
| cache_write_5m | cache_write, cache_write_tokens, cache_creation_tokens, cache_creation_input_tokens | default lifetime |
| cache_write_1h | cache_creation_1h_input_tokens | |
| reasoning | reasoning_tokens, thinking_tokens | a part of the output |
| service_tier | tier | blank, default and auto are standard |
| region | | |
| request, web_search, image, ..., seconds | requests, images, ... | any meter by its name (see `usage.NAMES`); a row is one request |

A blank optional count is 0; a row without any count has none and is not priced.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from model_assets.contracts import METERS
from model_assets.cost.table import tier_name
from model_assets.cost.usage import NAMES, PROMPT_METERS, SECONDS
from model_assets.errors import ModelAssetsError

CHUNK_ROWS = 250_000
WHOLE_PROMPT, WHOLE_ANSWER = "the whole prompt", "the whole answer"
CACHED_WITHIN = "read from a cache, within the prompt"
COLUMNS = {
    "timestamp": "time", "created_at": "time", "start_time": "time", "date": "time",
    "model_id": "model", "model_name": "model", "sold_by": "provider", "provider_id": "provider", "provider_name": "provider",
    "input_tokens": "input", "uncached_input_tokens": "input", "prompt_tokens": WHOLE_PROMPT, "prompt": WHOLE_PROMPT,
    "output_tokens": "output", "completion_tokens": WHOLE_ANSWER, "completion": WHOLE_ANSWER,
    "cache_read_tokens": "cache_read", "cache_read_input_tokens": "cache_read",
    "cached_tokens": CACHED_WITHIN, "cached_input_tokens": CACHED_WITHIN,
    "cache_write_tokens": "cache_write_5m", "cache_creation_tokens": "cache_write_5m", "cache_creation_input_tokens": "cache_write_5m",
    "cache_creation_1h_input_tokens": "cache_write_1h", "reasoning_tokens": "reasoning", "thinking_tokens": "reasoning",
    "tier": "service_tier",
}  # fmt: skip
TEXTS = ("model", "provider", "service_tier", "region")
#: two columns that would hold the same count, or one of which is a part of the other
EITHER_OR = (("input", WHOLE_PROMPT), ("output", WHOLE_ANSWER), ("cache_read", CACHED_WITHIN))
ANSWER_METERS = ("output_audio", "output_image", "output_video")
COUNTS = frozenset({*METERS, SECONDS, WHOLE_PROMPT, WHOLE_ANSWER, CACHED_WITHIN})
#: what may have a fraction: it is counted to the millionth
FRACTIONAL = frozenset(meter for meter, (per, _) in METERS.items() if per in ("second", "gigabyte day", "credit")) | {SECONDS}
MILLIONTHS = 1_000_000
MOST = 2**53

#: why a row cannot be priced, whatever its prices are; the first that holds counts
OK, NO_TIME, NO_MODEL, BAD_COUNT, NO_COUNT, TOO_MANY_PARTS, TOO_MUCH_REASONING = range(7)
PROBLEMS = (
    "",
    "its time cannot be read",
    "it names no model",
    "a count is not a whole number, or negative",
    "it counts nothing",
    "parts of the prompt or answer add up to more than the whole",
    "more reasoning tokens than the output has",
)


@dataclass
class Log:
    """A log in columns of numbers. Codes point into `names`; -1 is blank. Counts are whole, or in millionths where `scales` says so."""

    time: np.ndarray
    codes: dict[str, np.ndarray]
    names: dict[str, list[str]]
    counts: dict[str, np.ndarray]
    scales: dict[str, int]
    problem: np.ndarray

    def __len__(self) -> int:
        return len(self.time)

    @property
    def prompt_tokens(self) -> np.ndarray:
        """How long each prompt was, in tokens."""
        return self._sum(PROMPT_METERS)

    @property
    def tokens(self) -> np.ndarray:
        """How many tokens each row counts, of the prompt and of the answer."""
        return self.prompt_tokens + self._sum(("output", *ANSWER_METERS))

    def _sum(self, meters: Sequence[str]) -> np.ndarray:
        return sum((self.counts[meter] for meter in meters if meter in self.counts), np.zeros(len(self), dtype=np.int64))

    def prompt_tokens_of(self, row: int) -> int:
        """How long the prompt of one row was, in tokens."""
        return sum(int(self.counts[meter][row]) for meter in PROMPT_METERS if meter in self.counts)

    def name(self, column: str, row: int) -> str:
        """The text of a row in one of the TEXTS; '' where it is blank."""
        code = int(self.codes[column][row])
        return self.names[column][code] if code >= 0 else ""


def column_of(name: str) -> str | None:
    """What a column of that name is read as; null where it is not read."""
    name = name.strip().lower().replace(" ", "_")
    name = COLUMNS.get(name) or NAMES.get(name) or name
    return name if name in COUNTS or name in TEXTS or name == "time" else None


def chosen_columns(names: Sequence[str], where: str) -> dict[str, str]:
    """The columns to read, by what each is read as. Raises ModelAssetsError where one is missing, or two are read as the same."""
    chosen: dict[str, str] = {}
    for name in names:
        means = column_of(name)
        if means in chosen:
            raise ModelAssetsError(f"{where} has two columns that hold {means}: {chosen[means]} and {name}. Take one out or rename it.")
        if means is not None:
            chosen[means] = name
    for apart, within in EITHER_OR:
        if apart in chosen and within in chosen:
            raise ModelAssetsError(
                f"{where} has {chosen[within]} ({within}) and {chosen[apart]} ({apart} without its other parts). Take one out."
            )
    for means in ("time", "model"):
        if means not in chosen:
            raise ModelAssetsError(f"{where} has no column {means}. It has {', '.join(names)}; rename the one that holds it.")
    if not COUNTS & chosen.keys():
        raise ModelAssetsError(f"{where} has no column with a count, such as input and output. It has {', '.join(names)}; rename them.")
    return chosen


def read_chunks(path: Path, chunk_rows: int = CHUNK_ROWS) -> Iterator[pd.DataFrame]:
    """The rows of a CSV (compressed or not) or Parquet file, `chunk_rows` at a time, with the columns that are read.

    Raises ModelAssetsError where it cannot be read, or lacks a column.
    """
    if not path.is_file():
        raise ModelAssetsError(f"There is no file {path}. Name a log in CSV or Parquet.")
    try:
        yield from _parquet(path, chunk_rows) if path.suffix == ".parquet" else _csv(path, chunk_rows)
    except (OSError, EOFError, ValueError, pd.errors.ParserError) as broken:
        said = str(broken).splitlines() or [type(broken).__name__]
        raise ModelAssetsError(f"{path.name} cannot be read as {'Parquet' if path.suffix == '.parquet' else 'CSV'}: {said[0]}") from broken


def _csv(path: Path, chunk_rows: int) -> Iterator[pd.DataFrame]:
    names = list(pd.read_csv(path, nrows=0).columns)
    chosen = chosen_columns(names, path.name)
    types = {chosen[name]: "str" for name in TEXTS if name in chosen}
    with pd.read_csv(path, usecols=list(chosen.values()), dtype=types, chunksize=chunk_rows, low_memory=False) as chunks:
        yield from chunks


def _parquet(path: Path, chunk_rows: int) -> Iterator[pd.DataFrame]:
    from pyarrow import ArrowInvalid, parquet  # only here: it takes a while to load

    try:
        file = parquet.ParquetFile(path)
    except ArrowInvalid as broken:
        raise ValueError(str(broken)) from broken
    chosen = chosen_columns(list(file.schema_arrow.names), path.name)
    for batch in file.iter_batches(batch_size=chunk_rows, columns=list(chosen.values())):
        yield batch.to_pandas()


def normalise(frame: pd.DataFrame, where: str = "The log") -> Log:
    """The columns of a log as numbers, with what is wrong with each row. Raises ModelAssetsError where a column is missing."""
    chosen = chosen_columns([str(name) for name in frame.columns], where)
    problem = np.zeros(len(frame), dtype=np.int8)
    time = _times(frame[chosen["time"]])
    codes, names = {}, {}
    for text in TEXTS:
        codes[text], names[text] = _texts(frame[chosen[text]] if text in chosen else None, len(frame), text == "service_tier")
    counts: dict[str, np.ndarray] = {}
    scales: dict[str, int] = {}
    bad, counted = np.zeros(len(frame), dtype=bool), np.zeros(len(frame), dtype=bool)
    for name in sorted(COUNTS & chosen.keys()):
        counts[name], scales[name], blank, wrong = _counts(frame[chosen[name]], name in FRACTIONAL)
        bad |= wrong
        counted |= ~blank
    _take_parts_off(counts)
    nothing = np.zeros(len(frame), dtype=np.int64)
    problem[counts.get("reasoning", nothing) > counts.get("output", nothing)] = TOO_MUCH_REASONING
    problem[(counts.get("input", nothing) < 0) | (counts.get("output", nothing) < 0)] = TOO_MANY_PARTS
    problem[~counted] = NO_COUNT
    problem[bad] = BAD_COUNT
    problem[codes["model"] < 0] = NO_MODEL
    problem[time == np.iinfo(np.int64).min] = NO_TIME
    counts.setdefault("request", nothing + 1)
    counts = {name: np.where(problem == OK, found, 0) for name, found in counts.items()}
    return Log(time, codes, names, counts, {name: scales.get(name, 1) for name in counts}, problem)


def _take_parts_off(counts: dict[str, np.ndarray]) -> None:
    """Make of whole prompts and answers what is counted apart: `input` and `output` without their other parts (below 0: a problem)."""
    within = counts.pop(CACHED_WITHIN, None)
    if within is not None:
        counts["cache_read"] = within
    whole, answer = counts.pop(WHOLE_PROMPT, None), counts.pop(WHOLE_ANSWER, None)
    if whole is not None:
        counts["input"] = whole - sum(counts[meter] for meter in PROMPT_METERS if meter in counts)
    elif within is not None and "input" in counts:
        counts["input"] = counts["input"] - within
    if answer is not None:
        counts["output"] = answer - sum(counts[meter] for meter in ANSWER_METERS if meter in counts)


def _times(column: pd.Series) -> np.ndarray:
    """Microseconds since 1970 UTC; the least number where there is no time."""
    if pd.api.types.is_numeric_dtype(column):
        found = pd.to_numeric(column, errors="coerce").astype("float64")
        found = found.where(found.abs() >= 1e11, found * 1_000)  # seconds reach 1e11 in the year 5138
        column = pd.to_datetime(found.where(found.abs() < 1e14), unit="ms", utc=True, errors="coerce")
    elif not pd.api.types.is_datetime64_any_dtype(column):
        column = pd.to_datetime(column.astype("str"), utc=True, errors="coerce", format="ISO8601")
    stamps = column.dt.tz_localize("UTC") if column.dt.tz is None else column.dt.tz_convert("UTC")
    return stamps.dt.tz_localize(None).to_numpy(dtype="datetime64[us]").astype(np.int64)


def _texts(column: pd.Series | None, length: int, is_tier: bool) -> tuple[np.ndarray, list[str]]:
    """A code for each text, -1 for a blank one, and the texts. Service tiers are spelled as price rows spell them."""
    if column is None:
        return np.full(length, -1, dtype=np.int64), []
    codes, found = pd.factorize(column)
    names = [str(name).strip() for name in found]
    if is_tier:
        names = [tier_name(name) for name in names]
    distinct = list(dict.fromkeys(name for name in names if name))
    place = {name: index for index, name in enumerate(distinct)}
    recoded = np.array([*(place.get(name, -1) for name in names), -1], dtype=np.int64)
    return recoded[codes], distinct


def _counts(column: pd.Series, fractional: bool) -> tuple[np.ndarray, int, np.ndarray, np.ndarray]:
    """Whole counts (or millionths), what they were multiplied by, which are blank, and which are no count."""
    if column.dtype.kind in "iu" and isinstance(column.dtype, np.dtype):
        whole = column.to_numpy(dtype=np.int64)
        wrong = (whole < 0) | (whole > MOST)
        return np.where(wrong, 0, whole), 1, np.zeros(len(whole), dtype=bool), wrong
    said = column.astype("str").str.strip() if not pd.api.types.is_numeric_dtype(column) else column
    numbers = pd.to_numeric(said, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    blank = column.isna().to_numpy() | (said == "").fillna(True).to_numpy(dtype=bool)
    scale = MILLIONTHS if fractional and bool((numbers != np.floor(numbers))[~np.isnan(numbers)].any()) else 1
    scaled = np.nan_to_num(np.round(numbers * scale) if scale > 1 else numbers, nan=0.0, posinf=-1.0, neginf=-1.0)
    wrong = (~blank & np.isnan(numbers)) | (scaled < 0) | (scaled > MOST) | (scaled != np.floor(scaled))
    return np.where(wrong, 0, scaled).astype(np.int64), scale, blank, wrong
