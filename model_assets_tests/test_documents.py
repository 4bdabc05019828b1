"""The tables of features, faults and addresses: every line has its row, and what a row names is there. And the list of guards: each can be taken away."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bench.mutations import guards
from model_assets import settings
from model_assets.api.app import create_app
from model_assets.cli import cli
from model_assets.definitions import defs
from model_assets.settings import PROJECT, read_settings
from model_assets_tests.api.test_matrix import CLASS
from model_assets_tests.small_ledger import select

FEATURES, FAULTS, API = (PROJECT / "docs" / f"{name}.md" for name in ("features", "faults", "api"))
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
TESTS = PROJECT / "model_assets_tests"
#: of each system: how many lines it has, and the letters of what its running code does besides
SYSTEMS = {"000": (34, "abcdefg"), "001": (56, "abcdef"), "002": (29, "abcdefghi"), "003": (25, "abcde"), "004": (24, "abcd")}
KINDS = {"I": 10, "U": 19, "D": 18, "A": 18}
MARKS = {"yes", "part", "no"}
SCHEMAS = ("raw", "staged", "history", "catalog", "access", "ops")


class Row(NamedTuple):
    """A row of a table: its number, and the text of its other columns."""

    number: str
    cells: tuple[str, ...]


def rows(page: Path) -> list[Row]:
    """The rows of a page's tables that begin with a number of a line, a fault or an invariant."""
    found = []
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else [""]
        if re.fullmatch(r"00[0-4][-+]\w+|[IUDA][0-9]+", cells[0]):
            found.append(Row(cells[0], tuple(cells[1:])))
    return found


def quoted(text: str) -> list[str]:
    """What stands in `backticks`."""
    return re.findall("`([^`]+)`", text)


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of the tests of a file below model_assets_tests."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return frozenset(one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and one.name.startswith("test_"))


def is_a_test(said: str) -> bool:
    file, _, name = said.partition("::")
    return (TESTS / file).is_file() and name in names_in(file)


# --- features ---


def test_every_line_of_the_five_systems_has_one_row_and_no_other_has() -> None:
    wanted = [
        number
        for system, (lines, more) in SYSTEMS.items()
        for number in (
            *(f"{system}-{line:02}" for line in range(1, lines + 1)),
            *(f"{system}+{letter}" for letter in more),
            f"{system}+defects",
        )
    ]
    assert [row.number for row in rows(FEATURES)] == wanted


def test_every_row_says_whether_it_works_and_where_or_why_not() -> None:
    for number, cells in rows(FEATURES):
        assert len(cells) == 3, number
        what, mark, where = cells
        assert what, number
        assert mark in MARKS, number
        assert quoted(where) or "README" in where, f"{number} names no place"
        assert mark != "part" or re.search(r";|,| no | not ", where), f"{number} does not say what is missing"


