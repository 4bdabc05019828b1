"""Mentions in the database: which models each names, that nothing is read twice, and what the catalogue and the command line say."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, text

from model_assets import pipeline
from model_assets.answers import mentions
from model_assets.database import connect
from model_assets.errors import ModelAssetsError
from model_assets.identity.links import refresh_links
from model_assets.ledger import observations
from model_assets.mentions import links
from model_assets.mentions.links import refresh_mention_links
from model_assets.sources import SOURCES
from model_assets_tests.conftest import Run
from model_assets_tests.sources.test_discussions import found, story

QWEN = ("alibaba/qwen3-next-80b-a3b-instruct", "alibaba/qwen3-next-80b-a3b-thinking")
LIST = ("openai/gpt-4o", "openai/gpt-4o-mini", "anthropic/claude-opus-4-5", *QWEN)
STORIES = (
    story(1, title="GPT-4o against Claude Opus 4.5", story_text="<p>GPT-4o wins, GPT-4o mini loses", points=7, num_comments=3),
    story(2, title="A frog", story_text="nothing of the kind"),
    story(3, title="Qwen3-Next is out"),
)


def load(url: str, name: str, minute: int, payload: Any) -> None:
    with connect(url) as connection:
        at = datetime(2026, 1, 1, 0, minute, tzinfo=UTC)
        one = observations.record(connection, name, at, json.dumps(payload).encode(), url="http://x", origin="recording")
    assert pipeline.publish(url, SOURCES[name], pipeline.audit(url, SOURCES[name], one), lambda _: None).outcome != "refused"


def know(url: str, minute: int, *models: str) -> None:
    load(url, "models_dev_models", minute, {id: {"id": id, "name": id} for id in models})
    with connect(url) as connection:
        refresh_links(connection)


def refresh(url: str) -> int:
    with connect(url) as connection:
        return refresh_mention_links(connection)


def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(query))]


@pytest.fixture
def told(url: str) -> str:
    """A ledger with five models and three stories, read."""
    know(url, 1, *LIST)
    load(url, "discussions", 1, found(*STORIES))
    assert refresh(url) == 5
    return url


def test_each_model_of_an_item_is_told_once_with_the_first_words_that_name_it(told: str):
    query = "select item, model, words, place, begins_at, points, comments from catalog.mention order by item, model"
    with connect(told) as connection:
        assert rows(connection, query) == [
            ("1", "anthropic/claude-opus-4-5", "Claude Opus 4.5", "title", 15, 7, 3),
            ("1", "openai/gpt-4o", "GPT-4o", "title", 0, 7, 3),
            ("1", "openai/gpt-4o-mini", "GPT-4o mini", "text", 16, 7, 3),
        ]


def test_an_item_that_names_none_and_words_of_several_models_can_be_counted(told: str):
    with connect(told) as connection:
        query = "select item, words, candidates from history.mention_link where model is null order by item"
        assert rows(connection, query) == [
            ("2", None, []),
            ("3", "Qwen3-Next", ["alibaba/qwen3-next-80b-a3b-instruct", "alibaba/qwen3-next-80b-a3b-thinking"]),
        ]


def test_where_nothing_moved_nothing_is_read(told: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(links, "UNREAD", "select broken")
    assert refresh(told) == 0


def test_a_new_item_is_read_alone_and_a_changed_one_anew(told: str):
    with connect(told) as connection:
        before = dict(rows(connection, "select item || number, ctid::text from history.mention_link where item <> '2'"))
    load(told, "discussions", 2, found(STORIES[0], {**STORIES[1], "title": "GPT-4o is a frog"}, STORIES[2], story(4, title="GPT-4o")))
    assert refresh(told) == 3  # one row of item 2 out, one in, and that of item 4
    with connect(told) as connection:
        after = dict(rows(connection, "select item || number, ctid::text from history.mention_link where item in ('1', '3')"))
        assert rows(connection, "select item from catalog.mention where model = 'openai/gpt-4o' order by 1") == [("1",), ("2",), ("4",)]
    assert after == before


def test_an_item_that_left_its_feed_stays_with_the_time_it_was_first_seen(told: str):
    load(told, "discussions", 9, found(story(4, title="GPT-4o")))
    refresh(told)
    with connect(told) as connection:
        assert rows(connection, "select item, extract(minute from first_seen)::int from catalog.mention where model = 'openai/gpt-4o' order by 1") == [
            ("1", 1),
            ("4", 9),
        ]  # fmt: skip


def test_a_model_that_becomes_known_is_found_in_what_was_read_before(told: str):
    load(told, "discussions", 2, found(*STORIES, story(5, title="GPT-5 lands")))
    refresh(told)
    know(told, 3, *LIST, "openai/gpt-5")
    assert refresh(told) == 2
    with connect(told) as connection:
        assert rows(connection, "select item from catalog.mention where model = 'openai/gpt-5'") == [("5",)]


def test_what_is_found_bit_by_bit_is_what_is_found_at_once(told: str):
    query = f"select {', '.join(links.MentionLink._fields)} from history.mention_link order by key_id, number"
    load(told, "discussions", 2, found(*STORIES, story(4, title="GPT-4o mini")))
    load(told, "discussions", 4, found(story(1, title="no model any more")))
    refresh(told)
    with connect(told) as connection:
        before = rows(connection, query)
        connection.execute(text("truncate history.mention_link; delete from ops.derived where name like 'history.mention_link%'"))
        assert refresh_mention_links(connection) == len(before)
        assert rows(connection, query) == before


def test_links_of_mentions_that_are_taken_back_go_with_them(told: str):
    with connect(told) as connection:
        connection.execute(text("delete from history.mention where item = '1'"))
    assert refresh(told) == 3
    with connect(told) as connection:
        assert rows(connection, "select count(*) from catalog.mention") == [(0,)]


def test_mentions_of_a_model_are_told_newest_first_by_any_of_its_ids(told: str):
    load(told, "discussions", 2, found(*STORIES, story(4, title="GPT-4o", created_at_i=1788000000)))
    refresh(told)
    with connect(told) as connection:
        assert [row["item"] for row in mentions(connection, "openai/gpt-4o", kind=None, limit=9)] == ["4", "1"]
        assert [row["item"] for row in mentions(connection, "openai/gpt-4o", kind="discussion", limit=1)] == ["4"]
        assert mentions(connection, "openai/gpt-4o", kind="job", limit=9) == []
        with pytest.raises(ModelAssetsError, match="not resolved"):
            mentions(connection, "nobody/nothing", kind=None, limit=9)


@pytest.fixture
def run(told: str, command_line: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line: (exit code, stdout, stderr)."""
    monkeypatch.setenv("DATABASE_URL", told)
    return command_line


