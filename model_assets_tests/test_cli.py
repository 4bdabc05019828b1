"""The command line as its users meet it: exit codes, what is on stdout and what on stderr, and what is loaded in spite of what is broken."""

import gzip
import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from model_assets import cli, database, loading, recording_files
from model_assets.attempts import attempt
from model_assets.database import connect
from model_assets.errors import ModelAssetsError
from model_assets.ledger.migrate import newest
from model_assets.pipeline import today
from model_assets.settings import BUNDLED_RECORDINGS
from model_assets.sources import SOURCES
from model_assets_tests.shared_data import BUNDLED, SHARED, needs_recordings

PROJECT = Path(__file__).resolve().parents[1]
COMMANDS = {
    "up",
    "sync",
    "import",
    "accept",
    "quarantine",
    "status",
    "verify-db",
    "migrate",
    "dsn",
    "env",
    "down",
    "purge",
    "price",
    "diff",
    "cost",
    "history",
    "resolve",
    "why",
    "disputes",
    "mentions",
    "scores",
    "benchmarks",
    "frontier",
    "alerts",
    "held",
    "identity",
    "replay",
    "score",
    "quickstart",
    "install-schedule",
    "backup",
    "restore",
    "access",
    "api",
}
WITHOUT_JSON = {
    "up",
    "api",
    "migrate",
    "dsn",
    "env",
    "down",
    "install-schedule",
    "identity",
    "score",
    "access",
}  # the last three are groups
NEEDING_A_DATABASE = [
    "up --wait 0", "purge", "sync", "sync --dry-run", "accept openrouter 2026-05-18", "quarantine", "status", "verify-db", "migrate", "dsn", "env",
    "price gpt-4o", "diff --from 2026-05-18", "quickstart", f"import {shlex.quote(str(BUNDLED_RECORDINGS))}",
]  # fmt: skip
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line on this test's database: (exit code, stdout, stderr)."""
    monkeypatch.setenv("DATABASE_URL", url)

    def go(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(word) for word in words])
        return (int(end.value.code or 0), *capsys.readouterr())

    return go


@pytest.fixture
def ask(settled: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line on the database with all bundled recordings, which tests only read."""
    monkeypatch.setenv("DATABASE_URL", settled)
    return run


def process(url: str, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "model_assets", *map(str, words)]
    return subprocess.run(
        command, cwd=PROJECT, env={**os.environ, "DATABASE_URL": url, **environment}, capture_output=True, text=True, timeout=120
    )


def one(url: str, query: str) -> Any:
    with connect(url) as connection:
        return connection.execute(text(query)).scalar_one()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the bundled recordings, to be spoilt."""
    return Path(
        shutil.copytree(
            BUNDLED_RECORDINGS, tmp_path / "my recordings", ignore=shutil.ignore_patterns("*.py", "*.yml", "*.md", "__pycache__")
        )
    )


def write(folder: Path, source: str, instant: str, payload: object) -> Path:
    path = folder / source / f"{instant}.json.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(payload if isinstance(payload, bytes) else json.dumps(payload).encode()))
    return path


def openrouter(day: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress((BUNDLED_RECORDINGS / "openrouter" / f"2026-05-{day}T0200Z.json.gz").read_bytes()))
    return found


# --- commands, help, usage --------------------------------------------------------------------------------------------------------------


def test_every_command_of_the_design_is_there_and_in_the_help_whole(run: Run) -> None:
    assert set(cli.cli.commands) == COMMANDS
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    listed = out.partition("Commands:\n")[2]
    assert {line.split()[0] for line in listed.splitlines()} == COMMANDS
    assert "..." not in listed


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_those_that_answer_have_json(name: str, run: Run) -> None:
    code, out, err = run(name, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: model-assets {name} ")
    assert ("--json" in out) == (name not in WITHOUT_JSON)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("nosuch", "No such command 'nosuch'. See `model-assets --help`."),
        ("price", "Missing argument 'MODEL'. See `model-assets price --help`."),
        ("price a b", "Got unexpected extra argument (b)"),
        ("price gpt-4o --as-of yesterday", "'yesterday' is no instant. Use 2026-01-16T00:10Z"),
        ("price gpt-4o --as-of 99999-01-01", "is no instant"),
        ("price gpt-4o --source nosuch", "'nosuch' is not one of"),
        ("diff", "Missing option '--from'"),
        ("sync nosuch", "'nosuch' is not one of"),
        ("accept openrouter", "Missing argument 'INSTANT'"),
        ("import . --from 18.5.2026", "does not match the format"),
        ("import . --from 2026-05-20 --to 2026-05-18", "--from 2026-05-20 is later than --to 2026-05-18. Exchange the two."),
        ("quarantine --limit -1", "-1 is not in the range"),
        ("up --port many", "'many' is not a valid integer"),
    ],
)
def test_a_wrong_use_is_one_line_that_leads_to_the_help(words: str, said: str, run: Run) -> None:
    code, out, err = run(*words.split())
    assert (code, out) == (2, "")
    assert err.startswith("model-assets: ")
    assert said in err
    assert err.endswith("--help`.\n")
    assert err.count("\n") == 1


