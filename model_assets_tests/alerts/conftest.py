"""Worlds in which there is something to tell."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from model_assets_tests.alerts.world import World, world
from model_assets_tests.conftest import dagster_beside


@pytest.fixture
def here(url: str, server: str, dagster_template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world with an empty ledger."""
    monkeypatch.setenv("DAGSTER_PG_URL", "")  # put back at the end
    with dagster_beside(server, dagster_template, url), world(url, tmp_path / "dagster") as found:
        yield found


@pytest.fixture
def settled_here(settled_copy: str, server: str, dagster_template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose ledger has all bundled recordings."""
    monkeypatch.setenv("DAGSTER_PG_URL", "")
    with dagster_beside(server, dagster_template, settled_copy), world(settled_copy, tmp_path / "settled") as found:
        yield found
