"""`model-assets access`: the same words and answers on the command line."""

import json
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from model_assets.database import connect
from model_assets_tests.conftest import Run


@pytest.fixture
def run(settled_copy: str, command_line: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `model-assets access ...` on the bundled recordings: (exit code, stdout, stderr)."""
    monkeypatch.setenv("DATABASE_URL", settled_copy)
    monkeypatch.setenv("COLUMNS", "200")
    return partial(command_line, "access")


def some_model(url: str) -> str:
    """An active model that the tier pro may use and the tier free may not."""
    with connect(url) as connection:
        query = "select model_id from access.model_access where status = 'active' and is_pro and not is_free order by 1 limit 1"
        return str(connection.execute(text(query)).scalar_one())


def test_a_model_is_disabled_checked_and_given_back(run: Run, settled_copy: str) -> None:
    model = some_model(settled_copy)
    assert run("user", "u", "--tier", "pro", "--why", "paid")[0] == 0
    assert run("check", "u", model)[:2] == (0, f"u (pro), {model}: yes\n")
    code, out, _ = run("set", model, "--status", "disabled", "--daily-limit", "5", "--why", "unsafe", "--json")
    assert (code, json.loads(out)[0]["status"], json.loads(out)[0]["daily_limit"]) == (0, "disabled", 5)
    assert run("check", "u", model)[:2] == (1, f"u (pro), {model}: no: it is disabled\n")
    with connect(settled_copy) as connection:  # what lists read follows at once, as over HTTP
        card = text("select visible_pro from catalog.model_card where model_id = :model")
        assert connection.execute(card, {"model": model}).scalar_one() is False
    assert [row["model_id"] for row in json.loads(run("list", "--status", "disabled", "--json")[1])] == [model]
    code, out, _ = run("set", model, "--policy", "--why", "mended", "--json")
    assert (json.loads(out)[0]["status"], json.loads(out)[0]["decided_by"], json.loads(out)[0]["daily_limit"]) == ("active", "policy", None)
    trail = json.loads(run("audit", "--model", model, "--json")[1])
    assert [row["why"] for row in trail] == ["mended", "unsafe", None]
    assert "said_status: None -> disabled" in run("audit", "--model", model)[1]
    code, out, _ = run("audit", "--verify")
    assert (code, "It is whole." in out) == (0, True)


def test_no_user_can_have_an_id_by_which_the_audit_names_something_else(run: Run) -> None:
    code, _, said = run("user", "Policy", "--tier", "admin")
    assert (code, "no user can have that id" in said) == (1, True)
    assert json.loads(run("audit", "--model", "Policy", "--json")[1]) == []


def test_an_audit_that_was_tampered_with_is_told_of_with_exit_code_1(run: Run, settled_copy: str) -> None:
    run("user", "u", "--tier", "pro")
    with connect(settled_copy) as connection:
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(text("update access.audit set actor = 'eve' where audit_id = 2"))
    code, out, _ = run("audit", "--verify", "--json")
    assert (code, json.loads(out)["breaks"]) == (1, [{"audit_id": 2, "what": "it was edited"}])


def test_a_model_is_shown_with_its_offers_and_an_unknown_one_with_the_nearest(run: Run, settled_copy: str) -> None:
    model = some_model(settled_copy)
    found = json.loads(run("show", model, "--json")[1])
    assert found["model_id"] == model
    assert found["offers"]
    assert run("show", model)[0] == 0
    code, _, err = run("show", f"{model}x")
    assert (code, model in err) == (1, True)


def test_what_cannot_be_said_is_one_line(run: Run, settled_copy: str) -> None:
    model = some_model(settled_copy)
    assert "Say at least one thing" in run("set", model, "--why", "x")[2]
    assert "is not a number of requests" in run("set", model, "--daily-limit", "-1x", "--why", "x")[2]
    assert "Nothing was changed. There is no model 'nosuch'" in run("set", "nosuch", "--free", "--why", "x")[2]


def test_a_note_says_any_word_and_an_empty_one_takes_it_back(run: Run, settled_copy: str) -> None:
    model = some_model(settled_copy)
    notes = [json.loads(run("set", model, "--note", words, "--why", "x", "--json")[1])[0]["note"] for words in ("none", "", "trial")]
    assert notes == ["none", None, "trial"]
    limits = [json.loads(run("set", model, "--daily-limit", given, "--why", "x", "--json")[1])[0]["daily_limit"] for given in ("5", "none")]
    assert limits == [5, None]


def test_users_who_are_not_known_have_the_tier_free(run: Run) -> None:
    [found] = json.loads(run("user", "nobody", "--json")[1])
    assert (found["tier"], found["known"], found["models"] > 0) == ("free", False, True)


def test_a_policy_is_tried_out(run: Run, tmp_path: Path) -> None:
    assert [(one["gained"], one["lost"]) for one in json.loads(run("policy", "--dry-run", "--json")[1])] == [([], [])] * 3
    other = tmp_path / "policy.yml"
    other.write_text("rules: []\n")
    code, out, _ = run("policy", str(other), "--dry-run")
    assert code == 0
    assert "enterprise, 0 users: gains 0 models, loses " in out
    other.write_text("rules: [{tier: gold, effect: allow, ids: x}]\n")
    assert "unknown tier 'gold'" in run("policy", str(other), "--dry-run")[2]


def test_an_empty_inbox_is_said_to_be_empty(run: Run) -> None:
    assert run("inbox") == (0, "Nothing waits in the inbox.\n", "")
