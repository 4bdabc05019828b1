"""Asking Hugging Face for its list: pages, limits, patience, the token, and what the weights are."""

import gzip
import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from model_assets import loading, pipeline
from model_assets.attempts import attempt
from model_assets.database import connect
from model_assets.errors import BadPayload, FetchFailed
from model_assets.fetching.http import Policy
from model_assets.ledger import observations
from model_assets.pipeline import Audit, asking
from model_assets.recording_files import Recording
from model_assets.settings import read_settings
from model_assets.soundness import unsound
from model_assets.sources.base import Source
from model_assets.sources.hugging_face import hub as asked
from model_assets.sources.hugging_face.hub import Revision, collect, weights_of
from model_assets.sources.hugging_face.payload import Filter, Payload
from model_assets.sources.huggingface import SOURCE
from model_assets_tests.sources.hub_server import Hub, Model, hub, repository, serving
from model_assets_tests.sources.test_huggingface import listed, zipped

__all__ = ["hub"]
TOKEN = "hf_canary_of_the_tests"
QUICK = Policy(attempts=1, backoff_seconds=0.01, allow_loopback=True)
LITERT = Filter("litert")
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def get(hub: Hub, *filters: Filter, kept: bytes | None = None, token: str | None = None, details: int = 100, patience: float = 60) -> bytes:
    """The payload of a hub."""
    return collect(asked.Hub(asking(QUICK), hub.address, token, patience), filters or [LITERT], kept, details)


def models(count: int) -> list[Model]:
    return [repository(f"lab/m{number}", sha=f"{number:040x}") for number in range(count)]


def ids(payload: bytes) -> list[str]:
    return [row.listed_id for row in SOURCE.rows(payload).all_listings]


def here(hub: Hub, *filters: Filter, token: str | None = None, details: int = 100) -> Source:
    """The source, reading that hub."""
    return pipeline.replace(
        SOURCE, gather=lambda ask, kept: collect(asked.Hub(ask, hub.address, token), filters or [LITERT], kept, details)
    )


def load(url: str, body: bytes, day: int) -> Audit:
    """Load a payload as that of a day."""
    at = FIRST + timedelta(days=day)
    with connect(url) as connection:
        observation = observations.record(connection, SOURCE.name, at, body, url=SOURCE.url, origin="recording")
    with attempt(url, SOURCE.name, at.date(), "a test") as running:
        return pipeline.load(url, SOURCE, observation, running)


# Pages


def test_all_pages_are_followed_and_kept_letter_for_letter(hub: Hub) -> None:
    hub.models["litert"] = models(8)
    payload = get(hub, details=0)
    assert ids(payload) == [f"lab/m{number}" for number in range(8)]
    found = Payload(payload)
    assert [len(found.entries(page)) for page in range(3)] == [3, 3, 2]
    assert found.body(2) == hub.answer(hub.asked[2][0], None)[2]
    first = hub.asked[0][0]
    assert all(part in first for part in ("filter=litert", "full=true", "limit=1000", "sort=createdAt"))


def test_pages_that_did_not_change_are_not_sent_again(hub: Hub) -> None:
    hub.models["litert"] = models(8)
    kept = get(hub, details=0)
    again = get(hub, kept=kept, details=0)
    assert (again, hub.served[3:]) == (kept, [304, 304, 304])
    hub.models["litert"][7]["likes"] = 99
    moved = get(hub, kept=kept, details=0)
    assert hub.served[6:] == [304, 304, 200]
    assert [row.likes for row in SOURCE.rows(moved).all_popularity] == [1] * 7 + [99]


