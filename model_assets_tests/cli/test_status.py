"""What status, verify-db, dsn and env say of a ledger."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from model_assets.attempts import attempt
from model_assets.database import connect
from model_assets.pipeline import today
from model_assets.settings import PROJECT
from model_assets_tests.conftest import Run
from model_assets_tests.shared_data import BUNDLED


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
