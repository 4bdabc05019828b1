"""After a load, what is derived from the ledger and from the policy file is up to date."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from model_assets import loading, recording_files
from model_assets.database import connect
from model_assets.errors import SettingsError
from model_assets.settings import BUNDLED_RECORDINGS, read_settings
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
    loading.bring_up_to_date(url, read_settings().model_policy_file)
    assert free(url) > 0


def test_price_changes_are_counted_after_a_load(url: str) -> None:
    load(url)
    loading.bring_up_to_date(url, read_settings().model_policy_file)
    with connect(url) as connection:
        query = "select max(changed_at) from catalog.price_change where kind = 'changed'"
        assert connection.execute(text(query)).scalar() == datetime(2026, 5, 20, 2, tzinfo=UTC)


def test_a_policy_that_cannot_be_read_leaves_the_one_that_was_loaded(url: str, tmp_path: Path) -> None:
    load(url)
    loading.bring_up_to_date(url, read_settings().model_policy_file)
    broken = tmp_path / "policy.yml"
    broken.write_text("rules: [")
    before = free(url)
    with pytest.raises(SettingsError, match=r"policy\.yml"):
        loading.bring_up_to_date(url, broken)
    assert free(url) == before
