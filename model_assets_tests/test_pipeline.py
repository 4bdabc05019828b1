"""The way of a payload: recorded, judged, compared, merged; against a real Postgres, with small payloads in the sources' own shape."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from model_assets import attempts, loading, pipeline
from model_assets.database import connect
from model_assets.errors import BadPayload, ModelAssetsError, NothingRecorded, PayloadRefused
from model_assets.ledger import observations
from model_assets.ledger.observations import Judged, Observation
from model_assets.pipeline import Audit
from model_assets.recording_files import Recording
from model_assets_tests.small_ledger import (
    OPENROUTER,
    assert_sound,
    at,
    dump,
    load,
    model,
    payload,
    prices,
    record,
    reset,
    row_versions,
    select,
    unfenced,
)

# --- seen again, loaded again, replaced ---


def test_an_equal_payload_is_seen_again_and_kept_once_and_writes_no_claim(url: str) -> None:
    assert load(url, at(0), payload(model("lab/a"))).outcome == "changes"
    before = row_versions(url)
    assert load(url, at(1), payload(model("lab/a"))).outcome == "seen again"
    after = row_versions(url)
    assert [after[name] == before[name] for name in ("history.listing", "history.price", "raw.body")] == [True] * 3
    assert select(url, "select observed_at from raw.payload order by 1") == [at(0), at(1)]
    assert select(url, "select verdict, listings, prices from ops.observation") == [("accepted", 41, 82)] * 2
    assert_sound(url)


def test_what_was_seen_again_repeats_what_it_doubts(url: str) -> None:
    load(url, at(0), payload(model("lab/a")))
    for step in (1, 2):
        load(url, at(step), payload(model("lab/a", prompt="free")))
    reasons = select(url, "select observed_at, listed_id, reason from ops.quarantine order by 1")
    assert [row[0] for row in reasons] == [at(1), at(2)]
    assert reasons[0][1:] == reasons[1][1:]
    load(url, at(0.5), payload(model("lab/a", prompt="0.000003")))
    assert prices(url, "lab/a") == [("paid", "1", 0, 0.5), ("paid", "3", 0.5, None)]


def test_an_equal_body_in_other_bytes_writes_no_claim(url: str) -> None:
    body = payload(model("lab/a"))
    load(url, at(0), body)
    before = row_versions(url)
    assert load(url, at(1), json.dumps(json.loads(body), indent=2).encode()).outcome == "nothing changed"
    after = row_versions(url)
    assert [after[name] == before[name] for name in ("history.listing", "history.price")] == [True] * 2


@pytest.mark.parametrize("times", [1, 3])
def test_loading_an_observation_again_writes_no_row(url: str, times: int) -> None:
    days = {step: payload(model("lab/a", prompt=f"0.00000{step + 1}")) for step in range(3)}
    for step, body in days.items():
        load(url, at(step), body)
    before = row_versions(url)
    for _ in range(times):
        assert [load(url, at(step), body).outcome for step, body in days.items()] == ["merged before"] * 3
    assert row_versions(url) == before


def test_a_corrected_payload_of_the_same_instant_replaces_the_first(url: str) -> None:
    right = payload(model("lab/a", prompt="0.000007"))
    for step, body in ((0, payload(model("lab/a"))), (1, right), (2, payload())):
        load(url, at(step), body)
    wanted = dump(url)
    reset(url)
    for step, body in ((0, payload(model("lab/a"))), (1, payload(model("lab/b"))), (2, payload()), (1, right)):
        load(url, at(step), body)
    assert dump(url) == wanted
    assert select(url, "select verdict from ops.observation where observed_at = :at order by 1", at=at(1)) == ["accepted", "replaced"]
    assert_sound(url)


def test_a_correction_to_what_was_seen_the_day_before_counts_although_it_is_nothing_new(url: str) -> None:
    first, wrong = payload(model("lab/a")), payload(model("lab/a", prompt="9"))
    for step, body in ((0, first), (1, wrong), (2, first), (1, first)):
        load(url, at(step), body)
    assert prices(url, "lab/a") == [("paid", "1", 0, None)]
    assert_sound(url)


@pytest.mark.parametrize(("minutes", "taken"), [(-60, True), (4, True), (6, False), (60 * 24, False)])
def test_an_observation_ahead_of_the_clock_by_over_five_minutes_is_refused(url: str, tmp_path: Path, minutes: int, taken: bool) -> None:
    when = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=minutes)
    path = tmp_path / "file.json.gz"
    path.write_bytes(pipeline.observations.gzip.compress(payload()))
    [report] = loading.import_recordings(url, [Recording("openrouter", when, path)], lambda _: None)
    assert select(url, "select observed_at from raw.payload") == ([when] if taken else [])
    if taken:
        assert report.errors == []
    else:
        assert f"{path} was not loaded" in report.errors[0]
        assert "ahead of the database's clock" in report.errors[0]
        assert select(url, "select count(*) from raw.body") == [0]


def test_an_instant_without_a_zone_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        record(url, datetime(2025, 6, 1), payload())


def test_a_day_with_neither_payload_nor_recording_is_named_with_what_to_do(url: str, tmp_path: Path) -> None:
    with pytest.raises(
        NothingRecorded, match=r"openrouter serves only today; 2025-06-01 was asked for.*/openrouter/2025-06-01T0200Z\.json\.gz"
    ):
        pipeline.record_day(url, OPENROUTER, date(2025, 6, 1), [tmp_path])


def test_a_dry_run_says_what_would_change_and_writes_nothing(url: str) -> None:
    load(url, at(0), payload(model("lab/a"), model("lab/b")))
    before = row_versions(url)
    observation = Observation("openrouter", at(1), b"")
    audited = pipeline.audit(url, OPENROUTER, observation, keep=False, body=payload(model("lab/a", "0.000003"), model("lab/c")))
    assert audited.changes is not None
    assert (audited.outcome, audited.changes.added, audited.changes.changed, audited.changes.closed) == ("changes", 3, 1, 3)
    assert pipeline.audit(url, OPENROUTER, observation, keep=False, body=payload(others=30)).outcome == "refused"
    with pytest.raises(BadPayload):
        pipeline.audit(url, OPENROUTER, observation, keep=False, body=b"<html>")
    assert row_versions(url) == before


# --- two at once ---


def test_two_threads_that_publish_different_days_of_one_source_at_once_both_land(url: str) -> None:
    days = {step: payload(model("lab/a", prompt=f"0.00000{step + 1}"), model(f"lab/{step}")) for step in range(4)}
    for step, body in days.items():
        load(url, at(step), body)
    wanted = dump(url)
    reset(url)
    audits = [pipeline.audit(url, OPENROUTER, record(url, at(step), body)) for step, body in days.items()]
    assert {audited.staged.ledger_version for audited in audits if audited.staged} == {0}, "all four were compared with the empty ledger"
    together = threading.Barrier(len(audits))

    def publish(audited: Audit) -> str:
        together.wait(timeout=10)
        return pipeline.publish(url, OPENROUTER, audited, unfenced).outcome

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(publish, audits)) == ["changes"] * 4
    assert dump(url) == wanted
    assert select(url, "select ledger_version from ops.source") == [4]
    assert_sound(url)


def test_a_day_that_lands_while_another_is_audited_is_not_overlooked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload equal to the nearest earlier one is not compared; so what is nearest must not change unseen."""
    old, new = payload(model("lab/a")), payload(model("lab/a", prompt="0.000002"))
    load(url, at(0), old)
    look_up = observations.nearest_earlier_accepted
    landed: list[Audit] = []

    def look_up_slowly(connection: Connection, source: str, before: datetime) -> Judged | None:
        found = look_up(connection, source, before)
        if not landed:
            landed.append(Audit(found.observation if found else Observation(source, before, b""), "underway"))
            landed.append(load(url, at(1), new))
        return found

    monkeypatch.setattr(observations, "nearest_earlier_accepted", look_up_slowly)
    load(url, at(2), old)
    assert landed[1].outcome == "changes"
    assert prices(url, "lab/a") == [("paid", "1", 0, 1), ("paid", "2", 1, 2), ("paid", "1", 2, None)]


