"""Recordings to be spoilt."""

import shutil
from pathlib import Path

import pytest

from model_assets.settings import BUNDLED_RECORDINGS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the bundled recordings, to be spoilt."""
    return Path(
        shutil.copytree(
            BUNDLED_RECORDINGS, tmp_path / "my recordings", ignore=shutil.ignore_patterns("*.py", "*.yml", "*.md", "__pycache__")
        )
    )
