"""What benchmark sources have in common: a run, the numbers it was given, and what a name says of how long a model was let think.

Nothing here guesses a unit from a number's size: each source says what its columns are.
"""

import csv
import io
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from model_assets.contracts import Reject, Score
from model_assets.errors import BadPayload
from model_assets.sources.amounts import BadAmount, exact
from model_assets.sources.base import ORIGINAL_LIMIT, Parsed, as_json, clean_text, day_of, id_problem, kind

#: benchmarks that sources spell in different ways: the name in lower case with underscores -> (benchmark, version, split)
SAME_AS: dict[str, tuple[str, str, str]] = {
    "swe_bench_verified": ("swe_bench", "", "Verified"),
    "terminal_bench_hard": ("terminal_bench", "", "hard"),
    "terminalbench_hard": ("terminal_bench", "", "hard"),
    "terminal_bench_2_0": ("terminal_bench", "2.0", ""),
    "terminalbench_v2_1": ("terminal_bench", "2.1", ""),
}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_KEY_PARTS = ("version", "split", "harness", "effort", "variant", "runner", "run")


def benchmark_named(name: str) -> tuple[str, str, str]:
    """(benchmark, version, split) of a name, in our spelling: lower case with underscores."""
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return SAME_AS.get(slug, (slug, "", ""))


def run_of(
    parsed: Parsed,
    benchmark: str,
    model: object,
    *,
    date: object = None,
    url: object = None,
    extra: Mapping[str, object] | None = None,
    **key: object,
) -> Score | None:
    """A run that has no number yet: `put` gives it one per metric. `key` are parts of its key, empty where they are null or left out.

    Null where its model or a part of its key is no name; it is rejected then: what was said before of that model goes on.
    """
    original = {"benchmark": benchmark, "model": model, "date": date, "url": url, **key}
    if problem := id_problem(model):
        parsed.reject("score", benchmark, None, f"model: {problem}", original)
        return None
    spelled = str(model)
    words = {name: "" if key.get(name) is None else key[name] for name in _KEY_PARTS}
    for name, word in words.items():
        if isinstance(word, int | Decimal) and not isinstance(word, bool):
            words[name] = str(word)
        elif word != "" and (problem := id_problem(word)):
            parsed.reject("score", benchmark, spelled, f"{name}: {problem}", original)
            return None
    key_columns: dict[str, Any] = {name: str(word) for name, word in words.items()}
    measured_on, precision = day_of(parsed, spelled, "date", date)
    said = {name: value for name, value in (extra or {}).items() if value is not None and value != ""}
    return Score(
        benchmark,
        spelled,
        metric="",
        value=Decimal(0),
        unit="",
        measured_on=measured_on,
        measured_on_precision=precision,
        url=link(parsed, spelled, url),
        extra=as_json(said),
        **key_columns,
    )


def put(parsed: Parsed, run: Score, metric: str, unit: str, found: object, lower: object = None, upper: object = None) -> None:
    """Append one score of a run. Null is no score, and so are 0 dollars: a run that cost nothing was not metered.

    What is no number is rejected, and only this score of the run is in doubt.
    """
    if found is None:
        return
    row = run._replace(metric=metric, unit=unit)
    try:
        value = number(found)
        ends = [None if end is None else number(end) for end in (lower, upper)]
        if ends[0] is not None and ends[1] is not None and ends[0] > ends[1]:
            raise BadAmount(f"its interval ends at {ends[1]}, before it begins at {ends[0]}")
    except BadAmount as bad:
        text = as_json({"model": row.model, "metric": metric, "found": found, "lower": lower, "upper": upper})[:ORIGINAL_LIMIT]
        parsed.rejects.append(Reject("score", row.benchmark, row.model, f"{metric}: {bad}", text, row))
        return
    if value or unit != "usd":
        parsed.scores.append(row._replace(value=value, lower=ends[0], upper=ends[1]))


