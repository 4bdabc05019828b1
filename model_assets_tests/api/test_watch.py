"""The number of what is published, as a process knows it: what it wrote itself is not undone by an answer that is older."""

from collections.abc import Callable
from typing import Any

import psycopg

from model_assets.api.pages import Pages
from model_assets.api.watch import Watch
from model_assets.database import plain


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
        now_is, pages.now_is = pages.now_is, lambda version: (seen.append(version), now_is(version))[1]
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
