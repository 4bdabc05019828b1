"""Every command with its help, and what a wrong use is told."""

import os

import pytest

from model_assets import cli
from model_assets_tests.conftest import Run

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


@pytest.mark.parametrize("group", ["access", "identity", "score"])
def test_a_group_without_a_command_shows_its_help_whole_and_is_no_success(group: str, run: Run) -> None:
    code, out, err = run(group)
    assert (code, out) == (2, "")
    assert err.startswith(f"Usage: model-assets {group} ")
    assert "..." not in err.partition("Commands:\n")[2]


def test_an_argument_that_is_no_text_is_refused_in_one_line(run: Run) -> None:
    assert run("price", os.fsdecode(b"gpt\xff"))[::2] == (
        2,
        "model-assets: Invalid value for 'MODEL': 'gpt\\udcff' is not UTF-8 text. See `model-assets price --help`.\n",
    )


def test_the_version_is_shown_also_where_nothing_is_installed(run: Run) -> None:
    code, out, err = run("--version")
    assert (code, err) == (0, "")
    assert out
