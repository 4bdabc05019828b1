"""The Berkeley Function Calling Leaderboard: how well models call functions.

Source  https://gorilla.cs.berkeley.edu/data_overall.csv (public, no key; Apache-2.0)
Grain   one score per model, mode (FC: its own function calls; Prompt: asked for in words) and column
Units   accuracies in percent, quoted with the sign; dollars; seconds
Past    not served: a missed day is loaded from a recording or stays missing

The file does not say its version, but its columns do: the fourth version of the benchmark brought web search and memory and counts them in the
overall accuracy, the third brought dialogues of several turns. The split is the column's name; empty is the overall accuracy.
"""

import re
from collections.abc import Mapping

from model_assets.contracts import Score
from model_assets.errors import BadPayload
from model_assets.sources.base import Parsed, Source
from model_assets.sources.scores import csv_rows, put, run_of

BENCHMARK = "bfcl"
MODEL, OVERALL = "Model", "Overall Acc"
#: column -> (split, metric, unit); the others are accuracies
NO_ACCURACY = {
    "Total Cost ($)": ("", "cost", "usd"),
    "Cost ($ Per 1k Function Calls)": ("", "cost_per_1k_calls", "usd"),
    "Latency Mean (s)": ("", "latency_mean", "seconds"),
    "Latency Standard Deviation (s)": ("", "latency_standard_deviation", "seconds"),
    "Latency 95th Percentile (s)": ("", "latency_95th_percentile", "seconds"),
    "Format Sensitivity Max Delta": ("Format Sensitivity", "max_delta", "score"),
    "Format Sensitivity Standard Deviation": ("Format Sensitivity", "standard_deviation", "score"),
}
ACCURACIES = frozenset(
    {
        OVERALL, "Non-Live AST Acc", "Non-Live Simple AST", "Non-Live Multiple AST", "Non-Live Parallel AST", "Non-Live Parallel Multiple AST",
        "Live Acc", "Live Simple AST", "Live Multiple AST", "Live Parallel AST", "Live Parallel Multiple AST", "Multi Turn Acc",
        "Multi Turn Base", "Multi Turn Miss Func", "Multi Turn Miss Param", "Multi Turn Long Context", "Web Search Acc", "Web Search Base",
        "Web Search No Snippet", "Memory Acc", "Memory KV", "Memory Vector", "Memory Recursive Summarization", "Relevance Detection",
        "Irrelevance Detection",
    }
)  # fmt: skip
#: `Rank` says what the accuracies say, and moves whenever another model comes
ABOUT = frozenset({"Rank", MODEL, "Model Link", "Organization", "License"})


def decode(body: bytes) -> list[dict[str, str | None]]:
    """The rows of the table. Raises BadPayload."""
    try:
        return csv_rows(body.decode("utf-8"), frozenset({MODEL, OVERALL}), "BFCL's table")
    except UnicodeDecodeError as broken:
        raise BadPayload(f"BFCL's table is not UTF-8 at byte {broken.start:,}. Look at the payload, and tell the source.") from None


def version_by(columns: Mapping[str, object]) -> str:
    """v4, v3 or v2: what the columns of a table tell of the benchmark's version."""
    return "v4" if "Web Search Acc" in columns else "v3" if "Multi Turn Acc" in columns else "v2"


def parse(rows: list[dict[str, str | None]]) -> Parsed:
    """The scores of all models. A row that is broken is rejected by itself."""
    parsed = Parsed()
    for row in rows:
        if "" in row or None in row.values():
            parsed.reject("score", BENCHMARK, None, "a row that is longer or shorter than the header", row)
        else:
            _scores(parsed, {column: (cell or "").strip() for column, cell in row.items()})
    return parsed


def _scores(parsed: Parsed, row: Mapping[str, str]) -> None:
    named = re.fullmatch(r"(.+?) \((FC|Prompt)\)", row[MODEL])
    run = run_of(
        parsed,
        BENCHMARK,
        named[1] if named else row[MODEL],
        version=version_by(row),
        variant=named[2] if named else "",
        url=row.get("Model Link"),
        extra={"organisation": row.get("Organization"), "license": row.get("License"), "listed_as": row[MODEL]},
    )
    if run is None:
        return
    for column in sorted(row.keys() - ABOUT):
        _score(parsed, run, column, None if row[column] in ("", "N/A") else row[column])


def _score(parsed: Parsed, run: Score, column: str, cell: str | None) -> None:
    """One cell. Of a column that is not known yet, what has a percent sign is an accuracy, and the rest is left in the payload."""
    if column in NO_ACCURACY:
        split, metric, unit = NO_ACCURACY[column]
        put(parsed, run._replace(split=split), metric, unit, cell)
        return
    if column not in ACCURACIES:
        parsed.drift[f"row.{column}"] += 1
    if column in ACCURACIES or (cell and cell.endswith("%")):
        percent = cell[:-1] if cell and cell.endswith("%") else cell and f"{cell} (no percent sign)"
        put(parsed, run._replace(split="" if column == OVERALL else column.removesuffix(" Acc")), "accuracy", "pct", percent)


bfcl = SOURCE = Source(
    "bfcl",
    "https://gorilla.cs.berkeley.edu/data_overall.csv",
    parse,
    about=__doc__ or "",
    kind="scores",
    extension="csv",
    decode=decode,
    accept="text/csv, */*;q=0.1",
)
