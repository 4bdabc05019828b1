"""Hugging Face's list: what an entry says, what is left apart, what is put aside."""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from model_assets.contracts import Listing, Popularity
from model_assets.errors import BadPayload
from model_assets.paged import digest_all
from model_assets.sources.base import Parsed
from model_assets.sources.hugging_face import payload as payloads
from model_assets.sources.hugging_face.entries import is_weights
from model_assets.sources.hugging_face.payload import Filter, Page, Payload, Weights, Writer
from model_assets.sources.hugging_face.tasks import TASKS, Task, task_of
from model_assets.sources.huggingface import SOURCE
from model_assets_tests.shared_data import SHARED, body
from model_assets_tests.sources.damaged import outcomes
from model_assets_tests.sources.hub_server import Model, repository

REAL = SHARED / "payloads" / "huggingface"
needs_payloads = pytest.mark.skipif(
    not REAL.is_dir(), reason=f"no payloads in {REAL}; set MODEL_ASSETS_SHARED to the folder that holds them"
)


def listed(*entries: object) -> bytes:
    """A page by itself, as the address returns it."""
    return json.dumps(list(entries)).encode()


def zipped(*pages: Sequence[Model], cut: bool = False, limit: int | None = None, weights: dict[str, Weights] | None = None) -> bytes:
    """The payload of several pages of one filter."""
    writer = Writer()
    for number, page in enumerate(pages):
        writer.page(Page(f"https://x/{number}", "litert", None, None), listed(*page))
        writer.weights(number, weights or {})
    return writer.finish([Filter("litert", limit, cut)], 0)


def rows(payload: bytes) -> list[Listing]:
    return list(SOURCE.rows(payload).all_listings)


def one(**entry: object) -> tuple[Listing, dict[str, Any]]:
    """The listing of one entry, and its `extra`."""
    (found,) = rows(listed(repository(**entry)))  # type: ignore[arg-type]
    return found, json.loads(found.extra)


def test_an_entry_becomes_a_listing_with_what_only_hugging_face_says() -> None:
    found, extra = one(id="google/gemma-3", tags=["litert", "license:apache-2.0", "chat"], cardData={"summary": " A small model. "})
    assert found[:2] == ("huggingface", "google/gemma-3")
    assert (found.name, found.author, found.hugging_face_id) == ("gemma-3", "google", "google/gemma-3")
    assert (found.license, found.open_weights, found.description) == ("apache-2.0", True, "A small model.")
    assert found.docs_url == "https://huggingface.co/google/gemma-3"
    assert extra["files"] == ["README.md", "m.tflite"]
    assert extra["tags"] == ["chat", "license:apache-2.0", "litert"]
    assert (extra["sha"], extra["library"], extra["task"], extra["task_source"]) == ("a" * 40, "litert", "text-generation", "stated")
    assert extra["licence_class"] == "safe"


def test_what_moves_on_every_look_is_kept_apart() -> None:
    before = SOURCE.rows(listed(repository(downloads=5, likes=1)))
    moved = repository(downloads=6, likes=2, trendingScore=9, lastModified="2026-06-01T00:00:00.000Z", downloadsAllTime=100)
    after = SOURCE.rows(listed(moved))
    assert list(before.all_listings) == list(after.all_listings)
    assert list(after.all_popularity) == [Popularity("huggingface", "lab/m", downloads=6, likes=2)]
    assert not after.drift


def test_the_order_of_tags_and_files_means_nothing() -> None:
    files = [{"rfilename": name} for name in ("b", "a")]
    assert one(tags=["b", "a"], siblings=files) == one(tags=["a", "b"], siblings=files[::-1])


def test_a_licence_comes_from_the_tag_or_else_from_the_card_and_other_has_a_name() -> None:
    assert one(tags=[], cardData={"license": "mit"})[0].license == "mit"
    assert one(tags=[], cardData={"license": ["gpl-3.0", "mit"]})[0].license == "gpl-3.0"
    assert one(tags=["license:gemma"], cardData={"license": "mit"})[0].license == "gemma"
    found, extra = one(tags=["license:other"], cardData={"license_name": "lfm1.0", "license_link": "https://x"})
    assert (found.license, extra["licence_class"], extra["license_link"]) == ("lfm1.0", "custom", "https://x")
    found, extra = one(tags=[])
    assert (found.license, extra["licence_class"]) == (None, "unknown")


@pytest.mark.parametrize(
    ("gated", "said"), [(False, None), (None, None), ("auto", "auto"), ("manual", "manual"), (True, "yes"), (7, "unclear"), ("new", "new")]
)
def test_what_is_gated_in_a_way_that_is_new_is_taken_for_gated(gated: object, said: str | None) -> None:
    _, extra = one(gated=gated)
    assert extra.get("gated") == said
    assert extra["licence_class"] == ("gated" if said else "safe")


def test_an_id_without_an_owner_or_with_the_ending_of_a_file_is_an_id() -> None:
    assert one(id="gpt2", author=None)[0].author is None
    assert one(id="litert-community/functiongemma.litertlm")[0].name == "functiongemma.litertlm"


