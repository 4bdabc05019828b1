"""Epoch AI's Capabilities Index: one number per model version, fitted from many benchmarks.

Source  https://epoch.ai/data/epoch_capabilities_index.csv (public, no key; CC BY 4.0)
Grain   one score per model version; versions without a score are no rows
Units   an index that Epoch fits anew with every release: no percentage
Past    not served: a missed day is loaded from a recording or stays missing

The model is the column `Model version`, where an effort or a budget of thinking tokens may stand at the end (`..._high`, `..._16K`).
"""

from collections.abc import Mapping

from model_assets.errors import BadPayload
from model_assets.sources.base import Parsed, Source
from model_assets.sources.scores import csv_rows, effort_in, put, run_of

BENCHMARK = "epoch_capabilities_index"
VERSION, SCORE = "Model version", "ECI Score"
DETAILS = {
    "Release date": "released",
    "Organization": "organisation",
    "Country": "country",
    "Model accessibility": "accessibility",
    "Training compute (FLOP)": "training_compute_flop",
    "Confidence": "confidence",
    "Model name": "name",
    "Display name": "display_name",
    "Description": "description",
}


def decode(body: bytes) -> list[dict[str, str | None]]:
    """The rows of the table. Raises BadPayload."""
    try:
        return csv_rows(body.decode("utf-8"), frozenset({VERSION, SCORE}), "Epoch's index")
    except UnicodeDecodeError as broken:
        raise BadPayload(f"Epoch's index is not UTF-8 at byte {broken.start:,}. Look at the payload, and tell the source.") from None


def parse(rows: list[dict[str, str | None]]) -> Parsed:
    """One score per model version that has one. A row that is broken is rejected by itself."""
    parsed = Parsed()
    for row in rows:
        model = row[VERSION]
        if "" in row or None in row.values():
            parsed.reject("score", BENCHMARK, None, "a row that is longer or shorter than the header", row)
        elif row[SCORE]:
            _score(parsed, str(model), row)
    return parsed


def _score(parsed: Parsed, model: str, row: Mapping[str, str | None]) -> None:
    unknown = row.keys() - DETAILS.keys() - {VERSION, SCORE}
    for column in unknown:
        parsed.drift[f"row.{column}"] += 1
    extra = {key: (row.get(column) or "").strip() for column, key in DETAILS.items()} | {column: row[column] for column in unknown}
    run = run_of(parsed, BENCHMARK, model, effort=effort_in(model), runner="Epoch AI", url="https://epoch.ai/eci", extra=extra)
    if run:
        put(parsed, run, "eci", "index", row[SCORE])


epoch = SOURCE = Source(
    "epoch",
    "https://epoch.ai/data/epoch_capabilities_index.csv",
    parse,
    about=__doc__ or "",
    kind="scores",
    extension="csv",
    decode=decode,
    accept="text/csv, */*;q=0.1",
)
