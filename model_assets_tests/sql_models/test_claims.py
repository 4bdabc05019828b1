"""The claims that schema.yml makes about rows: what each counts as broken."""

import pytest
from sqlalchemy import Engine

from model_assets.sql_models import run_test
from model_assets_tests.sql_models.conftest import NUMBERS, ROWS, Write, put

CASES = {
    "not_null": ("word", "not_null", 0),
    "not_null fails": ("n", "not_null", 1),
    "unique": ("other", "unique", 0),
    "unique fails": ("n", "unique", 1),
    "accepted_values": ("word", "accepted_values: [a, b, c]", 0),
    "accepted_values fails": ("word", "accepted_values: [a, b]", 2),
    "accepted_values of numbers": ("n", "accepted_values: ['1', '2']", 0),
    "relationships": ("n", "relationships: {to: catalog.numbers, field: n}", 0),
    "relationships fails": ("other", "relationships: {to: catalog.numbers, field: rest}", 1),
}


@pytest.mark.parametrize(("column", "claim", "failing"), CASES.values(), ids=CASES.keys())
def test_a_claim_about_a_column_counts_what_breaks_it(bare: Engine, write: Write, column: str, claim: str, failing: int) -> None:
    claim = claim if ":" in claim else f"{claim}: "
    yml = f"models: {{held: {{columns: {{{column}: {{description: d, tests: [{{{claim}, severity: warn}}]}}}}}}}}"
    models = write(yml, held=ROWS, numbers=NUMBERS)
    put(bare, models)
    [test] = models["catalog.held"].tests
    with bare.begin() as connection:
        found = run_test(connection, test)
    assert (found.failing, len(found.sample), test.severity) == (failing, failing, "warn")
    assert all(column in row for row in found.sample)


@pytest.mark.parametrize(("columns", "failing"), [("[n, word]", 0), ("[n, other]", 1), ("[word]", 1)])
def test_a_grain_is_broken_by_rows_that_share_it_where_null_is_a_value(bare: Engine, write: Write, columns: str, failing: int) -> None:
    models = write(f"models: {{held: {{unique: {columns}}}}}", held=ROWS)
    put(bare, models)
    with bare.begin() as connection:
        assert run_test(connection, models["catalog.held"].tests[0]).failing == failing


def test_a_sample_is_short_and_the_count_is_whole(bare: Engine, write: Write) -> None:
    models = write(
        "models: {numbers: {columns: {rest: {description: d, tests: [not_null]}}}}",
        numbers="-- N.\nselect null::int as rest from generate_series(1, 50)",
    )
    put(bare, models)
    with bare.begin() as connection:
        found = run_test(connection, models["catalog.numbers"].tests[0])
    assert (found.failing, len(found.sample)) == (50, 10)