def test_whether_weights_can_be_had_is_unknown_where_no_files_are_stated() -> None:
    assert one(siblings=None)[0].open_weights is None
    assert one(siblings=[{"rfilename": "README.md"}])[0].open_weights is False


@pytest.mark.parametrize(
    "name", ["m.tflite", "M.TFLITE", "a/b.litertlm", "model-00001-of-00002.safetensors", "x.gguf", "pytorch_model.bin", "g.task"]
)
def test_files_of_weights_are_known_by_their_ending(name: str) -> None:
    assert is_weights(name)


@pytest.mark.parametrize("name", ["README.md", "config.json", "training_args.bin", "tokenizer.json", "a.tflite.md"])
def test_other_files_are_no_weights(name: str) -> None:
    assert not is_weights(name)


@pytest.mark.parametrize(
    ("task", "stated", "tags", "architectures", "id"),
    [
        (Task("summarization", "stated"), "summarization", ["text-generation"], ["BertForMaskedLM"], "lab/whisper"),
        (Task("text-to-speech", "tags"), None, ["x", "text-to-speech"], ["BertForMaskedLM"], "lab/whisper"),
        (Task("fill-mask", "config"), None, ["x"], ["BertForMaskedLM"], "lab/whisper"),
        (Task("automatic-speech-recognition", "config"), None, [], ["WhisperForConditionalGeneration"], "lab/m"),
        (Task("automatic-speech-recognition", "id"), None, ["other"], ["Unheard"], "lab/whisper-base"),
        (Task("text-generation", "id"), None, [], [], "litert-community/Gemma3-1B-IT"),
        (Task("text-generation", "id"), None, [], [], "lab/Qwen2.5-1.5B"),
        (Task("image-text-to-text", "id"), None, [], [], "lab/FastVLM-0.5B"),
        (Task("feature-extraction", "id"), None, [], [], "lab/embeddinggemma-300m"),
        (Task("object-detection", "id"), None, [], [], "lab/YOLOv8_det"),
        (Task(None, "unknown"), None, [], [], "instruct/italy"),
    ],
)  # fmt: skip
def test_a_task_is_stated_or_inferred_from_the_surest_sign(
    task: Task, stated: str | None, tags: list[str], architectures: list[str], id: str
) -> None:
    assert task_of(stated, tags, architectures, id) == task
    assert task.task is None or task.task in TASKS


@pytest.mark.parametrize(
    "broken", [None, 7, "x", [], {}, {"id": None}, {"id": 7}, {"id": ""}, {"id": "a\x00b"}, {"id": "\u202eevil"}, {"id": "x" * 600}]
)
def test_a_model_that_fails_is_skipped_and_the_rest_goes_on(broken: object) -> None:
    parsed = SOURCE.rows(listed(repository("lab/a"), broken, repository("lab/b")))
    assert [row.listed_id for row in parsed.all_listings] == ["lab/a", "lab/b"]
    (reject,) = parsed.rejects
    assert (reject.relation, reject.broken) == ("listing", True)


def test_an_unknown_key_is_kept_and_told_of() -> None:
    parsed = SOURCE.rows(listed(repository(shiny={"a": 1})))
    assert parsed.drift == {"model.shiny": 1}
    assert json.loads(parsed.all_listings[0].extra)["shiny"] == {"a": 1}


def test_listings_are_made_a_page_at_a_time_and_always_the_same() -> None:
    pages = [[repository(f"lab/{page}-{number}") for number in range(5)] for page in range(4)]
    parsed = SOURCE.rows(zipped(*pages))
    assert parsed.paged is not None
    ids = [f"lab/{page}-{number}" for page in range(4) for number in range(5)]
    assert [row.listed_id for row in parsed.paged] == ids
    assert [parsed.paged[place].listed_id for place in (19, 0, 7, -1)] == [ids[19], ids[0], ids[7], ids[19]]
    assert [row.listed_id for row in parsed.paged[3:6]] == ids[3:6]
    assert parsed.paged.digests() == digest_all(parsed.paged)
    with pytest.raises(IndexError):
        parsed.paged[20]


def test_a_model_on_two_pages_is_one() -> None:
    again = repository("lab/twice", downloads=6)
    parsed = SOURCE.rows(zipped([repository("lab/twice")], [again]))
    assert len(set(parsed.paged.digests())) == 1  # type: ignore[union-attr]


def test_a_limit_that_cuts_is_said_and_one_that_does_not_is_not() -> None:
    (note,) = SOURCE.rows(zipped([repository()], cut=True, limit=1)).rejects
    assert (note.provider, note.listed_id, note.broken) == ("huggingface", None, False)
    assert note.reason == "limit 1 of filter litert left out the rest"
    assert not SOURCE.rows(zipped([repository()], limit=1)).rejects


def test_what_the_weights_are_comes_from_the_payload() -> None:
    (row,) = rows(zipped([repository()], weights={"lab/m": ("a" * 40, "d", 2, 700)}))
    assert json.loads(row.extra)["weights"] == {"sha": "a" * 40, "digest": "d", "files": 2, "bytes": 700}


def test_equal_answers_make_equal_payloads() -> None:
    assert zipped([repository()]) == zipped([repository()])


