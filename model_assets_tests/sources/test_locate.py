"""From a listing back to its entry in the payload, by every source's own path."""

import gzip
from collections.abc import Iterator
from typing import Any

import pytest

from model_assets import recording_files
from model_assets.fetching import strict_json
from model_assets.settings import BUNDLED_RECORDINGS
from model_assets.sources import SOURCES
from model_assets.sources.base import Source
from model_assets_tests.pointers import followed
from model_assets_tests.shared_data import body, needs_recordings, recordings

#: the sources whose listings come with the project
BUNDLED = [name for name, source in SOURCES.items() if source.path and (BUNDLED_RECORDINGS / name).is_dir()]


def bundled(name: str) -> Iterator[Any]:
    """The payloads of a source that come with the project."""
    for one in recording_files.find(BUNDLED_RECORDINGS, [name]).recordings:
        yield strict_json.loads(gzip.decompress(one.path.read_bytes()))


def assert_every_listing_is_found(source: Source, payload: Any) -> None:
    listed = source.parse(payload).listings
    assert listed
    places = {}
    for one in listed:
        found = source.locate(payload, one.provider, one.listed_id)
        assert found is not None, (source.name, one.provider, one.listed_id)
        pointer, entry = found
        assert followed(payload, pointer) is entry
        places[pointer] = one
    assert len(places) == len({(one.provider, one.listed_id) for one in listed})


@pytest.mark.parametrize("name", BUNDLED)
def test_every_listing_leads_to_an_entry_of_its_own(name: str) -> None:
    for payload in bundled(name):
        assert_every_listing_is_found(SOURCES[name], payload)


@needs_recordings
@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.path])
def test_every_listing_of_the_newest_real_payload_does(name: str) -> None:
    found = recordings(name)
    if not found:
        pytest.skip(f"there is no real recording of {name}")
    assert_every_listing_is_found(SOURCES[name], strict_json.loads(body(found[-1])))


@pytest.mark.parametrize(
    ("name", "provider", "listed_id", "pointer"),
    [
        ("models_dev", "openrouter", "openai/gpt-oss-20b:free", "/openrouter/models/openai~1gpt-oss-20b:free"),
        ("models_dev_models", "models.dev", "openai/gpt-4o", "/openai~1gpt-4o"),
        ("openrouter", "openrouter", "openai/gpt-4o", "/data/"),
        ("litellm", "groq", "groq/llama-3.3-70b-versatile", "/groq~1llama-3.3-70b-versatile"),
        ("genai_prices", "openai", "gpt-4o", "/models/"),
    ],
)
def test_the_pointer_is_written_as_json_pointers_are(name: str, provider: str, listed_id: str, pointer: str) -> None:
    [first, *_] = bundled(name)
    found = SOURCES[name].locate(first, provider, listed_id)
    assert found is not None
    assert pointer in found[0]


@pytest.mark.parametrize("name", BUNDLED)
def test_what_is_not_in_the_payload_is_not_found(name: str) -> None:
    [first, *_] = bundled(name)
    assert SOURCES[name].locate(first, "openai", "no such listing") is None
    assert SOURCES[name].locate(first, "no such provider", "no such listing") is None
    broken_ones: list[Any] = [None, 5, "text", [], {}, {"data": {}}, [{"id": "openai", "models": 5}], [None]]
    for broken in broken_ones:
        assert SOURCES[name].locate(broken, "openai", "gpt-4o") is None
