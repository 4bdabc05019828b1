"""Links in the database: which model a listing is over time, what people say of it, and that nothing is done where nothing moved."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from model_assets.answers import named, resolve
from model_assets.database import connect
from model_assets.errors import ModelAssetsError
from model_assets.identity import links
from model_assets.identity.corrections import keep_correction, keep_undoing
from model_assets.identity.links import moves_of, refresh_links
from model_assets.sql_models import deploy, load_models
from model_assets_tests.test_catalog_sql import day, listing

LIST = ("anthropic/claude-sonnet-4-5", "anthropic/claude-sonnet-4-6", "openai/gpt-4o", "openai/gpt-4o-mini")
LATEST = "~anthropic/claude-sonnet-latest"
Span = tuple[datetime | None, datetime | None, str | None]


@pytest.fixture
def ledger(database: Engine) -> Iterator[Connection]:
    """A list of four models in a transaction that is taken back at the end; the SQL models are there."""
    with database.connect() as connection:
        deploy(connection, load_models())
        for model in LIST:
            listing(connection, model, 1, source="models_dev_models", provider="models.dev")
        yield connection
        connection.rollback()


def spans(connection: Connection, listed_id: str, source: str = "openrouter", provider: str = "openrouter") -> list[Span]:
    """(since, until, model) of a listing, in order; a link reaches back or on without end where that is null."""
    found = connection.execute(
        text(
            "select lower(seen) as since, upper(seen) as until, model from history.link"
            " where (source, provider, listed_id) = (:source, :provider, :listed_id) order by lower(seen) nulls first"
        ),
        {"source": source, "provider": provider, "listed_id": listed_id},
    )
    return [(row.since, row.until, row.model) for row in found]


def versions(connection: Connection) -> list[Any]:
    return list(connection.execute(text("select xmin::text || ctid::text from history.link order by key_id, seen")).scalars())


def say(connection: Connection, listed_id: str, model: str | None, **options: Any) -> int:
    """Somebody's word on a listing; from day 10 on, unless told otherwise."""
    refresh_links(connection)
    given = {"source": None, "provider": None, "since": day(10), "why": "seen so", "by": "somebody"} | options
    number = keep_correction(connection, listed_id, model, **given)
    refresh_links(connection)
    return number


# --- over time --------------------------------------------------------------------------------------------------------------------------


def test_the_first_link_reaches_back_and_on_without_end(ledger: Connection) -> None:
    listing(ledger, "openai/gpt-4o", 5, 7, source="openrouter", provider="openrouter")
    assert refresh_links(ledger) == len(LIST) + 1
    assert spans(ledger, "openai/gpt-4o") == [(None, None, "openai/gpt-4o")]


def test_an_alias_whose_source_moves_it_is_another_model_from_then_on(ledger: Connection) -> None:
    listed: dict[str, Any] = {"source": "openrouter", "provider": "openrouter"}
    listing(ledger, LATEST, 1, 5, canonical_hint="anthropic/claude-sonnet-4-5", **listed)
    listing(ledger, LATEST, 5, canonical_hint="anthropic/claude-sonnet-4-6", **listed)
    refresh_links(ledger)
    assert spans(ledger, LATEST) == [
        (None, day(5), "anthropic/claude-sonnet-4-5"), (day(5), None, "anthropic/claude-sonnet-4-6"),
    ]  # fmt: skip
    assert [named(ledger, LATEST, at=at).model for at in (day(1), day(4.9), day(5), None)] == [
        "anthropic/claude-sonnet-4-5", "anthropic/claude-sonnet-4-5", "anthropic/claude-sonnet-4-6", "anthropic/claude-sonnet-4-6",
    ]  # fmt: skip


def test_a_hint_that_says_the_same_in_other_words_does_not_split_a_link(ledger: Connection) -> None:
    for since, until, hint in ((1, 5, "openai/gpt-4o"), (5, None, "openai/gpt-4o-2024-08-06")):
        listing(ledger, "openai/gpt-4o", since, until, source="openrouter", provider="openrouter", canonical_hint=hint)
    refresh_links(ledger)
    assert {model for _, _, model in spans(ledger, "openai/gpt-4o")} == {"openai/gpt-4o"}