def test_the_command_line_tells_what_names_a_model(run: Run):
    code, out, _ = run("mentions", "openai/gpt-4o-mini")
    assert code == 0
    assert "GPT-4o against Claude Opus 4.5" in out
    assert "text 16" in out
    assert json.loads(run("mentions", "openai/gpt-4o-mini", "--json")[1])[0]["words"] == "GPT-4o mini"
    assert "Nothing that was read names" in run("mentions", "openai/gpt-4o", "--kind", "news")[1]
    code, _, err = run("mentions", "nobody/nothing")
    assert (code, err.count("\n")) == (1, 1)


def test_words_meant_to_hurt_are_printed_harmless_and_kept_as_they_came(told: str, run: Run):
    hostile = "\x1b[31m\u202eGPT-4o [bold]<script>alert(1)</script> =cmd|' /C calc'!A0 \x07"
    load(told, "discussions", 2, found(*STORIES, story(6, title=hostile)))
    refresh(told)
    out = run("mentions", "openai/gpt-4o")[1]
    assert "\\x1b[31m" in out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "\x07" not in out
    assert "[bold]" in out
    assert "<script>" not in out
    said = [row["title"] for row in json.loads(run("mentions", "openai/gpt-4o", "--json")[1]) if row["item"] == "6"]
    assert said == [hostile.strip()]
