"""A payload that was refused, and accepted after all."""

import json
from pathlib import Path

import pytest

from model_assets_tests.cli.command_line import one, openrouter, write
from model_assets_tests.conftest import Run


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
