"""LiveBench: questions that are replaced every few months, so that nobody can have learnt them.

Source  https://livebench.ai/table_<release>.csv and categories_<release>.json (public, no key)
Grain   one score per release of the questions, model and task; and the averages that the site shows, where a release's categories are known
Units   percent of the points of a task
Past    not served: a missed day is loaded from a recording or stays missing

The release is the version: a task of the same name has other questions in another release. Rows are still appended to old releases. An average
over a category stands for the mean of its tasks (split: the category), the overall one for the mean of the categories (split: empty); a model that
lacks a task has no average over it. A payload is gathered from all files; a table alone does not say its release.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from model_assets.contracts import Score
from model_assets.errors import BadPayload
from model_assets.fetching import strict_json
from model_assets.sources.amounts import BadAmount
from model_assets.sources.base import Ask, Parsed, Source, mapping, sequence
from model_assets.sources.gathered import Part, Request, gather, parts
from model_assets.sources.scores import csv_rows, effort_in, number, put, run_of

BENCHMARK = "livebench"
SITE = "https://livebench.ai"
MODEL = "model"
#: the releases of the questions, and whether the site says which tasks make up a category of theirs
RELEASES = {"2024_06_24": True, "2025_05_30": False, "2025_12_23": False, "2026_01_08": True}
Categories = Mapping[str, Sequence[str]]


def collect(ask: Ask, kept: bytes | None, site: str = SITE) -> bytes:
    """The payload of all releases. Raises FetchFailed."""
    wanted = []
    for release, has_categories in RELEASES.items():
        wanted.append(Request(f"{site}/table_{release}.csv", accept="text/csv, */*;q=0.1"))
        if has_categories:
            wanted.append(Request(f"{site}/categories_{release}.json"))
    return gather(ask, kept, wanted)


def decode(body: bytes) -> list[Part]:
    """The files of a payload. Raises BadPayload."""
    return parts(body)


def parse(payload: Sequence[Part]) -> Parsed:
    """The scores of all releases. A row that is broken is rejected by itself."""
    tables: dict[str, str] = {}
    categories: dict[str, Categories] = {}
    for part in payload:
        named = re.search(r"/(table|categories)_([0-9]{4}_[0-9]{2}_[0-9]{2})\.(?:csv|json)$", part.url)
        if not named or (named[1] == "table" and named[2] in tables):
            raise BadPayload(f"{part.url[:100]!a} is no file of LiveBench, or stands there twice. Look at the payload in raw.")
        if named[1] == "table":
            tables[named[2]] = part.body
        else:
            categories[named[2]] = _categories(part.body)
    parsed = Parsed()
    for release, table in tables.items():
        for row in csv_rows(table, frozenset({MODEL}), f"LiveBench's table of {release}"):
            _scores(parsed, release.replace("_", "-"), row, categories.get(release, {}))
    return parsed


def _categories(text: str) -> Categories:
    found = mapping(strict_json.loads(text.encode()), "LiveBench's categories")
    return {name: [str(task) for task in sequence(tasks, "a category of LiveBench")] for name, tasks in found.items()}


def _scores(parsed: Parsed, version: str, row: Mapping[str, str | None], categories: Categories) -> None:
    model = row[MODEL]
    if "" in row:
        parsed.reject("score", BENCHMARK, None, "a row that is longer than the header", row)
        return
    run = run_of(parsed, BENCHMARK, model, version=version, effort=effort_in(model or ""), runner="LiveBench", url=SITE)
    if run is None:
        return
    short = [task for task, cell in row.items() if cell is None]
    if short:
        parsed.odd(run.model, "row", ", ".join(short), f"the row of {version} is short: these cells are missing at its end")
    for task, cell in row.items():
        if task != MODEL:
            put(parsed, run._replace(split=task), "score", "pct", cell or None)
    _averages(parsed, run, row, categories)


def _averages(parsed: Parsed, run: Score, row: Mapping[str, str | None], categories: Categories) -> None:
    """The averages of a row. One over a cell that is no number is rejected as that cell is: what was said before goes on."""
    means = {category: mean([row.get(task) or None for task in tasks]) for category, tasks in categories.items()}
    for category, average in {**means, "": mean(list(means.values()))}.items():
        where = run_of(parsed, BENCHMARK, run.model, version=run.version, split=category, effort=run.effort, runner=run.runner, url=run.url)
        if where:
            put(parsed, where, "average", "pct", average)


def mean(found: Sequence[str | Decimal | None]) -> Decimal | str | None:
    """The mean of numbers; null where one of them is missing or there is none, and the first text that is no number where there is one."""
    values = []
    for one in found:
        try:
            values.append(None if one is None else number(one))
        except BadAmount:
            return str(one)
    there = [value for value in values if value is not None]
    return sum(there, Decimal(0)) / len(there) if there and len(there) == len(values) else None


livebench = SOURCE = Source("livebench", SITE, parse, about=__doc__ or "", kind="scores", decode=decode, gather=collect)
