"""What import loads in spite of what is broken, and what it says of the rest."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_assets.database import connect
from model_assets.settings import BUNDLED_RECORDINGS, PROJECT
from model_assets.sources import SOURCES
from model_assets_tests.cli.command_line import one, process, write
from model_assets_tests.conftest import Run
from model_assets_tests.shared_data import BUNDLED, SHARED, needs_recordings


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


def test_recordings_are_found_from_any_working_directory(url: str, folder: Path) -> None:
    command = [sys.executable, "-m", "model_assets", "import", "openrouter", "--json"]
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(PROJECT)}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["sources"][0]["observations"] == 4
