"""Claims of schema.yml about the rows of a relation: what each says, and which rows break it."""

from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from model_assets.errors import SettingsError
from model_assets.sql_models.relations import count_and_sample, quoted

SAMPLE = 10


@dataclass(frozen=True)
class ColumnTest:
    """One claim about a relation's rows: `not_null`, `unique`, `accepted_values` or `relationships`. `where` says which line claims it."""

    model: str
    kind: str
    columns: tuple[str, ...]
    values: tuple[str, ...] = ()
    to: str = ""
    field: str = ""
    severity: str = "error"
    where: str = ""

    @property
    def name(self) -> str:
        """The claim as a name: `amount_is_not_null`; for a compound key `rows_are_unique`."""
        if len(self.columns) > 1:
            return "rows_are_unique"
        ends = {"not_null": "is_not_null", "unique": "is_unique", "accepted_values": "is_an_accepted_value"}
        return f"{self.columns[0]}_{ends.get(self.kind) or 'is_in_' + self.to.replace('.', '_')}"

    @property
    def description(self) -> str:
        """The claim as a sentence."""
        said = {
            "not_null": "is never null",
            "unique": "no two rows share it",
            "accepted_values": f"is one of {', '.join(self.values)}",
            "relationships": f"is found in {self.to}.{self.field}",
        }
        return f"{', '.join(self.columns)}: {said[self.kind]}."


@dataclass(frozen=True)
class TestResult:
    """How many rows (for `unique`: keys) break a claim, and the first of them."""

    __test__ = False  # pytest, this is not one of yours
    failing: int
    sample: list[dict[str, Any]]


def run_test(connection: Connection, test: ColumnTest) -> TestResult:
    """Count what breaks the claim. Null breaks `not_null` only; in a compound `unique`, null is a value like any other.

    Raises SettingsError where the relation or a column of it does not exist.
    """
    columns = ", ".join(map(quoted, test.columns))
    row = f"select * from {test.model} as tested where "
    failing = {
        "not_null": f"{row} {columns} is null",
        "unique": f"select {columns}, count(*) as rows from {test.model} {'' if len(test.columns) > 1 else f'where {columns} is not null'} "
        f"group by {columns} having count(*) > 1",
        "accepted_values": f"{row} {columns} is not null and {columns}::text <> all(:values)",
        "relationships": f"{row} {columns} is not null "
        f"and not exists (select from {test.to} as target where target.{quoted(test.field)} = tested.{columns})",
    }[test.kind]
    bound = {"values": list(test.values)} if test.kind == "accepted_values" else {}
    try:
        with connection.begin_nested():
            count, sample = count_and_sample(connection, failing, SAMPLE, bound)
            return TestResult(count, sample)
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.UndefinedColumn | psycopg.errors.UndefinedTable):
            raise
        found = f"{test.name} cannot be tested: {error.orig.diag.message_primary}"
        raise SettingsError(f"{test.where}: {found}. Mend the entry, or run `model-assets migrate`.") from None
