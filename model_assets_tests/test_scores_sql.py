"""Scores and the frontier: what can be compared, resolved to models, and held against the price of the day."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from model_assets import answers
from model_assets.contracts import Listing, Score
from model_assets.database import connect
from model_assets.errors import ModelAssetsError
from model_assets.frames import broken_rows
from model_assets.identity.corrections import keep_correction
from model_assets.ledger import observations
from model_assets.ledger.changes import compare
from model_assets.ledger.merge import merge
from model_assets.ledger.staging import stage
from model_assets.settings import read_settings
from model_assets.settling import settle
from model_assets.sources.base import Parsed

DAYS = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 9)]
#: listed id -> USD per million tokens of the prompt and of the answer
PRICES = {"gpt-9": (4, 12), "gpt-9-mini": (1, 1), "gpt-9-nano": (1, 1), "gpt-9-pro": (40, 80)}


def load(url: str, source: str, day: int, found: Parsed) -> None:
    with connect(url) as connection:
        seen = observations.record(connection, source, DAYS[day], f"{source} {day}".encode(), url="https://x.test", origin="recording")
        merge(connection, stage(connection, compare(connection, seen, found, broken_rows), found), lambda _: None)


def catalogue(prices: dict[str, tuple[int, int]]) -> Parsed:
    found = Parsed()
    for id, (input, output) in prices.items():
        found.listings.append(Listing("openai", id, author="openai"))
        found.quote("openai", id, "input", input, 1)
        found.quote("openai", id, "output", output, 1)
    return found


def score(spelled: str, value: int, **other: Any) -> Score:
    told = {"version": "1", "split": "", "metric": "solved", "harness": "", "effort": "", "variant": "", "runner": "us", "run": ""} | other
    return Score("exam", spelled, *(told[name] for name in Score._fields[2:10]), Decimal(value), other.get("unit", "pct"))


@pytest.fixture
def ledger(url: str) -> str:
    """Four models and their scores; from the fourth day on the cheap one costs ten times as much."""
    load(url, "models_dev", 0, catalogue(PRICES))
    scores = [
        score("gpt-9", 70), score("gpt-9 (high)", 80, effort="high"), score("GPT-9 mini", 50), score("gpt-9-nano", 40), score("gpt-9-pro", 75),
        score("Stranger", 99), score("gpt-9-mini", 90, split="easy"), score("gpt-9-mini", 1, metric="cost", unit="usd"),
    ]  # fmt: skip
    load(url, "aider", 1, Parsed(scores=scores))
    load(url, "models_dev", 3, catalogue(PRICES | {"gpt-9-mini": (10, 10)}))
    settle(url, read_settings().model_policy_file)
    return url


def ask(url: str, question: Callable[..., list[dict[str, Any]]], *given: Any, **options: Any) -> list[dict[str, Any]]:
    with connect(url) as connection:
        return question(connection, *given, **options)


def test_a_score_is_of_the_model_that_its_name_says_and_of_none_where_it_says_none(ledger: str) -> None:
    with connect(ledger) as connection:
        found = dict(connection.execute(text("select spelled, model from catalog.score")).all())  # type: ignore[arg-type]
    assert found == {
        "gpt-9": "openai/gpt-9", "gpt-9 (high)": "openai/gpt-9", "GPT-9 mini": "openai/gpt-9-mini", "gpt-9-nano": "openai/gpt-9-nano",
        "gpt-9-pro": "openai/gpt-9-pro", "gpt-9-mini": "openai/gpt-9-mini", "Stranger": None,
    }  # fmt: skip


def test_the_frontier_holds_what_nothing_as_cheap_beats_with_the_prices_of_the_day(ledger: str) -> None:
    def worth(day: int) -> list[tuple[str, str, str]]:
        rows = ask(ledger, answers.frontier, "exam", DAYS[day], split="")
        return [(row["model"].removeprefix("openai/"), row["score"], row["usd_per_mtok"]) for row in rows]

    # gpt-9 costs (3 * 4 + 12) / 4 = 6; nano is beaten at the same price, pro by what is cheaper
    assert worth(2) == [("gpt-9", "80", "6"), ("gpt-9-mini", "50", "1")]
    assert worth(0) == []
    # the dearer mini is held for a while and goes on being served at the old price; once it counts, nano is the cheapest
    everything = {row["model"]: row for row in ask(ledger, answers.frontier, "exam", DAYS[2], everything=True, split="")}
    assert {model for model, row in everything.items() if not row["worth_it"]} == {"openai/gpt-9-nano", "openai/gpt-9-pro"}
    assert [everything[f"openai/{id}"]["cheaper"] for id in ("gpt-9-mini", "gpt-9-nano", "gpt-9", "gpt-9-pro")] == [0, 0, 2, 3]


def test_a_snapshots_score_is_held_against_its_own_price_and_never_against_another_snapshots(ledger: str) -> None:
    prices = {
        "gpt-8-2025-03-14": (8, 8),
        "gpt-8-2025-11-20": (2, 2),
        "gpt-7-2025-03-14": (9, 9),
        "gpt-7-2025-11-20": (3, 3),
        "gpt-7": (5, 5),
    }
    load(ledger, "models_dev", 4, catalogue(PRICES | prices))
    told = [score("gpt-8-2025-03-14", 60), score("gpt-7-2025-03-14", 30), score("gpt-7-2025-11-20", 20)]
    load(ledger, "aider", 5, Parsed(scores=told))
    settle(ledger, read_settings().model_policy_file)
    rows = ask(ledger, answers.frontier, "exam", DAYS[6], everything=True, split="")
    assert {row["spelled"]: row["usd_per_mtok"] for row in rows} == {"gpt-8-2025-03-14": "8", "gpt-7-2025-03-14": "5"}


def test_what_cannot_be_compared_is_never_in_one_class(ledger: str) -> None:
    rows = ask(ledger, answers.frontier, "exam", DAYS[2])
    assert {(row["split"], row["metric"]) for row in rows} == {("", "solved"), ("easy", "solved")}
    assert [row["model"] for row in rows if row["split"] == "easy"] == ["openai/gpt-9-mini"]


def test_of_what_is_better_where_it_is_less_there_is_no_frontier(ledger: str) -> None:
    less = [("cost", "usd"), ("instance_calls", "count"), ("max_delta", "score"), ("standard_deviation", "score")]
    load(ledger, "aider", 4, Parsed(scores=[score("gpt-9", 70), *(score("gpt-9", 7, metric=metric, unit=unit) for metric, unit in less)]))
    assert {row["metric"] for row in ask(ledger, answers.frontier, "exam", DAYS[5])} == {"solved"}
    assert {row["metric"]: row["higher_is_better"] for row in ask(ledger, answers.benchmarks)} == {"solved": True} | dict.fromkeys(
        (metric for metric, _ in less), False
    )


def test_a_score_is_told_for_any_id_of_its_model_and_as_of_any_day(ledger: str) -> None:
    assert {row["value"] for row in ask(ledger, answers.scores, "openai/gpt-9")} == {"70", "80"}
    assert ask(ledger, answers.scores, "gpt-9", DAYS[0]) == []
    load(ledger, "aider", 4, Parsed(scores=[score("gpt-9", 71)]))
    assert [row["value"] for row in ask(ledger, answers.scores, "gpt-9")] == ["71"]
    assert {row["value"] for row in ask(ledger, answers.scores, "gpt-9", DAYS[2])} == {"70", "80"}


def test_a_benchmark_that_nobody_lists_is_refused_with_those_there_are(ledger: str) -> None:
    with pytest.raises(ModelAssetsError, match=r"no benchmark is called 'exams'\. There are: exam\."):
        ask(ledger, answers.frontier, "exams")


def test_what_no_rule_resolves_is_listed_and_a_persons_word_settles_it(ledger: str) -> None:
    assert [row["listed_id"] for row in ask(ledger, answers.unresolved_names, 9)] == ["Stranger"]
    with connect(ledger) as connection:
        word: dict[str, Any] = {"source": "aider", "provider": None, "since": None, "why": "it was announced", "by": "ann"}
        keep_correction(connection, "Stranger", "openai/gpt-9-pro", **word)
    settle(ledger, Path(read_settings().model_policy_file))
    assert ask(ledger, answers.unresolved_names, 9) == []
    assert {row["value"] for row in ask(ledger, answers.scores, "gpt-9-pro")} == {"75", "99"}


def test_names_are_resolved_once_and_again_only_when_something_moved(ledger: str) -> None:
    from model_assets.identity.score_links import refresh_score_links

    with connect(ledger) as connection:
        assert refresh_score_links(connection) == 0
        before = connection.execute(text("select derived_at from ops.derived where name = 'history.score_link'")).scalar()
    load(ledger, "aider", 5, Parsed(scores=[score("gpt-9", 70), score("o77", 1)]))
    with connect(ledger) as connection:
        assert refresh_score_links(connection) == 1
        assert connection.execute(
            text("select derived_at > :before from ops.derived where name = 'history.score_link'"), {"before": before}
        ).scalar()


def test_a_benchmarks_name_of_a_model_is_resolved_as_an_id_is(ledger: str) -> None:
    with connect(ledger) as connection:
        assert [link.model for link in answers.resolve(connection, "GPT-9 (xhigh)")] == ["openai/gpt-9"]
        assert [link.model for link in answers.resolve(connection, "GPT-9 (distilled)")] == [None]
