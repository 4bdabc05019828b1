"""What signs the cursors of lists."""

import hashlib

import psycopg
import pytest

from model_assets.api.cursors import Cursors, Place
from model_assets.api.errors import Problem
from model_assets.database import plain
from model_assets_tests.api.conftest import serving
from model_assets_tests.conftest import copy_of

PLACE = Place("1.5", "openai/gpt-4o")


def refused(cursors: Cursors, cursor: str) -> bool:
    with pytest.raises(Problem) as caught:
        cursors.read(cursor, "?")
    return caught.value.code == "BAD_CURSOR"


def test_a_cursor_is_read_by_every_process_with_the_secret_and_by_none_with_another(url: str) -> None:
    cursor = Cursors("a secret", url).write(PLACE, "?")
    assert Cursors("a secret", f"{url}?application_name=another").read(cursor, "?") == PLACE
    assert refused(Cursors("another secret", url), cursor)
    assert refused(Cursors("", url), cursor)


def test_without_a_secret_the_key_is_random_and_kept_in_the_database(server: str, template: str, url: str) -> None:
    cursor = Cursors("", url).write(PLACE, "?")
    again = Cursors("", f"{url}?application_name=another")  # another process: it asks the database itself
    assert again.read(cursor, "?") == PLACE
    with copy_of(server, template) as other, psycopg.connect(plain(other)) as connection:
        connection.execute("update ops.own_key set key = sha256('as a migration of its own would have made it')")
        connection.commit()
        assert refused(Cursors("", other), cursor)
    guesses = ("", url, plain(url), f"\n{url}", f"\n{plain(url)}")
    assert again.key not in [hashlib.sha256(f"cursor\n{guess}".encode()).digest() for guess in guesses]


def test_the_key_is_in_no_hands_but_the_owners(url: str) -> None:
    with psycopg.connect(plain(url)) as connection:
        for role in ("model_assets_reader", "model_assets_writer"):
            asked = "select has_table_privilege(%s, 'ops.own_key', 'select')"
            assert connection.execute(asked, (role,)).fetchone() == (False,)


def test_a_list_goes_on_at_another_process_without_a_secret(settled: str) -> None:
    without = {"JWT_SECRET": "", "JWT_ISSUER": "", "JWT_AUDIENCE": "", "API_CATALOGUE_TIER": "enterprise"}
    asked = {"limit": 2, "sort": "name"}
    with serving(settled, **without) as one, serving(f"{settled}?application_name=another", **without) as another:
        first = one.get("/api/v1/models", **asked)
        following = another.get("/api/v1/models", **asked, cursor=first["meta"]["next_cursor"])
        assert len({row["id"] for row in first["data"] + following["data"]}) == 4