def test_no_command_at_all_shows_the_help_and_is_no_success(run: Run) -> None:
    code, out, err = run()
    assert (code, out) == (2, "")
    assert err.startswith("Usage: model-assets ")


def test_an_argument_that_is_no_text_is_refused_in_one_line(run: Run) -> None:
    assert run("price", os.fsdecode(b"gpt\xff"))[::2] == (
        2,
        "model-assets: Invalid value for 'MODEL': 'gpt\\udcff' is not UTF-8 text. See `model-assets price --help`.\n",
    )


def test_the_version_is_shown_also_where_nothing_is_installed(run: Run) -> None:
    code, out, err = run("--version")
    assert (code, err) == (0, "")
    assert out


# --- json -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "status --json", "verify-db --json", "quarantine --json", "price gpt-4o --json", "price openrouter/auto --json --as-of 2026-05-19",
        "price gpt-4o --claims --json", "resolve gpt-4o --json", "history gpt-4o --json", "disputes --all --json", "held --all --json",
        "cost gpt-4o --input 5 --json", "identity unresolved --json", "identity corrections --json",
        "diff --from 2026-05-18 --to 2026-05-20 --json",
    ],
)  # fmt: skip
def test_json_has_amounts_as_text_and_times_in_utc(words: str, ask: Run) -> None:
    code, out, err = ask(*words.split())
    assert (code, err) == (1 if words.startswith("status") else 0, "")  # the sources are late
    for name, value in fields(json.loads(out)):
        if name.endswith("amount") or name == "ratio":
            assert value is None or re.fullmatch(r"\d+(\.\d+)?", value), (name, value)
        if name.endswith(("_at", "_since", "_from", "_to", "_until")) and name != "refused_since":  # a count
            assert value is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value), (name, value)


def fields(found: object) -> Iterator[tuple[str, Any]]:
    if isinstance(found, dict):
        for name, value in found.items():
            yield name, value
            if name != "evidence":  # whatever led to a judgement, under names of its own
                yield from fields(value)
    elif isinstance(found, list):
        for value in found:
            yield from fields(value)


def test_an_error_leaves_nothing_on_stdout_with_json_and_without(ask: Run) -> None:
    for options in ([], ["--json"]):
        code, out, err = ask("price", "no-such-model-9", *options)
        assert (code, out, err) == (
            1,
            "",
            "model-assets: 'no-such-model-9' was not resolved: it names neither an author nor a family of models. None comes near.\n",
        )


def test_a_price_is_a_table_with_exact_amounts_and_words_for_what_is_no_amount(ask: Run) -> None:
    code, out, err = ask("price", "openai/gpt-4o-mini:batch", "--claims", "--source", "openrouter")
    assert (code, err) == (0, "")
    assert re.search(r"cache_read\s*│\s*0\.0375 USD\s*│\s*1M tokens", out)
    for model, word in (("openrouter/auto", "dynamic"), ("google/gemma-4-31b-it", "unknown"), ("openai/gpt-oss-20b:free", "free")):
        for options, place in (([], 3), (["--claims"], 5)):
            code, out, err = ask("price", model, *options)
            cells = [line.split("│")[place].strip() for line in out.splitlines() if line.startswith("│")]
            assert word in cells or (options and word == "unknown")
            assert not [cell for cell in cells if cell.startswith("0 ") or cell == "0"]


def test_a_difference_is_two_tables_and_instants_in_the_wrong_order_are_an_error(ask: Run) -> None:
    code, out, err = ask("diff", "--from", "2026-05-18", "--to", "2026-05-20", "--source", "openrouter")
    assert (code, err) == (0, "")
    assert "listings: 3" in out
    assert re.search(r"vanished\s*│ openrouter\s*│ openrouter\s*│ x-ai/grok-4", out)
    assert re.search(r"qwen/qwen3-coder\s*│ output\s*│ 1M tokens\s*│\s*│\s*1\.8\s*│\s*1\.5", out)
    code, out, err = ask("diff", "--from", "2026-05-20", "--to", "2026-05-18")
    assert (code, out) == (1, "")
    assert err == "model-assets: --from 2026-05-20T23:59:59Z is later than --to 2026-05-18T23:59:59Z. Exchange the two.\n"