def number(found: object) -> Decimal:
    """The number that a JSON number or a text stands for, exact to 15 significant digits. Raises BadAmount."""
    shown = ascii(str(found)[:40])
    if isinstance(found, str) and not _NUMBER.fullmatch(found.strip()):
        raise BadAmount(f"{shown} is not a number")
    if isinstance(found, bool) or not isinstance(found, int | Decimal | str):
        raise BadAmount(f"{kind(found)} where a number belongs")
    try:
        return exact(found.strip() if isinstance(found, str) else found)
    except BadAmount:
        raise BadAmount(f"{shown} is out of the range of any score") from None


def link(parsed: Parsed, model: str, found: object) -> str | None:
    """An optional URL; null, and reported, where it is none."""
    url = clean_text(parsed, model, "url", found, limit=2_000)
    if url is not None and not re.match("https?://", url):
        parsed.odd(model, "url", url, "not a URL of the web")
        return None
    return url


def csv_rows(text: str, needed: frozenset[str], what: str) -> list[dict[str, str | None]]:
    """The rows of a CSV text by column: null where a row is too short; the key `''` holds what a row has too much. Raises BadPayload."""
    try:
        reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), restkey="", strict=True)
        columns = list(reader.fieldnames or [])
        if missing := needed - set(columns):
            raise BadPayload(
                f"{what} has no column {', '.join(sorted(missing))}. Look at it in raw; it may be a page, or have a new shape."
            )
        if len(set(columns)) < len(columns) or any(map(id_problem, columns)):
            raise BadPayload(f"{what} has two columns of one name, or one whose name is none. Look at the payload in raw.")
        return list(reader)
    except csv.Error as broken:
        raise BadPayload(f"{what} is not the CSV it should be: {broken}. Look at the payload in raw.") from None


# --- what a name says of how the model was run -------------------------------------------------------------------------------------------

_LEVELS = "minimal|low|medium|high|xhigh|max"
_LEVEL = re.compile(rf"({_LEVELS})(?:[ -](?:effort|reasoning|thinking))?", re.IGNORECASE)
_BUDGET = re.compile(r"([0-9]+k)(?: think(?:ing)?(?: tokens)?)", re.IGNORECASE)
_MODE = re.compile(r"(?:non-?|no |adaptive |default )?(?:reasoning|think|thinking)", re.IGNORECASE)
_AT_END = re.compile(
    r"[-_](minimal|low|medium|high|xhigh)(?:thinking|-effort)?$|-(max)-effort$|-thinking-([0-9]+k)$|_([0-9]+k)$|_(none)$", re.IGNORECASE
)
#: families that have a size called medium
_SIZED = re.compile(r"(?:stral|phi-[0-9.]+)$", re.IGNORECASE)


def split_mode(name: str) -> tuple[str, str, str]:
    """(model, effort, variant) of `Some Model (Reasoning, High Effort)`: what the brackets at its end say, where they speak of that.

    Otherwise the name as it is, and two empty texts: `DeepSeek V3 (0324)` is the name of a model.
    """
    model, bracket, inner = name.strip().removesuffix(")").rpartition(" (")
    parts = [part.strip() for part in inner.split(",")]
    if not (bracket and name.strip().endswith(")") and model.strip()):
        return name, "", ""
    efforts = [match[1].lower() for part in parts if (match := _LEVEL.fullmatch(part) or _BUDGET.fullmatch(part))]
    if len(efforts) > 1 or not (efforts or _MODE.fullmatch(parts[0])):
        return name, "", ""
    rest = [part for part in parts if not (_LEVEL.fullmatch(part) or _BUDGET.fullmatch(part))]
    return model.strip(), "".join(efforts), ", ".join(rest)


def effort_in(name: str) -> str:
    """The effort that the end of an id states, such as `gpt-5.1-high` or `..._16K`; empty where it states none."""
    found = _AT_END.search(name)
    if not found or (found[0].lower().endswith("-medium") and _SIZED.search(name[: found.start()])):
        return ""
    return next(group for group in found.groups() if group).lower()
