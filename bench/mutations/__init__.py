"""The proof of the proof: each guard of `guards.yml` is taken away in a copy of the project, and the test named beside it must fail."""

from pathlib import Path
from typing import NamedTuple

import yaml

PROJECT = Path(__file__).resolve().parent.parent.parent


class Guard(NamedTuple):
    """What is guarded, and how the guard is taken away: `text`, once in `file`, becomes `mutant`; then `test` must fail."""

    guard: str
    file: str
    text: str
    mutant: str
    test: str

    @property
    def path(self) -> str:
        """The file, below the project."""
        return f"model_assets/{self.file}"

    @property
    def node(self) -> str:
        """The test as pytest names it, below the project."""
        return f"model_assets_tests/{self.test}"


def guards() -> list[Guard]:
    """The guards in their order."""
    return [Guard(**one) for one in yaml.safe_load(Path(__file__).with_name("guards.yml").read_text(encoding="utf-8"))]
