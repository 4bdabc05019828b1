"""Real payloads beside the recordings: those that a live endpoint would serve whole import as recordings do; the others are refused by name."""

import gzip
import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from model_assets import loading, recording_files
from model_assets.database import connect
from model_assets.errors import BadPayload
from model_assets.sources import SOURCES
from model_assets_tests.shared_data import SHARED, needs_recordings

pytestmark = needs_recordings
PAYLOADS = SHARED / "payloads"
#: source -> (file, the instant it was captured), oldest first
WHOLE = {
    "litellm": [("litellm/model_prices_v1.80.10.json.gz", "2025-12-17T0000Z"), ("litellm/model_prices_v1.109.1.json.gz", "2026-08-21T0000Z")],
    "bfcl": [(f"benchmarks/bfcl/data_overall_{day}.csv.gz", f"{day}T0000Z") for day in ("2025-04-25", "2025-06-14", "2025-08-28", "2025-12-16")],
    "artificial_analysis": [
        (f"benchmarks/artificial_analysis/llms_models_archive_{day}.json.gz", f"{day}T0000Z") for day in ("2026-06-23", "2026-07-22")
    ],
    "huggingface": [
        ("huggingface/models_trending_2026-04-26.json.gz", "2026-04-26T0000Z"), ("huggingface/models_trending15_2026-08-02.json.gz", "2026-08-02T0000Z"),
    ],
    "news": [
        ("mentions/rss_anthropic_news_2026-06-23.xml.gz", "2026-06-23T0000Z"), ("mentions/atom_arxiv_2026-08-02.xml.gz", "2026-08-02T0000Z"),
        ("mentions/rss_anthropic_news_2026-08-22.xml.gz", "2026-08-22T0000Z"),
    ],
    "discussions": [
        ("mentions/hn_search_anthropic_2026-05-07.json.gz", "2026-05-07T0000Z"), ("mentions/hn_search_by_date_2026-08-02.json.gz", "2026-08-02T0000Z"),
    ],
}  # fmt: skip


def test_what_an_endpoint_served_whole_imports_as_a_recording_does(url: str, tmp_path: Path) -> None:
    for source, files in WHOLE.items():
        (tmp_path / source).mkdir()
        for file, instant in files:
            shutil.copy(PAYLOADS / file, tmp_path / source / f"{instant}.{SOURCES[source].extension}.gz")
    found = recording_files.find(tmp_path, SOURCES)
    assert (found.unknown, found.problems) == ({}, ())
    reports = loading.import_recordings(url, found.recordings, lambda _: None)
    assert {report.source: report.errors for report in reports} == {source: [] for source in sorted(WHOLE)}
    with connect(url) as connection:
        seen = connection.execute(text("select count(*) from ops.observation where verdict = 'accepted'")).scalar()
        broken = connection.execute(
            text("select source, reason from ops.quarantine where relation <> 'listing' or source <> 'huggingface'")
        ).all()
    assert seen == sum(len(files) for files in WHOLE.values())
    assert broken == []


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ("artificial_analysis", "benchmarks/artificial_analysis/models_free_page1_2026-06-27.json.gz"),  # one page of three
        ("litellm", "litellm/model_prices_v1.82.3.json.gz"),  # a key twice
        ("lmarena", "benchmarks/lmarena/scatterplot-data_2025-12-17.json.gz"),  # another endpoint
        ("openrouter", "openrouter/endpoints_archive_2026-07-22.json.gz"),  # a digest
        ("huggingface", "huggingface/litert_gallery_1_0_17_2026-08-03.json.gz"),  # an app's list
        ("jobs", "mentions/jobs_himalayas_2026-05-19.json.gz"),  # another site's
    ],
)
def test_what_is_no_whole_answer_of_its_source_is_refused_with_what_to_do(source: str, file: str) -> None:
    with pytest.raises(BadPayload, match="Look at"):
        SOURCES[source].rows(gzip.decompress((PAYLOADS / file).read_bytes()))
