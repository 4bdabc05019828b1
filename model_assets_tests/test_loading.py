"""After a load, what is derived from the ledger and from the policy file is up to date."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from model_assets import loading, recording_files
from model_assets.database import connect
from model_assets.errors import SettingsError
from model_assets.settings import BUNDLED_RECORDINGS, read_settings
from model_assets.settling import settle
from model_assets.sources import SOURCES


def free(url: str) -> int:
    with connect(url) as connection:
        return int(connection.execute(text("select count(*) from access.free_models")).scalar_one())


def load(url: str) -> None:
    found = recording_files.find(BUNDLED_RECORDINGS / "openrouter", SOURCES).recordings
    assert not any(report.errors for report in loading.import_recordings(url, found, lambda _: None))


def test_nobody_may_use_anything_until_a_policy_is_loaded(url: str) -> None:
    load(url)
    assert free(url) == 0
    settle(url, read_settings().model_policy_file)
    assert free(url) > 0


def test_price_changes_are_counted_after_a_load(url: str) -> None:
    load(url)
    settle(url, read_settings().model_policy_file)
    with connect(url) as connection:
        query = "select max(changed_at) from catalog.price_change where kind = 'changed'"
        assert connection.execute(text(query)).scalar() == datetime(2026, 5, 20, 2, tzinfo=UTC)


def test_a_policy_that_cannot_be_read_leaves_the_one_that_was_loaded(url: str, tmp_path: Path) -> None:
    load(url)
    settle(url, read_settings().model_policy_file)
    broken = tmp_path / "policy.yml"
    broken.write_text("rules: [")
    before = free(url)
    with pytest.raises(SettingsError, match=r"policy\.yml"):
        settle(url, broken)
    assert free(url) == before


def test_a_replaced_payload_stays_replaced_when_it_is_imported_again_until_a_person_brings_it_back(url: str, tmp_path: Path) -> None:
    openrouter = SOURCES["openrouter"]
    at = datetime(2026, 5, 18, 2, tzinfo=UTC)

    def recording(price: str) -> recording_files.Recording:
        path = tmp_path / price / "openrouter" / "2026-05-18T0200Z.json.gz"
        path.parent.mkdir(parents=True)
        body = json.dumps({"data": [{"id": "lab/a", "pricing": {"prompt": price, "completion": price}}]})
        path.write_bytes(gzip.compress(body.encode()))
        return recording_files.Recording("openrouter", at, path)

    def held() -> list[int]:
        with connect(url) as connection:
            return [int(amount) for amount in connection.execute(text("select amount from history.price where meter = 'input'")).scalars()]

    wrong, right = recording("0.000001"), recording("0.000002")
    for one in (wrong, right, wrong):
        assert not any(report.errors for report in loading.import_recordings(url, [one], lambda _: None))
    assert held() == [2]
    loading.accept(url, openrouter, at, "somebody", "replaced")
    assert held() == [1]