def test_several_filters_make_one_payload_and_a_model_under_both_is_one(hub: Hub) -> None:
    hub.models = {"litert": models(2), "license:mit": [*models(1), repository("lab/other")]}
    payload = get(hub, LITERT, Filter("license:mit"), details=0)
    assert sorted(set(ids(payload))) == ["lab/m0", "lab/m1", "lab/other"]
    assert len(set(SOURCE.rows(payload).paged.digests())) == 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("limit", "kept", "cut"), [(None, 8, False), (3, 3, True), (5, 5, True), (8, 8, False), (9, 8, False), (7, 7, True)]
)
def test_a_limit_is_kept_and_what_it_leaves_out_is_said(hub: Hub, limit: int | None, kept: int, cut: bool) -> None:
    hub.models["litert"] = models(8)
    hub.page = 1_000
    payload = get(hub, Filter("litert", limit), details=0)
    assert len(ids(payload)) == kept
    assert Payload(payload).about.filters == [Filter("litert", limit, cut)]
    assert [reject.reason for reject in SOURCE.rows(payload).rejects] == [f"limit {limit} of filter litert left out the rest"] * cut


def test_a_page_that_cannot_be_had_makes_no_payload(hub: Hub) -> None:
    hub.models["litert"] = models(8)
    hub.page = 3
    kept = get(hub, details=0)
    hub.models["litert"][4]["likes"] = 5
    hub.first = [(200, {}), (500, {})]
    with pytest.raises((FetchFailed, BadPayload)):
        get(hub, kept=kept, details=0)
    with pytest.raises(FetchFailed, match="answered 500"):
        get(hub, kept=kept, details=0)


def test_pages_that_lead_back_or_to_another_host_are_not_followed(hub: Hub) -> None:
    hub.models["litert"] = models(8)
    with serving() as other:
        other.models["litert"] = models(8)
        hub.leads_to = other.address
        with pytest.raises(FetchFailed, match="leads on to another host"):
            get(hub, token=TOKEN)
        assert not other.asked
    hub.leads_to = ""
    answer = hub.answer
    hub.answer = lambda path, etag: answer(path.replace("cursor=6", "cursor=0"), etag)  # type: ignore[method-assign]
    hub.models["litert"] = models(9)
    hub.answer = lambda path, etag: (lambda found: (found[0], {**found[1], "Link": f'<{hub.asked[0][0]}>; rel="next"'}, found[2]))(
        answer(path, etag)
    )  # type: ignore[method-assign]
    with pytest.raises(FetchFailed, match="does not end: page 2 leads back"):
        get(hub)


