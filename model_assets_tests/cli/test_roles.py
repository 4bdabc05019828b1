"""Roles that have few rights or none: they get answers where they may, and one line that says what they need."""

import os
import shlex
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy.engine import make_url

from model_assets import database
from model_assets.settings import BUNDLED_RECORDINGS
from model_assets_tests.cli.command_line import NEEDING_A_DATABASE, emptied, one, ours, process
from model_assets_tests.conftest import Run


@pytest.fixture
def role(server: str) -> Iterator[Callable[..., str]]:
    """Makes a role that has nothing but what is granted to it in a database; gives the URL of that database with the role in it."""
    made: list[tuple[str, str]] = []

    def make(url: str, *grants: str) -> str:
        name = f"role_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(database.plain(url), autocommit=True) as admin:
            admin.execute(f"create role {name} login password 'mine'".encode())
            made.append((url, name))
            for grant in grants:
                admin.execute(grant.format(role=name, database=f'"{make_url(url).database}"').encode())
        return make_url(url).set(username=name, password="mine").render_as_string(hide_password=False)

    yield make
    for url, name in made:
        with psycopg.connect(database.plain(url), autocommit=True) as admin:
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", [name])
            admin.execute(f"reassign owned by {name} to current_user; drop owned by {name}; drop role {name}".encode())


TO_READ = [
    f"grant {right} {schema} to {{role}}"
    for schema in ("catalog", "history", "ops", "raw")
    for right in ("usage on schema", "select on all tables in schema", "execute on all functions in schema")
]


@pytest.mark.parametrize("also", [[], ["alter role {role} set default_transaction_read_only = on"]], ids=["may only read", "reads only"])
def test_a_role_that_may_only_read_gets_answers(
    also: list[str], settled: str, run: Run, role: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = role(settled, *TO_READ, *also)
    for words in (
        "price gpt-4o",
        "price gpt-4o --claims",
        "diff --from 2026-05-18 --to 2026-05-20",
        "status",
        "quarantine",
        "verify-db",
        "resolve gpt-4o",
        "history gpt-4o",
        "disputes",
        "held",
        "cost gpt-4o --input 5",
        "identity unresolved",
    ):
        monkeypatch.setenv("DATABASE_URL", settled)
        expected = run(*words.split())
        monkeypatch.setenv("DATABASE_URL", reader)
        code, out, err = run(*words.split())
        assert (code, bool(err)) == ((1, True) if words == "status" else (0, False))  # the sources are late
        assert out.splitlines()[-1] == expected[1].splitlines()[-1]


def test_a_role_that_may_only_read_is_told_in_one_line_that_it_cannot_load(
    url: str, run: Run, role: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for also in ([], ["grant create on database {database} to {role}"]):
        monkeypatch.setenv("DATABASE_URL", role(url, *TO_READ, *also))
        for words in (["import", BUNDLED_RECORDINGS], ["sync"], ["accept", "openrouter", "2026-05-18"], ["quickstart"], ["up"]):
            code, out, err = run(*words)
            assert (code, out, err.count("\n")) == (1, "", 1), words
            assert err.startswith("model-assets: this role may not ")
            assert "Use the role that " in err
    assert one(url, "select count(*) from ops.sync_run") == 0


def test_a_role_without_any_right_is_told_in_one_line_what_it_needs(
    url: str, run: Run, role: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", role(url))
    for words in NEEDING_A_DATABASE:
        code, out, err = run(*shlex.split(words))
        assert (code, out, err.count("\n")) == (1, "", 1), words
        assert "permission denied for " in err
        assert "Use the role that " in err
    ended = process(os.environ["DATABASE_URL"], "migrate")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)


def test_a_role_that_may_not_make_tables_is_told_so_in_an_empty_database_and_leaves_nothing_there(
    url: str, run: Run, role: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    emptied(url)
    monkeypatch.setenv("DATABASE_URL", role(url))
    for command in ("migrate", "dsn", "env"):
        code, out, err = run(command)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert err.startswith("model-assets: this role may not make or change the ledger's tables (permission denied for database ")
    assert ours(url) == []
