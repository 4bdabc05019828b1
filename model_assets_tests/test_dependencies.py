"""What the project needs is pinned, down to what its dependencies need (fault A17)."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution

from packaging.requirements import Requirement

from model_assets.settings import PROJECT


def pinned() -> dict[str, str]:
    """name -> version of each line of constraints.txt."""
    lines = (PROJECT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def plain(name: str) -> str:
    """A package's name as the index spells it."""
    return re.sub("[-_.]+", "-", name).lower()


def needed() -> Iterator[str]:
    """Every package that the project needs on this machine, with its optional parts, and what those need."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    rest = [Requirement(one) for some in (project["dependencies"], *project["optional-dependencies"].values()) for one in some]
    seen: set[tuple[str, frozenset[str]]] = set()
    while rest:
        one = rest.pop()
        if (plain(one.name), frozenset(one.extras)) in seen:
            continue
        seen.add((plain(one.name), frozenset(one.extras)))
        yield plain(one.name)
        for below in map(Requirement, distribution(one.name).requires or ()):
            if below.marker is None or any(below.marker.evaluate({"extra": extra}) for extra in (one.extras or {""})):
                rest.append(below)


def test_every_dependency_is_pinned_and_what_is_installed_is_what_is_pinned() -> None:
    pins = {plain(name): version for name, version in pinned().items()}
    found = {name: distribution(name).version for name in needed()}
    assert len(found) > 100
    assert found == {name: pins.get(name) for name in found}


def test_pins_are_exact_and_say_nothing_of_where_a_package_comes_from() -> None:
    lines = (PROJECT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    names = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in names if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []
