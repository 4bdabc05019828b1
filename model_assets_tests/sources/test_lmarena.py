"""LMArena's leaderboards, from ratings small enough to read to every real recording."""

from typing import Any

import pytest

from model_assets.errors import BadPayload
from model_assets.fetching.http import Policy
from model_assets.pipeline import asking
from model_assets.sources.lmarena import SOURCE, collect
from model_assets_tests.fetching.misbehaving import answer, serving
from model_assets_tests.shared_data import body, needs_recordings, recordings
from model_assets_tests.sources.score_rows import as_json, cut, gathered, needs_benchmarks, only, outcomes, real, values, whole

RATING = {"rating": 1525.1042120660923, "rating_q975": 1545.5, "rating_q025": 1504.7}


def test_a_rating_is_an_elo_with_its_interval_in_one_category_of_an_arena() -> None:
    score = only(SOURCE.rows(as_json({"coding": {"lab-1-high": RATING}})))
    assert score[:10] == ("lmarena", "lab-1-high", "", "text/coding", "rating", "", "high", "", "", "")
    assert [str(part) for part in (score.value, score.lower, score.upper)] == ["1525.10421206609", "1504.7", "1545.5"]
    assert score.unit == "elo"


def test_arenas_are_never_mixed() -> None:
    board = as_json({"full": {"lab-1": RATING}})
    parsed = SOURCE.rows(gathered(**{"leaderboard-text__json": board, "leaderboard-vision__json": board, "leaderboard-image__json": board}))
    assert {score.split for score in parsed.scores} == {"text/full", "vision/full", "image/full"}
    with pytest.raises(BadPayload, match="none of LMArena's leaderboards"):
        SOURCE.rows(gathered(**{"scatterplot__json": board}))


def test_the_payload_is_gathered_from_the_three_arenas() -> None:
    with serving(*(answer(200, as_json({"full": {arena: RATING}})) for arena in "tvi")) as server:
        found = collect(asking(Policy(allow_loopback=True)), None, server.url(""))
        assert [request.split()[1] for request in server.requests] == [
            f"/leaderboard-{arena}.json" for arena in ("text", "vision", "image")
        ]
    assert {(score.split, score.model) for score in SOURCE.rows(found).scores} == {
        ("text/full", "t"),
        ("vision/full", "v"),
        ("image/full", "i"),
    }


def test_a_broken_rating_is_rejected_by_itself() -> None:
    broken: dict[str, Any] = {
        "full": {"none": None, "empty": {}, "word": {"rating": "high"}, "turned": RATING | {"rating_q025": 1600}, "\u202e": RATING, "good": RATING},
        "list": [], "\x00": {},
    }  # fmt: skip
    parsed = SOURCE.rows(as_json(broken))
    assert only(parsed).model == "good"
    assert [reject.listed_id for reject in parsed.rejects] == ["none", "empty", "word", "turned", None, None, None]


def test_a_key_nobody_knows_is_kept_and_reported() -> None:
    parsed = SOURCE.rows(as_json({"full": {"m": RATING | {"votes": 5}}}))
    assert (parsed.drift, only(parsed).extra) == ({"rating.votes": 1}, '{"votes":5}')


def test_every_damage_to_a_payload_has_a_declared_outcome() -> None:
    assert sum(outcomes(SOURCE, {"full": {"m": RATING, "n": RATING}, "coding": {"m": RATING}}).values()) > 200
    for broken in cut(as_json({"full": {"m": RATING}})):
        with pytest.raises(BadPayload):
            SOURCE.rows(broken)


@needs_recordings
def test_every_real_recording_is_read_whole() -> None:
    for path, count in zip(recordings("lmarena"), [4662, 7461], strict=True):
        parsed = whole(SOURCE.rows(body(path)), count)
    assert len({score.split for score in parsed.scores}) == 29
    assert sum(score.split == "text/full" for score in parsed.scores) == 282
    assert values(parsed, "split", "model")["text/chinese", "gemini-3-pro"] == "1525.10421206609"
    assert all(score.lower is not None and score.upper is not None and score.lower <= score.value <= score.upper for score in parsed.scores)


@needs_benchmarks
def test_the_other_arenas_are_read_whole() -> None:
    files = {f"leaderboard-{arena}__json": real(f"lmarena/leaderboard-{arena}_2025-12-11.json.gz") for arena in ("vision", "image")}
    assert {score.split.partition("/")[0] for score in whole(SOURCE.rows(gathered(**files)), 527).scores} == {"vision", "image"}
