"""How resolving is judged, and how well it does on the labels that people gave."""

import time
from functools import cache

import pytest

from model_assets.errors import ModelAssetsError
from model_assets.identity.link import Facts
from model_assets.identity.resolve import Resolver, resolve_all
from model_assets.identity.score import Label, Score, by_provider, not_met, read_labels, score, wrong_labels
from model_assets.sources import SOURCES, of_kind
from model_assets_tests.shared_data import SHARED, body, needs_recordings, recordings

LABELS = SHARED / "identity" / "labels.csv"
DAY = "2026-06-24"
needs_labels = pytest.mark.skipif(
    not LABELS.is_file(), reason=f"no labels in {LABELS}; set MODEL_ASSETS_SHARED to the folder that holds them"
)
LIST = [Facts("models_dev_models", "models.dev", id) for id in ("openai/gpt-4o", "openai/gpt-4o-2024-05-13", "openai/gpt-4o-mini")]


def judged(*labels: tuple[str, str, str]) -> Score:
    """The score of some labels of one provider each."""
    return score([Label(*label) for label in labels], Resolver(LIST), [Facts("models_dev", "p", id) for _, id, _ in labels])


def test_a_label_is_met_by_the_same_model_and_a_snapshot_that_agrees_as_far_as_both_say():
    found = judged(
        ("p", "gpt-4o", "openai/gpt-4o"),
        ("p", "gpt-4o", "openai/gpt-4o-2024-05-13"),
        ("p", "gpt-4o-2024-05-13", "openai/gpt-4o"),
        ("p", "gpt-4o-2024-08-06", "openai/gpt-4o-2024-05-13"),
        ("p", "gpt-4o", "openai/gpt-4o-mini"),
        ("p", "gpt-7", "openai/gpt-4o"),
    )
    assert [one.verdict for one in found.judged] == ["right", "right", "right", "wrong", "wrong", "refused"]
    assert (found.count("right"), found.share("wrong")) == (3, 2 / 6)


def test_a_label_that_is_wrong_itself_is_named_with_its_reason_and_not_counted():
    label, why = next(iter(wrong_labels().items()))
    found = score([label, Label("p", "gpt-4o", "openai/gpt-4o")], Resolver(LIST), [])
    assert [one.verdict for one in found.judged] == ["label wrong", "right"]
    assert (found.counted, found.share("right")) == (1, 1.0)
    assert not_met(found)[0]["why"] == why


def test_the_rows_count_each_provider_and_all_and_name_what_was_not_met_the_wrong_ones_first():
    found = judged(("p", "gpt-7", "openai/gpt-4o"), ("q", "gpt-4o", "openai/gpt-4o-mini"), ("q", "gpt-4o-mini", "openai/gpt-4o-mini"))
    rows = {row["provider"]: row for row in by_provider(found)}
    assert rows["q"] == {
        "provider": "q", "labels": 2, "right": 1, "wrong": 1, "refused": 0, "label_wrong": 0, "right_pct": 50.0, "wrong_pct": 50.0,
    }  # fmt: skip
    assert (rows["all"]["labels"], rows["all"]["refused"]) == (3, 1)
    assert [(row["verdict"], row["listed_id"], row["found"]) for row in not_met(found)] == [
        ("wrong", "gpt-4o", "openai/gpt-4o"),
        ("refused", "gpt-7", ""),
    ]


def test_no_labels_give_no_shares():
    assert by_provider(Score(())) == [
        {"provider": "all", "labels": 0, "right": 0, "wrong": 0, "refused": 0, "label_wrong": 0, "right_pct": 0.0, "wrong_pct": 0.0}
    ]


def test_a_file_that_holds_no_labels_is_named(tmp_path):
    with pytest.raises(ModelAssetsError, match=r"nowhere\.csv cannot be read"):
        read_labels(tmp_path / "nowhere.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ModelAssetsError, match="Needed: provider, listed_id, model_id"):
        read_labels(tmp_path / "other.csv")


def test_labels_are_read_as_they_are(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("provider,listed_id,model_id\np,a/b:free,lab/b\n")
    assert read_labels(path) == [Label("p", "a/b:free", "lab/b")]


def facts_of(source: str, day: str | None = None) -> list[Facts]:
    """The facts of all listings in the real recordings of a source, each as it was last listed, or of those of a day."""
    latest = {}
    for path in recordings(source):
        if day is None or path.name.startswith(day):
            for listing in SOURCES[source].rows(body(path)).listings:
                latest[listing.provider, listing.listed_id] = listing._asdict()
    return [Facts(source, **{field: found[field] for field in Facts._fields if field != "source"}) for found in latest.values()]


@cache
def real() -> tuple[tuple[Facts, ...], tuple[Facts, ...]]:
    """The canonical list of the day of the labels, and every listing of every real recording of the sources that sell."""
    return tuple(facts_of("models_dev_models", DAY)), tuple(facts for source in of_kind("prices") for facts in facts_of(source))


@needs_recordings
@needs_labels
def test_of_the_labels_96_percent_are_right_and_half_a_percent_wrong_at_most():
    for known in (facts_of("models_dev", DAY), list(real()[1])):  # whether one recording is known, or all
        found = score(read_labels(LABELS), Resolver(real()[0], known), facts_of("models_dev", DAY))
        assert found.share("right") >= 0.96, not_met(found)
        assert found.share("wrong") <= 0.005, not_met(found)


@needs_recordings
def test_listings_whose_display_name_is_a_models_own_are_that_model():
    """A display name decides nothing, so it can judge: of other providers than the labels', too."""
    canonical, listings = real()
    resolver = Resolver(canonical, listings)
    models = {facts.name: resolver.resolve_id(facts.listed_id).model for facts in canonical}
    named = [facts for facts in facts_of("models_dev", DAY) if facts.name in models]
    wrong = [facts[1:4] for facts in named if resolver.resolve(facts).model not in (None, models[facts.name])]
    refused = [facts[1:4] for facts in named if resolver.resolve(facts).model is None]
    assert len(named) > 1_500
    assert len(wrong) <= 0.005 * len(named), wrong
    assert len(refused) <= 0.035 * len(named), refused


@needs_recordings
def test_nine_listings_of_ten_have_a_model_and_all_are_resolved_in_seconds():
    canonical, listings = real()
    began = time.process_time()
    links = resolve_all(listings, canonical)
    assert time.process_time() - began < 10  # about one; a slow machine under load may take several
    assert len(links) > 11_000
    assert sum(one.model is not None for one in links) > 0.9 * len(links)
