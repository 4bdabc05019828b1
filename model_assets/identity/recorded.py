"""Facts of listings from recordings, without a database."""

from pathlib import Path

from model_assets.errors import BadRecording
from model_assets.identity.link import Facts
from model_assets.recording_files import find
from model_assets.sources import of_kind

LISTING_SOURCES = of_kind("prices", "models")


def facts_of(path: Path) -> list[Facts]:
    """What the recordings of a folder last said of every listing that they ever held.

    Raises BadRecording where there are none, or one cannot be read; BadPayload where one is no catalogue.
    """
    recordings = find(path, LISTING_SOURCES).recordings
    if not recordings:
        raise BadRecording(
            f"there are no recordings of {', '.join(LISTING_SOURCES)} in {path}. Give a folder that holds <source>/<instant>.json.gz."
        )
    found: dict[tuple[str, str, str], Facts] = {}
    for one in sorted(recordings, key=lambda recording: (recording.source, recording.observed_at)):
        for listing in LISTING_SOURCES[one.source].rows(one.read()[0]).all_listings:
            facts = Facts(one.source, *(getattr(listing, name) for name in Facts._fields[1:]))
            found[facts[:3]] = facts
    return list(found.values())
