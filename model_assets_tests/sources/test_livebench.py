"""LiveBench, from tables small enough to read to every real payload."""

from typing import Any

import pytest

from model_assets.errors import BadPayload
from model_assets.fetching.http import Policy
from model_assets.pipeline import asking
from model_assets.sources.base import Parsed
from model_assets.sources.gathered import Part, pack, parts
from model_assets.sources.livebench import RELEASES, SOURCE, collect
from model_assets_tests.fetching.misbehaving import answer, serving
from model_assets_tests.sources.score_rows import as_csv, as_json, cut, gathered, needs_benchmarks, only, outcomes, real, values, whole

TABLE = "model,code,proof,typos\nlab-1-high,50.0,30,9.5\n"
CATEGORIES = '{"Coding": ["code"], "Rest": ["proof", "typos"]}'


def rows(table: str = TABLE, categories: str | None = CATEGORIES) -> Parsed:
    """What becomes of the release 2026-01-08."""
    return SOURCE.rows(gathered(table_2026_01_08__csv=table, **({"categories_2026_01_08__json": categories} if categories else {})))


def test_a_task_has_a_score_and_the_averages_are_those_of_the_site() -> None:
    parsed = rows()
    assert values(parsed, "metric", "split") == {
        ("score", "code"): "50",
        ("score", "proof"): "30",
        ("score", "typos"): "9.5",
        ("average", "Coding"): "50",
        ("average", "Rest"): "19.75",
        ("average", ""): "34.875",
    }
    assert {(score.version, score.model, score.effort, score.unit) for score in parsed.scores} == {
        ("2026-01-08", "lab-1-high", "high", "pct")
    }


def test_a_task_of_the_same_name_in_another_release_is_another_task() -> None:
    other = TABLE.replace("50.0", "20")
    parsed = SOURCE.rows(gathered(table_2024_06_24__csv=TABLE, table_2026_01_08__csv=other))
    assert values(parsed, "version", "split")["2024-06-24", "code"] == "50"
    assert values(parsed, "version", "split")["2026-01-08", "code"] == "20"


def test_a_release_without_categories_has_no_averages() -> None:
    assert {score.metric for score in rows(categories=None).scores} == {"score"}


def test_a_short_row_lacks_its_last_cells_and_every_average_over_them() -> None:
    parsed = rows(TABLE.replace(",30,9.5", ",30"))
    assert values(parsed, "metric", "split") == {("score", "code"): "50", ("score", "proof"): "30", ("average", "Coding"): "50"}
    assert not parsed.rejects
    assert [(oddity.listed_id, oddity.found) for oddity in parsed.oddities] == [("lab-1-high", "typos")]


def test_a_cell_that_is_no_number_puts_itself_and_the_averages_over_it_in_doubt() -> None:
    parsed = rows(TABLE.replace("30", "n/a"))
    assert values(parsed, "metric", "split") == {("score", "code"): "50", ("score", "typos"): "9.5", ("average", "Coding"): "50"}
    assert [(reject.row.metric, reject.row.split) for reject in parsed.rejects if reject.row and reject.relation == "score"] == [  # type: ignore[union-attr]
        ("score", "proof"),
        ("average", "Rest"),
        ("average", ""),
    ]


def test_a_broken_row_is_rejected_by_itself() -> None:
    parsed = rows("model,code\na,1\n,2\nb,3,4\n", None)
    assert only(parsed).model == "a"
    assert [reject.reason for reject in parsed.rejects] == ["model: an empty id", "a row that is longer than the header"]


def test_the_payload_is_gathered_from_all_releases() -> None:
    with serving(answer(200, TABLE.encode())) as server:
        found = parts(collect(asking(Policy(allow_loopback=True)), None, server.url("")))
        asked = [request.split()[1] for request in server.requests]
    assert [part.url.rpartition("/")[2] for part in found] == [path.removeprefix("/") for path in asked]
    assert len(asked) == len(RELEASES) + sum(RELEASES.values())
    assert asked[:2] == ["/table_2024_06_24.csv", "/categories_2024_06_24.json"]


@pytest.mark.parametrize(
    "files",
    [
        {"other__csv": TABLE}, {"table_2026__csv": TABLE}, {"table_2026_01_08__csv": "a,b"}, {"categories_2026_01_08__json": "[]"},
        {"categories_2026_01_08__json": '{"a": "b"}'}, {"categories_2026_01_08__json": "<html>"},
    ],
)  # fmt: skip
def test_what_is_no_file_of_livebench_is_refused(files: dict[str, Any]) -> None:
    with pytest.raises(BadPayload):
        SOURCE.rows(gathered(**files))


def test_a_table_alone_or_twice_is_refused_for_its_release_is_unsaid_or_doubtful() -> None:
    twice = pack([Part("https://a/table_2026_01_08.csv", None, TABLE)] * 2)
    for body in (TABLE.encode(), twice):
        with pytest.raises(BadPayload):
            SOURCE.rows(body)


def test_every_damage_to_a_payload_has_a_declared_outcome() -> None:
    def with_table(table: Any) -> bytes:
        return gathered(table_2026_01_08__csv=as_csv(table).decode("utf-8", "replace"), categories_2026_01_08__json=CATEGORIES)

    def with_categories(categories: Any) -> bytes:
        return gathered(table_2026_01_08__csv=TABLE, categories_2026_01_08__json=as_json(categories))

    table = [["model", "code", "proof", "typos"], ["m", "5", "6", "7"], ["n", "7", "8", "9"]]
    assert sum(outcomes(SOURCE, table, with_table).values()) > 100
    assert sum(outcomes(SOURCE, {"A": ["code"], "B": ["proof"]}, with_categories).values()) > 50
    for broken in cut(gathered(table_2026_01_08__csv=TABLE)):
        with pytest.raises(BadPayload):
            SOURCE.rows(broken)


@needs_benchmarks
def test_every_real_payload_is_read_whole() -> None:
    files = {
        "table_2024_06_24__csv": "table_2024_06_24@2024-09-06.csv.gz",
        "categories_2024_06_24__json": "categories_2024_06_24@2024-08-02.json.gz",
        "table_2025_05_30__csv": "table_2025_05_30@2025-12-01.csv.gz",
        "table_2025_12_23__csv": "table_2025_12_23@2026-01-02.csv.gz",
        "table_2026_01_08__csv": "table_2026_01_08@2026-07-01.csv.gz",
        "categories_2026_01_08__json": "categories_2026_01_08@2026-01-19.json.gz",
    }
    parsed = whole(SOURCE.rows(gathered(**{name: real(f"livebench/{file}") for name, file in files.items()})), 8447)
    counts = {
        version: len({score.model for score in parsed.scores if score.version == version}) for version in ("2024-06-24", "2026-01-08")
    }
    assert counts == {"2024-06-24": 73, "2026-01-08": 127}
    found = values(parsed, "version", "model", "split")
    assert found["2026-01-08", "claude-4-1-opus-20250805-base", "consecutive_events"] == "2.223"
    short = {split for version, model, split in found if model == "nemotron-3-super-120b-a12b"}
    assert not short & {"typescript", "typos", "zebra_puzzle", "Agentic Coding", "Language", "Reasoning", ""}
    assert {"tablejoin", "Mathematics", "IF"} <= short
    assert [oddity.listed_id for oddity in parsed.oddities] == ["nemotron-3-super-120b-a12b"]