def test_the_file_of_curated_models_moves_no_link_of_others(ledger: Connection) -> None:
    listing(ledger, "kimi-k2", 1, source="models_dev", provider="moonshotai")
    listing(ledger, "kimi-k2-0711-preview", 1, source="models_dev", provider="moonshotai")
    refresh_links(ledger)
    before = spans(ledger, "kimi-k2-0711-preview", "models_dev", "moonshotai")
    listing(ledger, "kimi-k2-0711-preview", 2, source="curated", provider="moonshotai", hugging_face_id="moonshotai/Kimi-K2-Preview")
    refresh_links(ledger)
    assert spans(ledger, "kimi-k2-0711-preview", "models_dev", "moonshotai") == before
    assert {model for _, _, model in before} == {"moonshotai/kimi-k2"}


def test_a_curated_alias_that_moves_names_its_instants() -> None:
    assert moves_of("gpt-4o") == set()
    assert all(isinstance(at, datetime) for at in moves_of("umans-coder"))


# --- people's words ---------------------------------------------------------------------------------------------------------------------


def test_a_correction_counts_from_its_instant_on_and_the_past_keeps_its_link(ledger: Connection) -> None:
    listing(ledger, "gpt-4o", 1, source="models_dev", provider="azure")
    refresh_links(ledger)
    say(ledger, "gpt-4o", "openai/gpt-4o-mini", source="models_dev", provider="azure")
    assert spans(ledger, "gpt-4o", "models_dev", "azure") == [(None, day(10), "openai/gpt-4o"), (day(10), None, "openai/gpt-4o-mini")]
    assert named(ledger, "azure/gpt-4o", at=day(9)).model == "openai/gpt-4o"
    assert named(ledger, "azure/gpt-4o").model == "openai/gpt-4o-mini"
    [link] = resolve(ledger, "azure/gpt-4o")
    assert (link.rule, link.evidence["decided_by"], link.evidence["why"]) == ("correction", "somebody", "seen so")


def test_a_correction_for_always_changes_the_past_too(ledger: Connection) -> None:
    listing(ledger, "gpt-4o", 1, source="models_dev", provider="azure")
    say(ledger, "gpt-4o", "openai/gpt-4o-mini", since=None)
    assert named(ledger, "azure/gpt-4o", at=day(1)).model == "openai/gpt-4o-mini"


def test_a_correction_that_is_undone_never_counted_and_is_kept(ledger: Connection) -> None:
    listing(ledger, "gpt-4o", 1, source="models_dev", provider="azure")
    refresh_links(ledger)
    before = spans(ledger, "gpt-4o", "models_dev", "azure")
    number = say(ledger, "gpt-4o", "openai/gpt-4o-mini")
    keep_undoing(ledger, number, why="I was wrong", by="another")
    refresh_links(ledger)
    assert spans(ledger, "gpt-4o", "models_dev", "azure") == before
    [row] = ledger.execute(text("select decided_by, why, undone_by, undone_why from ops.identity_correction"))
    assert tuple(row) == ("somebody", "seen so", "another", "I was wrong")
    with pytest.raises(ModelAssetsError, match=f"there is no correction {number} that counts"):
        keep_undoing(ledger, number, why="again", by="another")


def test_a_correction_of_one_source_or_provider_leaves_the_others(ledger: Connection) -> None:
    for source, provider in (("models_dev", "azure"), ("models_dev", "openai"), ("litellm", "azure")):
        listing(ledger, "gpt-4o", 1, source=source, provider=provider)
    say(ledger, "gpt-4o", "openai/gpt-4o-mini", source="models_dev", provider="azure")
    now = {key: spans(ledger, "gpt-4o", *key)[-1][2] for key in (("models_dev", "azure"), ("models_dev", "openai"), ("litellm", "azure"))}
    assert now == {
        ("models_dev", "azure"): "openai/gpt-4o-mini", ("models_dev", "openai"): "openai/gpt-4o", ("litellm", "azure"): "openai/gpt-4o",
    }  # fmt: skip


def test_a_person_can_say_that_a_listing_is_no_known_model(ledger: Connection) -> None:
    listing(ledger, "gpt-4o", 1, source="models_dev", provider="azure")
    say(ledger, "gpt-4o", None)
    assert spans(ledger, "gpt-4o", "models_dev", "azure")[-1] == (day(10), None, None)
    assert named(ledger, "azure/gpt-4o").offers == ("azure:?gpt-4o",)


@pytest.mark.parametrize(
    ("listed_id", "model", "said"),
    [
        ("gpt-4", "openai/gpt-4o", "no listing has the id 'gpt-4' there. Ids are taken letter for letter"),
        ("gpt-4o", "openai/gpt-5", "no model is called 'openai/gpt-5'. Use a canonical id author/name"),
    ],
)
def test_a_correction_of_what_is_not_there_is_refused(ledger: Connection, listed_id: str, model: str, said: str) -> None:
    listing(ledger, "gpt-4o", 1, source="models_dev", provider="azure")
    refresh_links(ledger)
    with pytest.raises(ModelAssetsError, match=said):
        say(ledger, listed_id, model)
    assert ledger.execute(text("select count(*) from ops.identity_correction")).scalar_one() == 0