@pytest.mark.parametrize("payload", [b"[]", b"{}", b"null", b'{"error":"x"}', b"<html>", b"", zipped([])])
def test_what_lists_nothing_is_refused(payload: bytes) -> None:
    with pytest.raises(BadPayload):
        SOURCE.rows(payload)


def test_a_filter_that_finds_nothing_is_refused_by_its_name() -> None:
    writer = Writer()
    for name, page in (("litert", [repository()]), ("litret", [])):
        writer.page(Page(f"https://x/{name}", name, None, None), listed(*page))
    with pytest.raises(BadPayload, match=r"lists no model tagged 'litret'\. Check HF_FILTERS"):
        SOURCE.rows(writer.finish([Filter("litert"), Filter("litret")], 0))


def test_a_payload_that_was_cut_or_damaged_is_refused() -> None:
    whole = zipped([repository(f"lab/{number}") for number in range(50)], weights={"lab/1": ("a", "d", 1, 2)})
    for end in range(2, len(whole), 37):
        with pytest.raises(BadPayload):
            SOURCE.rows(whole[:end])
    found = {"refused": 0, "read": 0}
    for place in range(2, len(whole), 11):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        try:
            SOURCE.rows(bytes(damaged))
            found["read"] += 1  # a byte of a date or an attribute, which nobody reads
        except BadPayload:
            found["refused"] += 1
    assert found["refused"] > found["read"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("about.json", b"[]"), ("about.json", b'{"filters":[],"pages":[{"url":"x"}]}'), ("about.json", b'{"filters":[{"name":7}],"pages":[]}'),
        ("weights/0001.json", b'{"lab/m":["a","b",1]}'), ("weights/0001.json", b'{"lab/m":{}}'), ("weights/0001.json", b"[]"),
        ("pages/0001.json", b"{}"), ("pages/0001.json", b"[1"),
    ],
)  # fmt: skip
def test_a_part_of_another_shape_is_refused(name: str, content: bytes) -> None:
    whole, changed = zipfile.ZipFile(io.BytesIO(zipped([repository()], weights={"lab/m": ("a", "d", 1, 2)}))), io.BytesIO()
    with zipfile.ZipFile(changed, "w") as archive:
        for part in whole.namelist():
            archive.writestr(part, content if part == name else whole.read(part))
    with pytest.raises(BadPayload):
        SOURCE.rows(changed.getvalue())


def test_a_page_that_inflates_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "LARGEST_PAGE", 1_000)
    with pytest.raises(BadPayload, match="at most 1,000 are read"):
        SOURCE.rows(zipped([repository(description="x" * 2_000)]))


def test_every_damage_to_an_entry_has_a_declared_outcome() -> None:
    full = repository(
        cardData={"license": "mit", "license_name": "n", "license_link": "https://x", "base_model": "a/b", "summary": "s"},
        config={"architectures": ["BertForMaskedLM"], "model_type": "bert"}, disabled=False,
    )  # fmt: skip
    found = outcomes(
        lambda payload: flat(SOURCE.rows(json.dumps(payload, default=str).encode("utf-8", "surrogatepass"))), [full, repository("lab/b")]
    )
    assert found.total() >= 200
    assert found["rejected"] > 5
    assert found["reported"] > 50


def flat(parsed: Parsed) -> Parsed:
    """The same with its listings at hand."""
    parsed.listings = list(parsed.all_listings)
    return parsed


@needs_payloads
@pytest.mark.parametrize("name", ["models_trending_2026-04-26", "models_trending_full_2026", "models_trending15_2026-08-02"])
def test_real_lists_are_read_whole(name: str) -> None:
    payload = body(Path(REAL / f"{name}.json.gz"))
    parsed = SOURCE.rows(payload)
    assert len(parsed.all_listings) == len(json.loads(payload)) == len(parsed.all_popularity)
    assert not parsed.rejects
    assert not parsed.oddities
    assert not parsed.drift
    assert all(row.license and row.author for row in parsed.all_listings)
    assert {json.loads(row.extra)["task_source"] for row in parsed.all_listings} <= {"stated", "tags", "config", "id", "unknown"}


@needs_payloads
def test_of_the_real_trending_models_most_tasks_and_licences_are_known() -> None:
    digest = json.loads(body(REAL / "trending1000_digest_2026-05-04.json.gz"))["models"]
    entries = [
        {"id": row["id"], "tags": row["tags"], **({"pipeline_tag": row["pipelineTag"]} if row["pipelineTag"] else {})} for row in digest
    ]
    extras = [json.loads(row.extra) for row in rows(listed(*entries))]
    assert len(extras) == 1_000
    assert sum(extra["task_source"] == "stated" for extra in extras) == 775
    assert sum(extra["task_source"] in ("tags", "id") for extra in extras) > 60
    said = [extra for extra in extras if any(tag.startswith("license:") for tag in extra.get("tags", ()))]
    assert sum(extra["licence_class"] == "unknown" for extra in said) == 1  # its author says so


def test_a_page_that_is_payload_by_itself_has_no_filter() -> None:
    assert Payload(listed(repository())).about.filters == []