def test_the_gate_compares_a_payload_with_the_day_that_landed_while_it_was_audited(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load(url, at(0), payload(others=40))
    look_up = observations.nearest_earlier_accepted
    landed: list[str] = []

    def look_up_slowly(connection: Connection, source: str, before: datetime) -> Judged | None:
        found = look_up(connection, source, before)
        if not landed:
            landed.append("underway")
            landed.append(load(url, at(1), payload(others=60)).outcome)
        return found

    monkeypatch.setattr(observations, "nearest_earlier_accepted", look_up_slowly)
    with pytest.raises(PayloadRefused, match="lists 41 models, 32% fewer than the 60"):
        load(url, at(2), payload(model("lab/a")))
    assert landed[1] == "changes"
    assert select(url, "select upper(seen) from history.listing where listed_id = 'crowd/050'") == [None]


def test_change_sets_that_a_crash_of_the_server_emptied_are_made_again(url: str) -> None:
    """`staged` is unlogged: Postgres empties it when it recovers, and the run that staged may still be there."""
    load(url, at(0), payload(model("lab/a")))
    observation = record(url, at(1), payload(model("lab/a", prompt="0.000002")))
    audited = pipeline.audit(url, OPENROUTER, observation)
    with connect(url) as connection:
        connection.execute(text("truncate staged.change_set cascade"))
    pipeline.publish(url, OPENROUTER, audited, unfenced)
    assert prices(url, "lab/a") == [("paid", "1", 0, 1), ("paid", "2", 1, None)]
    assert select(url, "select verdict from ops.observation where observed_at = :at", at=at(1)) == ["accepted"]


def test_an_observation_that_never_finds_the_ledger_at_rest_is_not_called_loaded(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    look = pipeline.audit

    def overtaken(*given: Any, **named: Any) -> Audit:
        audited = look(*given, **named)
        with connect(url) as connection:
            connection.execute(text("insert into ops.source (source) values ('openrouter') on conflict do nothing"))
            connection.execute(text("update ops.source set ledger_version = ledger_version + 1"))
        return audited

    monkeypatch.setattr(pipeline, "audit", overtaken)
    with pytest.raises(ModelAssetsError, match=r"openrouter 2025-06-01T02:00Z was not merged: .* Run it again"):
        load(url, at(0), payload())
    assert dump(url) == []
    assert select(url, "select status from ops.sync_run") == ["failed"]


def test_a_merge_that_fails_half_way_leaves_nothing(url: str) -> None:
    load(url, at(0), payload(model("lab/a")))
    before = row_versions(url)
    observation = record(url, at(1), payload(model("lab/b")))

    def fence(connection: Connection) -> None:
        assert connection.execute(text("select count(*) from history.listing where listed_id = 'lab/b'")).scalar() == 1
        raise attempts.Fenced("cancelled")

    audited = pipeline.audit(url, OPENROUTER, observation)
    with pytest.raises(attempts.Fenced):
        pipeline.publish(url, OPENROUTER, audited, fence)
    after = row_versions(url)
    assert [name for name in before if before[name] != after[name]] == ["raw.payload", "raw.body", "staged.change_set"]