def test_a_listing_that_comes_later_is_corrected_by_a_word_on_its_id(ledger: Connection) -> None:
    listing(ledger, "gpt-4o", 1, source="models_dev", provider="azure")
    refresh_links(ledger)
    say(ledger, "gpt-4o", "openai/gpt-4o-mini")
    listing(ledger, "gpt-4o", 12, source="litellm", provider="azure")
    refresh_links(ledger)
    assert spans(ledger, "gpt-4o", "litellm", "azure")[-1] == (day(10), None, "openai/gpt-4o-mini")


# --- what is not resolved ---------------------------------------------------------------------------------------------------------------


def test_what_is_not_resolved_has_no_model_and_names_the_nearest_which_are_not_used(ledger: Connection) -> None:
    listing(ledger, "claude-sonnet-9", 1, source="models_dev", provider="poe")
    refresh_links(ledger)
    [row] = ledger.execute(text("select * from history.link where listed_id = 'claude-sonnet-9'")).mappings()
    assert (row["model"], row["rule"], row["confidence"], row["offer"]) == (None, "unresolved", 0, "poe:?claude-sonnet-9")
    assert set(row["suggestions"][:2]) == {"anthropic/claude-sonnet-4-5", "anthropic/claude-sonnet-4-6"}
    assert row["evidence"]["why"] == "no model is known by this name"


def test_what_was_not_resolved_is_once_the_model_is_known(ledger: Connection) -> None:
    listing(ledger, "claude-sonnet-9", 1, source="models_dev", provider="poe")
    refresh_links(ledger)
    listing(ledger, "anthropic/claude-sonnet-9", 20, source="models_dev_models", provider="models.dev")
    refresh_links(ledger)
    assert spans(ledger, "claude-sonnet-9", "models_dev", "poe") == [(None, None, "anthropic/claude-sonnet-9")]


# --- nothing moved ----------------------------------------------------------------------------------------------------------------------


def test_an_unchanged_ledger_is_not_resolved_again_and_writes_nothing(ledger: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    listing(ledger, "gpt-4o", 1, source="models_dev", provider="azure")
    refresh_links(ledger)
    before = versions(ledger)
    with monkeypatch.context() as patched:
        patched.setattr(links, "Resolver", None)  # it would be called
        assert refresh_links(ledger) == 0
    assert versions(ledger) == before


def test_only_the_links_that_differ_are_written(ledger: Connection) -> None:
    listing(ledger, "gpt-4o", 1, source="models_dev", provider="azure")
    refresh_links(ledger)
    before = versions(ledger)
    listing(ledger, "gpt-4o-mini", 2, source="models_dev", provider="azure")
    assert refresh_links(ledger) == 1
    assert set(before) < set(versions(ledger))


def test_other_rules_are_asked_anew_and_write_only_what_they_change(ledger: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    listing(ledger, "gpt-4o", 1, source="models_dev", provider="azure")
    refresh_links(ledger)
    before = versions(ledger)
    monkeypatch.setattr(links, "rules_version", lambda: "another")
    assert refresh_links(ledger) == 0
    assert versions(ledger) == before
    assert ledger.execute(text("select count(*) from ops.derived where name = 'history.link'")).scalar_one() == 1


def test_links_found_day_by_day_are_those_found_at_once(settled_copy: str) -> None:
    query = "select source, provider, listed_id, seen::text, model, offer, rule, confidence::text, evidence::text from history.link order by 1, 2, 3, 4"
    with connect(settled_copy) as connection:
        before = connection.execute(text(query)).all()
        connection.execute(text("truncate history.link; delete from ops.derived"))
        assert refresh_links(connection) == len(before)
        assert connection.execute(text(query)).all() == before


def test_two_that_refresh_at_once_write_the_links_once(settled_copy: str) -> None:
    with connect(settled_copy) as connection:
        connection.execute(text("truncate history.link; delete from ops.derived"))

    def refresh(_: int) -> int:
        with connect(settled_copy) as connection:
            return refresh_links(connection)

    with ThreadPoolExecutor(2) as pool:
        written = sorted(pool.map(refresh, range(2)))
    assert written[0] == 0
    assert written[1] > 300
