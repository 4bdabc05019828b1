"""A database that is down, missing or no Postgres: one line, exit code 2, and nothing is started."""

import shlex
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from model_assets import loading, recording_files
from model_assets.errors import ModelAssetsError
from model_assets.settings import BUNDLED_RECORDINGS
from model_assets.sources import SOURCES
from model_assets_tests.cli.command_line import NEEDING_A_DATABASE, process
from model_assets_tests.conftest import Run


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
