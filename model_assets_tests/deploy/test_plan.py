"""The environment file of a schedule, and the variables that go into it."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_assets.errors import ModelAssetsError, SettingsError
from model_assets.schedule.plan import environment_file, write
from model_assets.settings import read_settings, variables_set

AWKWARD = "postgresql://u:p%40 a$b`c`\"d\"'e'\\f#g;h&i|j*k~!=@localhost/db?options=-c%20x"


def read_by_a_shell(file: Path, name: str) -> str:
    words = ["sh", "-c", f'set -a; . "$1"; exec python3 -c "import os; print(os.environ[\\"{name}\\"], end=\\"\\")"', "sh", str(file)]
    return subprocess.run(words, env={"PATH": "/usr/local/bin:/usr/bin:/bin"}, capture_output=True, text=True, check=True).stdout


def read_by_systemd(line: str) -> str:
    """What systemd.exec(5) says of EnvironmentFile=: in double quotes a backslash takes the meaning of " ` $ and \\ away, and of nothing else."""
    quoted = line.partition("=")[2]
    assert quoted[0] == quoted[-1] == '"'
    value, rest = "", quoted[1:-1]
    while rest:
        escaped = rest[0] == "\\" and rest[1:2] in ('"', "`", "$", "\\")
        assert escaped or rest[0] != '"', "the value ends too soon"
        value += rest[1] if escaped else rest[0]
        rest = rest[2 if escaped else 1 :]
    return value


def test_a_shell_reads_the_environment_file_as_it_was_meant(tmp_path: Path) -> None:
    file = tmp_path / "a file.env"
    file.write_text(environment_file({"DATABASE_URL": AWKWARD}))
    assert read_by_a_shell(file, "DATABASE_URL") == AWKWARD


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"])).filter(str.isprintable))
def test_systemd_reads_the_environment_file_as_it_was_meant(value: str) -> None:
    assert read_by_systemd(environment_file({"NAME": value}).splitlines()[1]) == value


@pytest.mark.parametrize("value", ["two\nlines", "a\x00nul", "an\x1bescape"])
def test_a_value_that_no_environment_file_can_hold_is_refused_without_being_told(value: str) -> None:
    with pytest.raises(SettingsError, match="HF_TOKEN has a line break") as refused:
        environment_file({"HF_TOKEN": value})
    assert value not in str(refused.value)


def test_the_variables_are_those_that_are_set_and_that_the_project_reads() -> None:
    given = {"DATABASE_URL": "postgresql://a/b", "PGPASSWORD": "x", "MODEL_RECORDINGS": "  ", "HOME": "/root", "AWS_SECRET_ACCESS_KEY": "y"}
    assert variables_set(given) == {"DATABASE_URL": "postgresql://a/b", "PGPASSWORD": "x"}


def test_the_secrets_by_which_the_api_knows_its_callers_are_not_among_them() -> None:
    secrets = {"ADMIN_KEY": "k" * 32, "CRON_SECRET": "c" * 32, "JWT_SECRET": "s" * 32}
    assert variables_set({"ALERT_URLS": "json://hooks.example", **secrets}) == {"ALERT_URLS": "json://hooks.example"}


def test_every_variable_of_the_settings_is_known() -> None:
    known = {
        "DATABASE_URL": "postgresql://a/b", "MODEL_ASSETS_HOME": "/h", "MODEL_RECORDINGS": "/r", "MODEL_SYNC_SCHEDULE": "0 3 * * *",
        "MODEL_SYNC_RETRY_ATTEMPTS": "2", "PRICING_SYNC_INTERVAL_HOURS": "12", "DB_RETRY_MS": "5", "MODEL_POLICY_FILE": "/p",
    }  # fmt: skip
    assert variables_set(known) == known
    assert read_settings(known).db_retry_ms == 5


def test_a_secret_file_is_never_readable_by_others_and_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "new folder" / "env"
    old = os.umask(0)
    try:
        write(file, "one", 0o600)
        file.chmod(0o644)
        write(file, "two", 0o600)
    finally:
        os.umask(old)
    assert (file.read_text(), file.stat().st_mode & 0o777, list(file.parent.iterdir())) == ("two", 0o600, [file])


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelAssetsError, match=r"file/env cannot be written: .*Use a user who may"):
        write(tmp_path / "file" / "env", "", 0o600)