# --- the database is down, missing, or not ours -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", NEEDING_A_DATABASE)
def test_a_database_that_is_down_is_one_line_and_exit_code_2(words: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:s3cr%20et@127.0.0.1:1/mine")
    code, out, err = run(*shlex.split(words))
    assert (code, out) == (2, "")
    assert err.startswith("model-assets: The database at 127.0.0.1:1/mine does not answer (")
    assert err.endswith("Start it, or correct DATABASE_URL.\n")
    assert err.count("\n") == 1
    assert "s3cr" not in err
    assert not list(tmp_path.iterdir())


def test_a_process_says_the_same_without_a_traceback(url: str, tmp_path: Path) -> None:
    ended = process("postgresql://me:secret@127.0.0.1:1/mine", "status")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "secret" not in ended.stderr


@pytest.mark.parametrize("given", ["mysql://root:secret@127.0.0.1/x", "secret", "postgresql://me:secret@127.0.0.1:port/x"])
def test_a_url_that_is_none_of_postgres_is_one_line_without_the_password(given: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", given)
    code, out, err = run("status")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "DATABASE_URL" in err
    assert "secret" not in err


def test_a_database_that_does_not_exist_is_named(run: Run, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", server.format(name="no_such_database"))
    code, out, err = run("price", "gpt-4o")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert 'database "no_such_database" does not exist' in err


def test_a_database_that_goes_away_ends_an_import_at_once(url: str, server: str) -> None:
    found = recording_files.find(BUNDLED_RECORDINGS, SOURCES).recordings
    seen = []

    def vanish(name: str) -> None:
        seen.append(name)
        with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
            admin.execute(f'drop database if exists "{make_url(url).database}" with (force)'.encode())

    with pytest.raises(ModelAssetsError, match="does not answer") as down:
        loading.import_recordings(url, found, vanish)
    assert down.value.exit_code == 2
    assert len(seen) == 1


def test_status_and_verify_db_ask_an_embedded_server_that_is_not_running_and_start_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    for command in ("status", "verify-db"):
        code, out, err = run(command)
        assert (code, out) == (2, "")
        assert err.startswith("model-assets: The embedded Postgres is not running; any command that needs it starts it")
    assert not (tmp_path / "home").exists()


def test_down_stops_nothing_where_nothing_runs_and_refuses_where_the_server_is_not_ours(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = run("down")
    assert (code, out, err) == (1, "", "model-assets: DATABASE_URL names a server that is not ours to stop. Stop it where it runs.\n")
    monkeypatch.delenv("DATABASE_URL")
    assert run("down") == (0, "it was not running\n", "")


# --- status, verify-db, migrate, dsn, env -----------------------------------------------------------------------------------------------


def test_status_of_an_empty_ledger_says_how_to_fill_it(run: Run) -> None:
    code, out, err = run("status")
    assert (code, out) == (1, "")
    assert err.startswith("model-assets: The ledger is empty. Load something: ")
    found = json.loads(run("status", "--json")[1])
    assert (found["sources"], found["runs"], found["ok"]) == ([], [], False)


def test_status_of_a_filled_ledger_has_each_source_and_the_last_attempts(ask: Run) -> None:
    code, out, err = ask("status")
    assert code == 1  # they are of last year
    assert err.count("hours ago; ") == out.count("2026-05-20T02:00:00Z │") > 0
    assert all(re.search(rf"{name}\s*│ 2026-05-20T02:00:00Z │\s+\d+ days", out) for name in BUNDLED)
    found = json.loads(ask("status", "--json")[1])
    assert [row["source"] for row in found["sources"]] == sorted(BUNDLED)
    assert {row["last_status"] for row in found["sources"]} == {"succeeded"}
    assert all(row["age_seconds"] > 0 for row in found["sources"])
    assert len(found["runs"]) == 10


def test_status_marks_an_attempt_whose_process_was_killed_as_abandoned(url: str, run: Run) -> None:
    script = (
        "import os, sys; from model_assets.attempts import begin; from model_assets.pipeline import today;"
        " begin(sys.argv[1], 'litellm', today(), 'a killed sync'); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script, url], cwd=PROJECT).returncode == -9
    with attempt(url, "openrouter", today(), "a living sync"):
        found = {row["source"]: row["status"] for row in json.loads(run("status", "--json")[1])["runs"]}
    assert found == {"litellm": "abandoned", "openrouter": "running"}


def test_a_database_that_was_never_migrated_is_not_touched_by_questions_about_it(url: str, run: Run) -> None:
    with connect(url) as connection:
        for schema in ("access", "catalog", "history", "staged", "raw", "ops"):
            connection.execute(text(f"drop schema if exists {schema} cascade"))
    for command in ("status", "verify-db", "price gpt-4o", "diff --from 2026-05-18", "quarantine"):
        code, out, err = run(*command.split())
        assert (code, out) == (1, "")
        assert err == f"model-assets: the database is at revision none, this version needs {newest()}. Run `model-assets migrate`.\n"
    assert one(url, "select count(*) from pg_namespace where nspname = 'ops'") == 0
    assert run("migrate") == (0, f"the database is at revision {newest()}\n", "")
    assert run("migrate") == (0, f"the database is at revision {newest()}\n", "")
    assert run("verify-db")[0] == 0


def test_a_database_that_a_newer_version_made_is_left_alone(url: str, run: Run) -> None:
    with connect(url) as connection:
        connection.execute(text("update ops.alembic_version set version_num = '9999'"))
    for command in ("status", "verify-db", "migrate", "dsn", "price gpt-4o", "diff --from 2026-05-18", "quarantine"):
        code, out, err = run(*command.split())
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert "9999" in err
        assert "newer version of Model Assets" in err


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


SCHEMAS = ("access", "catalog", "history", "ops", "raw", "staged")
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


def emptied(url: str) -> None:
    with connect(url) as connection:
        for schema in SCHEMAS:
            connection.execute(text(f"drop schema if exists {schema} cascade"))
        connection.execute(text("drop extension btree_gist"))


def ours(url: str) -> list[str]:
    """What of the ledger's is in a database: schemas, relations in them, the extension."""
    query = """
        select nspname from pg_namespace where nspname = any(:schemas)
        union all select nspname || '.' || relname from pg_class join pg_namespace n on n.oid = relnamespace where nspname = any(:schemas)
        union all select extname from pg_extension where extname = 'btree_gist' order by 1"""
    with connect(url) as connection:
        return list(connection.scalars(text(query), {"schemas": list(SCHEMAS)}))


@pytest.mark.parametrize(
    ("theirs", "found"),
    [
        *((f"create schema {schema}; create table {schema}.theirs (x int)", [schema, f"{schema}.theirs"]) for schema in SCHEMAS),
        ("create schema raw", ["raw"]),
    ],
    ids=[*SCHEMAS, "raw, empty"],
)
def test_a_database_whose_schemas_belong_to_something_else_is_refused_in_one_line_and_nothing_is_left_in_it(
    theirs: str, found: list[str], url: str, run: Run
) -> None:
    emptied(url)
    with connect(url) as connection:
        connection.exec_driver_sql(theirs)
    for words in ("migrate", "dsn", "env", "sync", "accept openrouter 2026-05-18", f"import {shlex.quote(str(BUNDLED_RECORDINGS))}"):
        code, out, err = run(*shlex.split(words))
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert err.startswith("model-assets: something else has the schemas that the ledger needs ")
        assert f"it has {found[0]} already" in err
        assert err.endswith("Let DATABASE_URL name a database of the ledger's own.\n")
    assert ours(url) == found


def test_an_object_that_is_in_the_way_of_the_migration_is_named_in_one_line_and_nothing_is_left(url: str, run: Run) -> None:
    emptied(url)
    with connect(url) as connection:  # another project's Alembic, at no revision
        connection.exec_driver_sql("create schema ops; create table ops.alembic_version (version_num text); create schema history")
    code, out, err = run("migrate")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert 'schema "history" already exists' in err
    assert ours(url) == ["history", "ops", "ops.alembic_version"]


def test_an_alembic_table_that_is_not_ours_is_one_line(url: str, run: Run) -> None:
    emptied(url)
    with connect(url) as connection:
        connection.exec_driver_sql("create schema ops; create table ops.alembic_version (release text)")
    for words in ("migrate", "price gpt-4o", "status"):
        code, out, err = run(*words.split())
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert "version_num" in err
    assert ours(url) == ["ops", "ops.alembic_version"]


def test_an_empty_schema_ops_that_was_made_for_us_is_used(url: str, run: Run) -> None:
    emptied(url)
    with connect(url) as connection:
        connection.exec_driver_sql("create schema ops")
    assert run("migrate") == (0, f"the database is at revision {newest()}\n", "")


def test_a_question_that_needs_newer_sql_models_leads_to_migrate(settled_copy: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", settled_copy)
    with connect(settled_copy) as connection:
        connection.exec_driver_sql("drop function catalog.price_as_of cascade; delete from ops.sql_model where key = 'catalog.price_as_of'")
    code, out, err = run("price", "gpt-4o")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.endswith("Run `model-assets migrate`.\n")
    assert run("migrate")[0] == 0
    assert run("price", "gpt-4o")[0] == 0


def test_a_ledger_that_an_older_version_filled_is_settled_by_migrate(url: str, run: Run) -> None:
    assert "The ledger is empty" in run("price", "gpt-4o")[2]
    loading.import_recordings(url, recording_files.find(BUNDLED_RECORDINGS / "models_dev", SOURCES).recordings, lambda _: None)
    code, out, err = run("price", "gpt-4o")
    assert (code, out) == (1, "")
    assert err.startswith("model-assets: No listing was linked to a model yet")
    assert err.endswith("Run `model-assets migrate`.\n")
    assert run("migrate")[0] == 0
    assert run("price", "gpt-4o")[0] == 0


def test_verify_db_names_the_claims_that_hold_and_the_one_that_is_broken(url: str, run: Run, folder: Path) -> None:
    assert run("import", folder / "openrouter")[0] == 0
    code, out, err = run("verify-db")
    assert (code, err) == (0, "")
    assert re.match(r"Postgres \d+\.\d+.* answers at postgresql://", out)
    assert "BROKEN" not in out
    with connect(url) as connection:
        connection.execute(text("update ops.observation set verdict = 'refused' where observed_at = '2026-05-19T14:00Z'"))
    code, out, err = run("verify-db")
    assert code == 1
    assert "BROKEN every claim starts with an accepted observation: history.listing: openrouter openrouter/google/gemini-3.5-flash" in out
    assert err.startswith("model-assets: the ledger is not sound: see the claims above.")
    assert err.count("\n") == 1
    broken = json.loads(run("verify-db", "--json")[1])["claims"]
    assert next(claim for claim, examples in broken.items() if examples) == "every claim starts with an accepted observation"


def test_dsn_is_one_line_that_clients_connect_with(run: Run, url: str) -> None:
    code, out, err = run("dsn")
    assert (code, err, out.count("\n")) == (0, "", 1)
    with psycopg.connect(out.strip()) as connection:
        assert connection.execute("select count(*) from catalog.price").fetchone() == (0,)
    if shutil.which("psql"):
        asked = subprocess.run(["psql", out.strip(), "-Atc", "select 6 * 7"], capture_output=True, text=True)
        assert asked.stdout == "42\n", asked.stderr


@pytest.fixture
def dagster_too(url: str, server: str) -> Iterator[None]:
    """Dagster's database beside this test's goes with it."""
    yield
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(f'drop database if exists "{make_url(url).database}_dagster" with (force)'.encode())


@pytest.mark.usefixtures("dagster_too")
def test_env_can_be_evaluated_by_sh_whatever_is_in_the_path(url: str, tmp_path: Path) -> None:
    home = tmp_path / 'it\'s $HOME, "mine"'
    script = 'eval "$("$1" -m model_assets env)" && printf "%s\\n" "$MODEL_ASSETS_HOME" "$DAGSTER_HOME" "$DATABASE_URL" "$DAGSTER_PG_URL"'
    environment = {**os.environ, "DATABASE_URL": url, "MODEL_ASSETS_HOME": str(home)}
    ended = subprocess.run(["sh", "-c", script, "sh", sys.executable], cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert ended.stderr == ""
    found = ended.stdout.splitlines()
    assert found[:3] == [str(home), str(home / "dagster"), url]
    assert found[3].endswith("_dagster")
    assert (home / "dagster" / "dagster.yaml").is_file()


# --- import -----------------------------------------------------------------------------------------------------------------------------


def test_a_whole_folder_is_imported_and_importing_it_again_writes_no_claim(url: str, run: Run) -> None:
    code, out, err = run("import", BUNDLED_RECORDINGS)
    assert (code, err) == (0, "")
    assert [line.split()[1] for line in out.splitlines() if line.startswith("│")] == sorted(BUNDLED)
    assert one(url, "select count(*) from ops.observation where verdict = 'accepted'") == 16
    assert one(url, "select count(*) from catalog.price_change") > 0
    digest = "select md5(string_agg(p::text, '' order by p::text)) from history.price p"
    before = one(url, digest)
    code, out, err = run("import", BUNDLED_RECORDINGS)
    assert (code, err) == (0, "")
    assert out.endswith("Nothing new: the ledger says all of it already.\n")
    assert one(url, digest) == before


@pytest.mark.parametrize(
    ("path", "options", "loaded"),
    [
        ("openrouter", "", {"openrouter": 4}),
        ("openrouter/2026-05-19T1400Z.json.gz", "", {"openrouter": 1}),
        ("", "--source litellm", {"litellm": 3}),
        ("", "--source litellm --source openrouter --from 2026-05-19", {"litellm": 2, "openrouter": 3}),
        ("", "--from 2026-05-19 --to 2026-05-19", dict.fromkeys(BUNDLED, 1) | {"openrouter": 2}),
        ("models_dev", "--to 2026-05-18", {"models_dev": 1}),
    ],
)
def test_a_part_of_a_folder_can_be_imported(path: str, options: str, loaded: dict[str, int], run: Run) -> None:
    code, out, err = run("import", BUNDLED_RECORDINGS / path, *options.split(), "--json")
    assert (code, err) == (0, "")
    assert {found["source"]: found["observations"] for found in json.loads(out)["sources"]} == loaded


def test_where_there_is_nothing_to_import_an_error_says_so(run: Run, folder: Path, tmp_path: Path) -> None:
    for path, options, said in (
        (tmp_path / "nowhere", "", "there is nothing at"),
        (tmp_path / "home2", "", f"no recording of {' or '.join(SOURCES)} at"),
        (folder, "--from 2027-01-01", "no recording of"),
        (folder / "litellm", "--source openrouter", "no recording of openrouter at"),
    ):
        if path.name == "home2":
            path.mkdir()
        code, out, err = run("import", path, *options.split())
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert err.startswith(f"model-assets: {said}")


def test_a_file_that_is_not_named_like_a_recording_is_one_line_wherever_it_is(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/not_asked")
    (folder / "litellm" / "passwd").write_bytes(b"root")
    (tmp_path / "passwd").write_bytes(b"root")
    for path in (Path("/etc/passwd"), tmp_path / "passwd", Path("/dev/null"), folder / "litellm" / "passwd"):
        for options in ([], ["--source", "litellm"], ["--json"]):
            code, out, err = run("import", path, *options)
            assert (code, out, err.count("\n")) == (1, "", 1)
            assert err.startswith(f"model-assets: {path} is not named like a recording (2026-06-24T0200Z.json.gz). ")


def test_sources_that_are_not_known_are_named_and_the_others_loaded(run: Run, folder: Path) -> None:
    write(folder, "leaderboard", "2026-05-18T0200Z", {})
    write(folder, "leaderboard", "2026-05-19T0200Z", {})
    code, out, err = run("import", folder, "--to", "2026-05-18", "--json")
    assert code == 0
    assert err.startswith("skipped 2 recordings of leaderboard: not a source known here (")
    assert json.loads(out)["skipped"] == {"leaderboard": 2}
    assert len(json.loads(out)["sources"]) == len(BUNDLED)


def test_files_that_are_no_recordings_are_named_and_skipped_and_the_others_loaded(url: str, run: Run, folder: Path) -> None:
    cut = folder / "openrouter" / "2026-05-19T0200Z.json.gz"
    cut.write_bytes(cut.read_bytes()[:-200])
    empty = folder / "litellm" / "2026-05-19T0200Z.json.gz"
    empty.write_bytes(b"")
    blank = write(folder, "models_dev", "2026-05-19T0200Z", b" \n")
    wrong = folder / "genai_prices" / "yesterday.json.gz"
    wrong.write_bytes(cut.read_bytes())
    future = write(folder, "genai_prices", "2999-01-01T0200Z", {})
    ended = process(url, "import", folder)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    lines = ended.stderr.splitlines()
    assert len(lines) == 5
    for path, said in (
        (cut, "is not a whole gzip file"), (empty, "is not a whole gzip file"), (blank, "is empty. Replace or remove it."),
        (wrong, "is not named like a recording"), (future, "is ahead of the database's clock"),
    ):  # fmt: skip
        assert len([line for line in lines if line.startswith(f"model-assets: {path} ") and said in line]) == 1, (path, lines)
    assert one(url, "select count(*) from ops.observation where verdict = 'accepted'") == 13
    assert one(url, "select count(*) from ops.observation where observed_at = '2026-05-19T14:00Z'") == 1  # the same day as the cut one
    failed = "select count(*) from ops.sync_run where status = 'failed' and error_class = 'BadRecording'"
    assert one(url, failed) == 4


def test_only_what_was_asked_for_is_complained_of(run: Run, folder: Path) -> None:
    (folder / "genai_prices" / "yesterday.json.gz").write_bytes(b"")
    write(folder, "swebench", "2026-05-18T0200Z", {})
    assert run("import", folder, "--source", "litellm", "--json")[::2] == (0, "")


def test_a_fault_in_the_database_is_one_line_and_does_not_stop_the_other_sources(url: str, run: Run) -> None:
    with connect(url) as connection:
        connection.exec_driver_sql(
            "create function fail() returns trigger language plpgsql as $$ begin raise 'no room on this device'; end $$;"
            "create trigger fail before insert on history.price for each row when (new.source = 'litellm') execute function fail()"
        )
    code, out, err = run("import", BUNDLED_RECORDINGS, "--to", "2026-05-18", "--json")
    assert code == 1
    assert err.count("\n") == 1
    assert "no room on this device" in err
    assert "was not loaded: " in err
    assert {found["source"] for found in json.loads(out)["sources"] if found["errors"]} == {"litellm"}
    assert one(url, "select count(distinct source) from history.price") == 3
    assert one(url, "select status from ops.sync_run where source = 'litellm'") == "failed"


@needs_recordings
def test_the_real_recordings_are_imported_as_they_are_and_unknown_sources_are_named(url: str, run: Run) -> None:
    code, out, err = run("import", SHARED / "recordings", "--from", "2026-01-16", "--to", "2026-01-16", "--json")
    assert code == 0
    assert json.loads(out)["skipped"].keys() == {line.split()[4].rstrip(":") for line in err.splitlines()}
    assert all(line.startswith("skipped ") for line in err.splitlines())
    [report] = json.loads(out)["sources"]
    assert (report["source"], report["observations"], report["errors"]) == ("openrouter", 2, [])
    assert report["listings"] > 300
    code, out, err = run("import", SHARED / "recordings" / "genai_prices", "--to", "2025-08-01")
    assert (code, err) == (0, "")
    assert run("verify-db")[0] == 0


# --- refused, and accepted after all ----------------------------------------------------------------------------------------------------


@pytest.fixture
def shrunken(run: Run, folder: Path) -> Path:
    """A folder whose second day of OpenRouter lists ten models of sixty; the first day is loaded."""
    assert run("import", folder / "openrouter" / "2026-05-18T0200Z.json.gz")[0] == 0
    return write(folder, "openrouter", "2026-05-19T0200Z", {"data": openrouter(19)["data"][:10]})


def test_a_refused_payload_is_named_with_the_command_that_accepts_it_and_the_ledger_did_not_move(
    url: str, run: Run, shrunken: Path
) -> None:
    before = one(url, "select count(*) from history.listing where upper(seen) is null")
    code, out, err = run("import", shrunken)
    assert code == 1
    assert err.count("\n") == 1
    assert "openrouter 2026-05-19T02:00Z was refused: the payload lists 10 models, 84% fewer than the 61 of 2026-05-18T02:00Z" in err
    assert err.endswith("If it is right after all: model-assets accept openrouter 2026-05-19T02:00Z\n")
    assert one(url, "select count(*) from history.listing where upper(seen) is null") == before
    assert one(url, "select count(*) from raw.payload") == 2
    assert one(url, "select refused_since from catalog.source_health") == 1


def test_the_command_that_the_refusal_names_accepts_it_and_says_once_more_that_nothing_is_left(url: str, run: Run, shrunken: Path) -> None:
    command = run("import", shrunken)[2].strip().partition("model-assets accept ")[2].split()
    code, out, err = run("accept", *command, "--why", "they cleaned up", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["sources"][0]["closed"] > 50
    assert one(url, "select count(*) from history.listing where upper(seen) is null") == 10
    assert one(url, "select decided_by from ops.observation where observed_at = '2026-05-19T02:00Z'").endswith(": they cleaned up")
    code, out, err = run("accept", *command)
    assert (code, out) == (1, "")
    assert err == (
        "model-assets: openrouter has no refused payload at 2026-05-19T02:00Z: there is nothing to accept. Refused ones: none.\n"
    )


def test_accepting_what_is_not_there_names_what_could_be_accepted(run: Run, shrunken: Path) -> None:
    run("import", shrunken)
    code, out, err = run("accept", "openrouter", "2026-05-18")
    assert (code, out) == (1, "")
    assert err.endswith("there is nothing to accept. Refused ones: 2026-05-19T02:00Z.\n")


def test_a_payload_without_rows_cannot_be_accepted_and_the_error_does_not_lead_in_a_circle(url: str, run: Run, folder: Path) -> None:
    code, _, err = run("import", write(folder, "openrouter", "2026-05-21T0200Z", b"<html>just a moment</html>"))
    assert (code, err.count("\n")) == (1, 1)
    code, out, err = run("accept", "openrouter", "2026-05-21T0200Z")
    assert (code, out) == (1, "")
    assert err.startswith("model-assets: openrouter 2026-05-21T02:00Z cannot be accepted, since no rows can be read from it: ")
    assert "model-assets accept" not in err
    assert one(url, "select count(*) from history.listing") == 0


# --- what a person sees -----------------------------------------------------------------------------------------------------------------


def test_text_of_a_source_cannot_speak_to_the_terminal_nor_break_the_table(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    payload = openrouter(18)
    hostile = "evil/\x1b[31m[/bold][red]:smile:\u202e"
    payload["data"].append({"id": hostile, "name": "x", "pricing": {"prompt": "1", "completion": "1"}})
    payload["data"].append({"id": "lab/[/red][link=x]y", "name": "x", "pricing": {"prompt": "-5", "completion": "1"}})
    assert run("import", write(folder, "openrouter", "2026-05-18T0200Z", payload))[0] == 0
    code, out, err = run("quarantine")
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "lab/[/red][link=x]y" in out
    assert any("[red]:smile:" in str(row["original"]) for row in json.loads(run("quarantine", "--json")[1]))
    monkeypatch.setenv("COLUMNS", "300")
    for options, shown in (([], "openrouter:[/red][link=x]y"), (["--claims"], "lab/[/red][link=x]y")):
        code, out, err = run("price", "lab/[/red][link=x]y", *options)
        assert (code, err) == (0, "")
        assert shown in out


def test_quarantine_says_that_it_is_empty_and_keeps_to_its_limit(ask: Run, run: Run, url: str) -> None:
    assert ask("quarantine") == (0, "Nothing is in quarantine.\n", "")
    assert ask("quarantine", "--json", "--limit", "0") == (0, "[]\n", "")


def test_a_reader_that_goes_away_is_no_error_and_nothing_is_said_of_it(settled: str) -> None:
    for words in ("diff --from 2026-05-17 --to 2026-05-20 --json", "diff --from 2026-05-17 --to 2026-05-20", "quarantine"):
        assert into_a_closed_pipe(settled, *words.split()) == (0, b""), words


def test_a_reader_that_goes_away_does_not_hide_a_failure(url: str, folder: Path) -> None:
    wrong = folder / "litellm" / "yesterday.json.gz"
    wrong.write_bytes(b"")
    code, err = into_a_closed_pipe(url, "import", folder / "litellm")
    assert code == 1
    assert err.startswith(f"model-assets: {wrong} is not named like a recording".encode())
    assert one(url, "select count(*) from ops.observation") == 3


def into_a_closed_pipe(url: str, *words: object) -> tuple[int, bytes]:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "model_assets", *map(str, words)]
    ended = subprocess.run(command, cwd=PROJECT, env={**os.environ, "DATABASE_URL": url}, stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    return ended.returncode, ended.stderr


def test_progress_is_shown_on_a_terminal_only(url: str) -> None:
    on_a_terminal, answered = with_terminal_for_stderr(url, "import", BUNDLED_RECORDINGS / "openrouter", "--json")
    assert b"import" in on_a_terminal
    assert b"/4" in on_a_terminal
    assert len(json.loads(answered)["sources"]) == 1
    assert process(url, "import", BUNDLED_RECORDINGS / "openrouter").stderr == ""


def with_terminal_for_stderr(url: str, *words: object) -> tuple[bytes, bytes]:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "model_assets", *map(str, words)]
    environment = {**os.environ, "DATABASE_URL": url, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=theirs) as running:
        os.close(theirs)
        assert running.stdout is not None
        answered = running.stdout.read()
        seen = b""
        try:
            while chunk := os.read(ours, 65_536):
                seen += chunk
        except OSError:  # the other end is closed
            pass
        os.close(ours)
    assert running.returncode == 0
    return seen, answered


def test_recordings_are_found_from_any_working_directory(url: str, folder: Path) -> None:
    command = [sys.executable, "-m", "model_assets", "import", "openrouter", "--json"]
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(PROJECT)}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["sources"][0]["observations"] == 4
