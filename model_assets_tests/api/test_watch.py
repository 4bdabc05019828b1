"""The number of what is published, as a process knows it: what it wrote itself is not undone by an answer that is older; it ends when something
comes by itself, and where the database falls silent."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import httpx
import psycopg
import pytest

from model_assets.api import watch as watching
from model_assets.api.pages import Page, Pages
from model_assets.api.silence import Listening
from model_assets.api.watch import Watch
from model_assets.database import plain
from model_assets_tests.api.conftest import Api
from model_assets_tests.api.test_admin_words import settle, tick
from model_assets_tests.api.test_silence import Proxy, behind_proxy


class Slow(psycopg.Connection[Any]):
    """A connection on which something happens between a question and its answer, once."""

    meanwhile: Callable[[], None] | None = None

    def execute(self, *arguments: Any, **more: Any) -> Any:
        answer = super().execute(*arguments, **more)
        if self.meanwhile:
            happens, self.meanwhile = self.meanwhile, None
            happens()
        return answer


def write(url: str, number: int) -> None:
    """What is published has another number."""
    with psycopg.connect(plain(url)) as connection:
        connection.execute("update catalog.published set version = %s", (number,))


def test_an_answer_that_is_older_than_what_was_just_written_does_not_undo_it(url: str) -> None:
    pages = Pages()
    watch = Watch(url, pages, lambda _: None)
    seen: list[int | None] = []

    def say() -> None:
        write(url, 8)
        watch.at_least(8)
        seen.append(pages.version)

    write(url, 7)
    with Slow.connect(plain(url), autocommit=True) as connection:
        watch._look(connection)
        assert pages.version == 7
        connection.meanwhile = say
        now_is, pages.now_is = pages.now_is, lambda version, until: (seen.append(version), now_is(version, until))[1]
        watch._look(connection)
        assert (seen, pages.version) == ([8, 8], 8)


def test_after_an_older_backup_was_restored_the_number_is_the_smaller_one(url: str) -> None:
    pages = Pages()
    watch = Watch(url, pages, lambda _: None)
    with psycopg.connect(plain(url), autocommit=True) as connection:
        for number in (9, 4):
            write(url, number)
            watch._look(connection)
            assert pages.version == number


def wait_until(holds: Callable[[], bool]) -> None:
    """Return once it holds. Fails after a minute."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_was_kept_is_sent_no_more_from_the_instant_on_at_which_something_comes(url: str) -> None:
    pages = Pages()
    warmed: list[object] = []
    watch = Watch(url, pages, lambda _: None, warmed.append)
    word = "insert into access.decision (model_id, rule_status, rule_free, rule_pro, rule_enterprise, rule_why, gone, first_seen_at, said_status,"
    word += (
        " decided_by, decided_at, decided_until) values ('a', 'active', true, true, true, '{}', false, now(), 'disabled', 'ann', now(), %s)"
    )
    with psycopg.connect(plain(url), autocommit=True) as connection:
        write(url, 7)
        connection.execute(word, ("2100-01-01",))
        watch._look(connection)
        pages.keep("free", "/", b"", 7, Page(b"", pages.etag(7, "free")))
        assert (pages.version, pages.etag(7, "free"), pages.etag(8, "free")) == (7, '"7-free"', None)
        assert pages.get("free", "/", b"")
        connection.execute("update access.decision set decided_until = now() + interval '1 second'")
        watch._look(connection)
        wait_until(lambda: pages.version is None)  # nobody asks again
        watch._look(connection)
        assert (pages.version, pages.etag(7, "free"), pages.get("free", "/", b""), warmed) == (None, None, None, [])
        connection.execute("delete from access.decision")
        write(url, 8)
        watch._look(connection)
        assert (pages.version, warmed) == (8, [[("/", b"")]])


@contextmanager
def watched(url: str) -> Iterator[tuple[Proxy, Pages]]:
    """A database whose number is 7, behind a proxy, and the pages that are kept at its number."""
    pages = Pages()
    write(url, 7)
    with behind_proxy(url) as (proxy, through):
        watch = Watch(through, pages, lambda _: None)
        watch.heeds_within = 0.05
        watch.start()
        wait_until(lambda: pages.version == 7)
        yield proxy, pages
        watch.end()
        watch.join(60)


def test_where_the_database_falls_silent_the_number_is_not_known_until_it_speaks_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "ASK_EVERY", 0.1)
    monkeypatch.setattr(watching, "SURE_FOR", 1.0)
    monkeypatch.setattr(Listening, "silence", 3600.0)
    with watched(url) as (proxy, pages):
        proxy.speaks.clear()
        wait_until(lambda: pages.version is None)
        proxy.speaks.set()
        wait_until(lambda: pages.version == 7)


def test_a_connection_on_which_nothing_is_heard_is_given_up_and_made_anew(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "ASK_EVERY", 0.1)
    monkeypatch.setattr(Listening, "silence", 0.5)
    with watched(url) as (proxy, pages):
        proxy.speaks.clear()
        wait_until(lambda: pages._version is None)
        write(url, 8)
        proxy.speaks.set()
        wait_until(lambda: pages.version == 8)


#: as if the day on which a price was announced to change was an hour ago: of the ledger, and of what was published before it
LATER = (
    "update history.price set effective_from = {then} where effective_from > now()",
    "update history.price set effective_to = {then} where effective_to > now()",
    "update catalog.price_span set served_in = tstzrange({then}, upper(served_in)) where lower(served_in) > now()",
    "update catalog.price_span set served_in = tstzrange(lower(served_in), {then}) where upper(served_in) > now()",
    "delete from ops.move",
)


def test_one_tag_never_stands_for_two_contents_when_an_announced_price_begins_and_then_all_serve_it(
    own_api: Api, daemon: dg.DagsterInstance
):
    def of(query: str) -> tuple[str, str]:
        with own_api.connect() as connection:
            return connection.execute(query).fetchone()  # type: ignore[return-value]

    provider, offer = of(
        "select provider, offer from catalog.price_span where lower(served_in) > now() and meter = 'input' order by 1, 2 limit 1"
    )
    client, pages = own_api.client("admin"), own_api.app.state.parts.pages

    def ask(**more: object) -> httpx.Response:
        parameters = {"provider": provider, "meter": "input", **more}
        return client.get(f"/api/v1/models/{offer}/prices", params=parameters, headers={"If-None-Match": tag})

    def amounts(answer: httpx.Response) -> set[tuple[str, str]]:
        return {(price["offer"], price["amount"]) for price in answer.json()["data"] if price["service_tier"] == "standard"}

    wait_until(lambda: pages.version is not None)
    tag = ""
    before = ask()
    tag = before.headers["etag"]
    assert ask().status_code == 304
    _, cursor = tick(own_api, daemon, None)
    with own_api.connect() as connection:
        for statement in LATER:
            connection.execute(statement.format(then="(select published_at + interval '1 microsecond' from catalog.published)"))
        connection.execute("notify model_assets_published")
    wait_until(lambda: pages.version is None)
    for after in (ask(), ask(limit=499)):
        assert (after.status_code, "etag" in after.headers) == (200, False)
        assert amounts(after) != amounts(before)
    assert len(tick(own_api, daemon, cursor)[0]) == 1
    assert settle(own_api, daemon)
    wait_until(lambda: pages.version is not None)
    served = ask()
    assert (served.status_code, amounts(served)) == (200, amounts(after))
    assert served.headers["etag"] != tag
    assert of(f"select offer, trim_scale(input_usd_per_mtok)::text from catalog.offer_card where offer = '{offer}'") in amounts(served)
