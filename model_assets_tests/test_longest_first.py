"""The order in which the tests are run."""

from pathlib import Path

import pytest

from model_assets_tests.longest_first import LONGEST, file_of

TESTS = Path(__file__).parent


def test_the_long_files_are_there_and_come_first(request: pytest.FixtureRequest) -> None:
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []
    files = list(dict.fromkeys(file_of(item) for item in request.session.items))
    long = [name for name in LONGEST if name in files]
    assert files[: len(long)] == long


def test_make_test_keeps_that_order() -> None:
    [line] = [line for line in (TESTS.parent / "Makefile").read_text().splitlines() if "-m pytest" in line]
    assert "--dist loadfile --no-loadscope-reorder" in line