@pytest.mark.parametrize(
    "headers", [{"Retry-After": "1"}, {"RateLimit": '"api";r=0;t=1', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'}]
)
def test_a_server_that_has_had_enough_is_waited_for(hub: Hub, headers: dict[str, str]) -> None:
    hub.models["litert"] = models(2)
    hub.first = [(429, headers), (429, headers)]
    assert ids(get(hub, details=0)) == ["lab/m0", "lab/m1"]
    assert hub.served == [429, 429, 200]


@pytest.mark.parametrize(
    ("headers", "most"), [({"Retry-After": "86400"}, 1), ({"RateLimit": '"api";r=0;t=9000'}, 1), ({"Retry-After": "1"}, asked.MOST_WAITS)]
)
def test_patience_ends(hub: Hub, headers: dict[str, str], most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(asked.time, "sleep", slept.append)
    hub.first = [(429, headers)] * 50
    with pytest.raises(FetchFailed, match="answered 429") as failed:
        get(hub)
    assert failed.value.kind == "throttled"
    assert len(hub.served) == most
    assert slept == [1.0] * (most - 1)


def test_a_run_waits_for_no_longer_in_all_than_it_may(hub: Hub) -> None:
    hub.first = [(429, {"Retry-After": "2"})] * 5
    with pytest.raises(FetchFailed):
        get(hub, patience=1)
    assert hub.served == [429]


# The token


def test_the_token_is_shown_to_the_hub_and_kept_nowhere(
    url: str, hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    caplog.set_level(logging.DEBUG)
    hub.models["litert"], hub.files = models(4), {"lab/m0": {"m.tflite": "w"}}
    observed = pipeline.record_live(url, here(hub, token=read_settings().hf_token), QUICK)
    assert hub.asked
    assert all(headers["authorization"] == f"Bearer {TOKEN}" for _, headers in hub.asked)
    with connect(url) as connection:
        payload = observations.body_of(connection, observed.sha256)
        written = connection.execute(text("select string_agg(p::text, '') from raw.payload p")).scalar_one()
    found = Payload(payload)
    hub.first = [(401, {})]
    with pytest.raises(FetchFailed, match="Check the access token") as failed:
        get(hub, token=TOKEN)
    pages = b"".join(found.body(page) for page in range(len(found)))
    assert TOKEN not in f"{pages!r}{found.about}{written}{failed.value!r}{failed.value.__cause__!r}{caplog.text}{read_settings()!r}"


def test_without_a_token_none_is_shown(hub: Hub) -> None:
    hub.models["litert"] = models(1)
    get(hub)
    assert all("authorization" not in headers for _, headers in hub.asked)


# What the weights are


def test_weights_are_asked_for_where_the_revision_is_another_one(hub: Hub) -> None:
    hub.models["litert"] = models(4)
    hub.files = {f"lab/m{number}": {"m.tflite": f"weights {number}", "README.md": "r"} for number in range(4)}
    kept = get(hub)
    assert hub.details == ["lab/m0", "lab/m1", "lab/m2", "lab/m3"]
    hub.models["litert"][2]["sha"] = "f" * 40
    again = get(hub, kept=kept)
    assert hub.details[4:] == ["lab/m2"]
    assert Payload(again).about.waiting == 0
    before, after = (Payload(one).weights(0)["lab/m2"] for one in (kept, again))
    assert (before[0], after[0]) == (f"{2:040x}", "f" * 40)
    assert before[1:] == after[1:]
    assert after[2:] == (1, 10)


def test_only_so_many_are_asked_for_in_a_run_changed_ones_first_and_the_rest_wait(hub: Hub) -> None:
    hub.models["litert"] = models(6)
    hub.files = {f"lab/m{number}": {"m.tflite": "w"} for number in range(6)}
    payload = get(hub, details=2)
    assert (hub.details, Payload(payload).about.waiting) == (["lab/m0", "lab/m1"], 4)
    hub.models["litert"][0]["sha"] = "f" * 40
    payload = get(hub, kept=payload, details=2)
    assert (hub.details[2:], Payload(payload).about.waiting) == (["lab/m0", "lab/m2"], 3)
    payload = get(hub, kept=get(hub, kept=payload, details=2), details=2)
    assert Payload(payload).about.waiting == 0


def test_a_repository_that_does_not_answer_waits_and_the_others_are_asked(hub: Hub) -> None:
    hub.models["litert"] = models(3)
    hub.files = {"lab/m0": {"m.tflite": "w"}, "lab/m2": {"m.tflite": "w"}}
    payload = get(hub)
    assert (hub.served.count(404), Payload(payload).about.waiting) == (1, 1)
    assert Payload(payload).weights(0).keys() == {"lab/m0", "lab/m2"}


def test_a_server_that_has_had_enough_ends_the_questions_and_keeps_the_list(hub: Hub) -> None:
    hub.models["litert"] = models(2)
    hub.files = {f"lab/m{number}": {"m.tflite": "w"} for number in range(2)}
    answer = hub.answer
    hub.answer = lambda path, etag: (429, {"Retry-After": "900"}, b"") if "/revision/" in path else answer(path, etag)  # type: ignore[method-assign]
    payload = get(hub)
    assert (ids(payload), Payload(payload).about.waiting) == (["lab/m0", "lab/m1"], 2)
    assert hub.served == [200, 429]


def test_weights_of_which_it_is_not_said_what_is_in_them_stay_unconfirmed() -> None:
    one = Revision("lab/m", "a" * 40)
    for siblings in (None, {}, [{"rfilename": "m.gguf"}], [{"rfilename": "m.gguf", "lfs": {"size": 5}}]):
        with pytest.raises(BadPayload):
            weights_of(one, {"siblings": siblings})
    moved = [{"rfilename": name, "blobId": "b", "size": 3} for name in ("a/m.gguf", "b.gguf")]
    renamed = [{"rfilename": name, "blobId": "b", "size": 3} for name in ("m.gguf", "c.gguf")]
    assert weights_of(one, {"siblings": moved}) == weights_of(one, {"siblings": renamed})
    assert weights_of(one, {"siblings": moved})[2:] == (2, 6)


def versions(url: str) -> list[tuple[object, ...]]:
    with connect(url) as connection:
        rows = connection.execute(
            text(
                "select version, unconfirmed, first_sha, last_sha, revisions, last_seen_until is null from catalog.model_version order by version"
            )
        )
        return [(row[0], row[1], row[2][:1], row[3][:1], *row[4:]) for row in rows]


def test_a_version_is_made_by_weights_that_change_and_not_by_a_readme(url: str, hub: Hub) -> None:
    hub.models["litert"] = [repository("lab/m", sha="a" * 40)]
    hub.files = {"lab/m": {"m.tflite": "first", "README.md": "r"}}
    kept = get(hub)
    load(url, kept, 1)
    hub.models["litert"], hub.files["lab/m"]["README.md"] = [repository("lab/m", sha="b" * 40)], "another"
    kept = get(hub, kept=kept)
    load(url, kept, 2)
    assert versions(url) == [(1, False, "a", "b", 2, True)]
    hub.models["litert"], hub.files["lab/m"]["m.tflite"] = [repository("lab/m", sha="c" * 40)], "second"
    load(url, get(hub, kept=kept), 3)
    assert versions(url) == [(1, False, "a", "b", 2, False), (2, False, "c", "c", 1, True)]


def test_a_revision_whose_weights_were_not_asked_for_yet_is_unconfirmed_until_they_are(url: str, hub: Hub) -> None:
    hub.models["litert"] = [repository("lab/m", sha="a" * 40)]
    hub.files = {"lab/m": {"m.tflite": "first"}}
    load(url, get(hub, details=0), 1)
    assert versions(url) == [(1, True, "a", "a", 1, True)]
    kept = get(hub)
    load(url, kept, 2)
    assert versions(url) == [(1, True, "a", "a", 1, False), (2, False, "a", "a", 1, True)]
    hub.models["litert"] = [repository("lab/m", sha="b" * 40)]
    waiting = get(hub, kept=kept, details=0)
    load(url, waiting, 3)
    assert versions(url)[2:] == [(3, True, "b", "b", 1, True)]
    load(url, get(hub, kept=waiting), 4)
    assert versions(url)[1:] == [(2, False, "a", "b", 2, True)]


# In the ledger


def wait_for_another_second() -> None:
    """Until the clock shows another second: two payloads of one instant are one observation and its correction."""
    before = int(time.time())
    while int(time.time()) == before:
        time.sleep(0.02)


def test_a_sync_says_what_it_created_updated_and_skipped(url: str, hub: Hub) -> None:
    hub.models["litert"] = models(50)
    source = here(hub, details=0)
    (report,) = loading.sync(url, [source], QUICK, lambda _: None)
    assert report.summary() == {
        "status": "success", "created": 50, "updated": 0, "skipped": 0, "message": "huggingface: 50 created, 0 updated, 0 skipped",
    }  # fmt: skip
    hub.models["litert"] = [*models(50)[2:], repository("lab/m1", tags=["new"]), repository("lab/new"), {"id": 7}]
    wait_for_another_second()
    dry = loading.sync(url, [source], QUICK, lambda _: None, dry_run=True)[0].summary()
    (report,) = loading.sync(url, [source], QUICK, lambda _: None)
    assert (report.created, report.updated, report.skipped) == (1, 1, 1)
    assert report.closed == 0  # the one that failed has no id: it may be the one that is missing
    assert dry == report.summary()
    assert report.as_dict().items() >= report.summary().items()
    hub.first = [(500, {})]
    (report,) = loading.sync(url, [source], QUICK, lambda _: None)
    assert (report.summary()["status"], report.created) == ("failed", 0)
    assert "answered 500" in str(report.summary()["message"])


def test_a_day_on_which_only_downloads_moved_writes_no_claim_and_keeps_the_counters(url: str) -> None:
    load(url, zipped([repository(downloads=5, likes=1)]), 1)
    audited = load(url, zipped([repository(downloads=6, likes=2, lastModified="2026-06-01T00:00:00.000Z")]), 2)
    assert audited.outcome == "nothing changed"
    with connect(url) as connection:
        assert connection.execute(text("select count(*) from history.listing")).scalar() == 1
        counters = connection.execute(text("select collection, entry, downloads, likes from catalog.popularity")).one()
        one = connection.execute(text("select attributed_to, licence_class, downloads, files, tags from catalog.hugging_face_model")).one()
    assert tuple(counters) == ("huggingface", "lab/m", 6, 2)
    assert tuple(one) == ("hf_sync_system", "safe", 6, ["README.md", "m.tflite"], ["license:mit", "litert"])


def open_ids(url: str) -> list[str]:
    with connect(url) as connection:
        return list(connection.execute(text("select listed_id from catalog.listing order by listed_id")).scalars())


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (1, 3, 2), (2, 1, 3)])
def test_a_list_that_a_limit_cut_closes_nothing_beyond_the_cut_in_whatever_order_days_are_loaded(url: str, order: tuple[int, ...]) -> None:
    payloads = {
        1: zipped(models(6)),
        2: zipped([repository("lab/new"), *models(4)], cut=True, limit=5),
        3: zipped([*models(5), repository("lab/new")]),
    }
    for day in order:
        load(url, payloads[day], day)
    assert open_ids(url) == ["lab/m0", "lab/m1", "lab/m2", "lab/m3", "lab/m4", "lab/new"]
    with connect(url) as connection:
        ended = connection.execute(text("select listed_id, upper(seen) from history.listing where upper(seen) is not null")).all()
        notes = connection.execute(text("select reason from ops.quarantine where not reason like '%order%'")).scalars().all()
        assert not any(unsound(connection).values())
    assert [tuple(row) for row in ended] == [("lab/m5", FIRST + timedelta(days=3))]
    assert list(notes) == ["limit 5 of filter litert left out the rest"]


def test_a_short_list_with_a_limit_is_not_taken_for_broken(url: str) -> None:
    assert load(url, zipped(models(2), cut=True, limit=2), 1).outcome == "changes"
    (report,) = [loading.Report("huggingface")]
    report.add(load(url, zipped([*models(1), repository("lab/x")], cut=True, limit=2), 2))
    assert report.summary()["message"] == "huggingface: 1 created, 0 updated, 0 skipped; limit 2 of filter litert left out the rest"


def test_nine_tenths_that_are_missing_are_refused_and_none_is_closed(url: str) -> None:
    load(url, zipped(models(40)), 1)
    with pytest.raises(pipeline.PayloadRefused, match="90% fewer"):
        load(url, zipped(models(4)), 2)
    assert len(open_ids(url)) == 40


def test_a_model_that_two_pages_describe_differently_goes_on_as_it_was(url: str) -> None:
    load(url, zipped(models(30)), 1)
    audited = load(url, zipped(models(30), [repository("lab/m3", sha="f" * 40)]), 2)
    assert audited.outcome == "nothing changed"
    assert {reject.listed_id for reject, _ in audited.changes.rejects} == {"lab/m3"}  # type: ignore[union-attr]


@pytest.mark.parametrize(("extension", "body"), [("zip", zipped(models(3))), ("json", listed(*models(3)))])
def test_recordings_of_a_payload_and_of_a_single_page_are_loaded(url: str, tmp_path: Path, extension: str, body: bytes) -> None:
    path = tmp_path / "huggingface" / f"2026-05-01T0200Z.{extension}.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(body))
    (report,) = loading.import_recordings(url, [Recording("huggingface", datetime(2026, 5, 1, 2, tzinfo=UTC), path)], lambda _: None)
    assert (report.errors, report.created) == ([], 3)
