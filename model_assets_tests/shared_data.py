"""Where the real recordings are, for the tests that read them. They are other people's data and are not part of the project."""

import gzip
import os
from pathlib import Path

import pytest

from model_assets.settings import BUNDLED_RECORDINGS
from model_assets.sources import SOURCES

#: the sources of which recordings come with the project
BUNDLED = {name: source for name, source in SOURCES.items() if (BUNDLED_RECORDINGS / name).is_dir()}
SHARED = Path(os.environ.get("MODEL_ASSETS_SHARED", Path(__file__).resolve().parents[2] / "shared"))
needs_recordings = pytest.mark.skipif(
    not (SHARED / "recordings").is_dir(),
    reason=f"no real recordings in {SHARED / 'recordings'}; set MODEL_ASSETS_SHARED to the folder that holds them",
)


def recordings(source: str) -> list[Path]:
    """The real recordings of a source, oldest first; empty where there are none."""
    return sorted((SHARED / "recordings" / source).glob("*.gz"))


def body(path: Path) -> bytes:
    """The bytes that the source once served."""
    return gzip.decompress(path.read_bytes())