@cache
def known() -> frozenset[str]:
    """What a page may name besides commands, files, tests and relations: variables, and the names of Dagster's assets, checks and so on."""
    watched = settings._Watched({})
    read_settings(watched)
    graph, repository = defs.resolve_asset_graph(), defs.get_repository_def()
    return frozenset(
        {
            *watched.asked,
            *("/".join(key.path) for key in graph.get_all_asset_keys()),
            *(key.name for key in graph.asset_check_keys),
            *(one.name for one in (*repository.schedule_defs, *repository.sensor_defs, *repository.get_all_jobs())),
            *re.findall("^([a-z]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE),
        }
    )


def is_there(said: str) -> bool:
    """Whether what a page names is a command, an address, a file, a test, a variable, or something of Dagster's. Options of commands are looked at
    elsewhere."""
    if said.startswith("model-assets "):
        return said.split()[1] in cli.commands
    if asked := addresses(said):
        return asked <= set(routes())
    if "::" in said:
        return is_a_test(said)
    return said in known() or said.removeprefix("make ") in known() or ("/" in said and (PROJECT / said).exists())


def named_in(page: Path) -> Iterator[tuple[str, str]]:
    """(row, what it names) of a page; in the tables of old names, that of the last column, which is ours."""
    for number, cells in rows(page):
        yield from ((number, said) for said in quoted(" ".join(cells)))
    for line in page.read_text(encoding="utf-8").partition("## Old names")[2].partition("\n## ")[0].splitlines():
        yield from ((line, said) for said in quoted(line.strip("|").rpartition("|")[2]))


#: what the old systems call theirs, where a row has to name it
THEIRS = {"monitor"}


@pytest.mark.parametrize("page", [FEATURES, FAULTS], ids=lambda page: page.stem)
def test_everything_that_a_row_names_is_there(url: str, page: Path) -> None:
    columns = set(
        select(
            url,
            "select nspname || '.' || relname || coalesce('.' || attname, '') from pg_class c join pg_namespace n on n.oid = relnamespace"
            " left join lateral (select attname from pg_attribute where attrelid = c.oid and attnum > 0 union all select null) as a on true"
            " where nspname = any(:schemas) union all select nspname || '.' || proname from pg_proc p join pg_namespace n on n.oid = pronamespace"
            " where nspname = any(:schemas)",
            schemas=list(SCHEMAS),
        )
    )
    missing = [(row, said) for row, said in named_in(page) if said not in columns | THEIRS and not is_there(said)]
    assert missing == []
    assert len(list(named_in(page))) > 10


def test_what_is_not_there_is_found_out() -> None:
    assert not is_there("model-assets fly")
    assert not is_there("cli/test_usage.py::test_what_nobody_wrote")
    assert not is_there("docs/nothing.md")
    assert not is_there("catalog.nothing")
    assert not is_there("GET /api/v1/nothing")
    assert not is_there("GET, DELETE /api/v1/models")
    assert not is_there("MODEL_NOTHING")


# --- faults ---


def test_every_fault_and_invariant_has_one_row() -> None:
    assert [row.number for row in rows(FAULTS)] == [f"{kind}{number}" for kind, most in KINDS.items() for number in range(1, most + 1)]


def test_every_fault_is_injected_by_a_test_that_exists() -> None:
    for number, (what, injected, _) in rows(FAULTS):
        assert what, number
        assert [said for said in quoted(injected) if not is_a_test(said)] == [], number
        assert quoted(injected), f"{number} has no test"


# --- addresses ---


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = create_app(read_settings({}), "postgresql://nobody@127.0.0.1:1/none").openapi()
    return found


@cache
def routes() -> dict[str, str]:
    """method and address of each route, with `{}` for each parameter -> as the document has it."""
    return {
        blank(f"{method.upper()} {path}"): f"{method.upper()} {path}"
        for path, operations in document()["paths"].items()
        for method in operations
    }


def blank(address: str) -> str:
    """An address without the names of its parameters, and without a query."""
    return re.sub(r"\{\w+\}", "{}", address).partition("?")[0]


def addresses(said: str) -> set[str]:
    """The addresses that `GET, POST /api/v1/models` names; none where it names none."""
    found = re.fullmatch(r"([A-Z]+(?:, [A-Z]+)*) (/\S+)", said)
    return {blank(f"{method} {found[2]}") for method in found[1].split(", ")} if found else set()


def test_every_address_has_one_row_that_says_who_may_use_it() -> None:
    named: dict[str, str] = {}
    for line in API.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for address in addresses(cells[0].strip("`")):
            assert address not in named, f"{address} has two rows"
            assert cells[2], address
            named[address] = cells[1]
    assert named.keys() == routes().keys()
    assert {address: named[address] for address in named if named[address] != who(routes()[address])} == {}


def who(route: str) -> str:
    """Who may use a route, in the words of the page; by the matrix, in which every tier tries every route."""
    found = {"everybody": "anyone", "everybody, and more with a token": "anyone", "users": "user", "admins": "admin"}.get(CLASS[route])
    if found is None:
        return CLASS[route].removeprefix("who has ")
    method, _, path = route.partition(" ")
    security = document()["paths"][path][method.lower()].get("security", [])
    return f"{found} or key" if any("APIKeyHeader" in one for one in security) else found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_address_that_a_page_names_or_calls_is_there(page: Path) -> None:
    whole = page.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", whole, flags=re.MULTILINE | re.DOTALL)
    named = {address for said in quoted(prose) if "*" not in said for address in addresses(said)}
    # where somebody has to put in a name of their own it is written like `SOURCE`
    assert [address for address in sorted(named) if blank(re.sub(r"/[A-Z]{2,}(?=/|$)", "/{x}", address)) not in routes()] == []
    for called in re.findall(r"(?:\$API|http://127\.0\.0\.1:8000)(/[^\s\"'?)]*)", whole):
        assert any(fits(called, route.partition(" ")[2]) for route in routes()), called


def fits(called: str, path: str) -> bool:
    """Whether an address with its values is one of a route; an id may hold slashes."""
    return re.fullmatch(re.escape(path).replace(r"\{\}", ".+"), called) is not None


def test_every_setting_of_the_api_is_explained() -> None:
    watched = settings._Watched({})
    read_settings(watched)
    wanted = {name for name in watched.asked if name.startswith(("API_", "JWT_"))} | {"ADMIN_KEY", "CRON_SECRET", "OPENROUTER_MODELS_LIST"}
    explained = {
        name for line in API.read_text(encoding="utf-8").splitlines() if line.startswith("| `") for name in quoted(line.split("|")[1])
    }
    assert wanted - explained == set()


# --- guards ---


def test_there_are_guards_of_every_part() -> None:
    found = guards()
    assert len(found) >= 40
    parts = {one.file.split("/")[0] for one in found}
    assert parts >= {"fetching", "sources", "ledger", "gate", "identity", "attempts.py", "alerts", "backup", "upkeep", "access"}
    assert len({(one.file, one.text, one.mutant) for one in found}) == len(found)


@pytest.mark.parametrize("guard", guards(), ids=lambda guard: guard.guard)
def test_each_guard_can_be_taken_away_at_one_place_and_names_a_test(guard) -> None:
    whole = (PROJECT / guard.path).read_text(encoding="utf-8")
    assert whole.count(guard.text) == 1
    if guard.path.endswith(".py"):
        ast.parse(whole.replace(guard.text, guard.mutant))
    assert is_a_test(guard.test)
