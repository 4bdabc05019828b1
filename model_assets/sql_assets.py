"""SQL models as Dagster assets: a thin layer over `sql_models`. Functions are deployed too, but have no rows, and so are no assets."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from sqlalchemy import Connection, text

from model_assets.resources import Postgres
from model_assets.sql_models import (
    ColumnTest,
    SqlModel,
    column_lineage,
    count_and_sample,
    deploy,
    relation_columns,
    run_test,
)

#: relation -> the assets that write it; a relation that is missing here, or has none, is nobody's upstream
BaseAssets = Mapping[str, Sequence[Sequence[str]]]
Fill = Callable[[Connection], object]
PREVIEW = 5
TEXT_LIMIT = 80


def sql_assets(models: Mapping[str, SqlModel], base_assets: BaseAssets, fill: Fill) -> list[dg.AssetsDefinition]:
    """One asset per view and table, below the assets that write what it reads. `fill` brings all tables up to date, at once: in a run that
    has several, the first one does it, and the others find that nothing moved since."""
    return [_asset(model, models, base_assets, fill) for model in models.values() if model.kind != "function"]


def sql_asset_checks(models: Mapping[str, SqlModel]) -> list[dg.AssetChecksDefinition]:
    """The tests of schema.yml as checks that block nothing: in one step per model, each with a result of its own."""
    return [_checks(model, models) for model in models.values() if model.tests]


def _asset(model: SqlModel, models: Mapping[str, SqlModel], base_assets: BaseAssets, fill: Fill) -> dg.AssetsDefinition:
    @dg.asset(
        key=[model.schema, model.name],
        group_name=model.schema,
        deps=_upstream(model, models, base_assets),
        kinds={"sql", "postgres", model.kind},
        owners=[f"team:{model.schema}"],
        tags={"layer": model.schema},
        description=model.description,
        code_version=model.sha256[:12],
        metadata={"dagster/column_schema": _column_schema(model, {})},
        # what is upstream has a partition per day, and some day is always missing
        automation_condition=dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing()),
    )
    def relation(context: dg.AssetExecutionContext, postgres: Postgres) -> dg.MaterializeResult:
        with postgres.begin() as connection:
            made = deploy(connection, models)
            if made:
                context.log.info(f"Made anew, since their text changed: {', '.join(made)}")
            if model.kind == "table":
                fill(connection)
            return dg.MaterializeResult(metadata=_metadata(connection, model, models, base_assets))

    return relation


def _checks(model: SqlModel, models: Mapping[str, SqlModel]) -> dg.AssetChecksDefinition:
    key = dg.AssetKey([model.schema, model.name])
    tests = {test.name: test for test in model.tests}

    def spec(name: str, test: ColumnTest) -> dg.AssetCheckSpec:
        # what a row must be found in may be made after the row's own relation, of which it is made
        looked_in = [dg.AssetKey(test.to.split("."))] if test.to in models and test.to != model.key else []
        return dg.AssetCheckSpec(name, asset=key, description=test.description, blocking=False, additional_deps=looked_in)

    specs = [spec(name, test) for name, test in tests.items()]

    @dg.multi_asset_check(name=f"{model.schema}_{model.name}_keeps_its_word", specs=specs, can_subset=True)
    def keeps_its_word(context: dg.AssetCheckExecutionContext, postgres: Postgres) -> Iterator[dg.AssetCheckResult]:
        wanted = {selected.name for selected in context.selected_asset_check_keys}
        for name, test in tests.items():
            if name in wanted:
                with postgres.begin() as connection:
                    yield _check_result(connection, key, test)

    return keeps_its_word


def _check_result(connection: Connection, key: dg.AssetKey, test: ColumnTest) -> dg.AssetCheckResult:
    found = run_test(connection, test)
    severity = dg.AssetCheckSeverity.WARN if test.severity == "warn" else dg.AssetCheckSeverity.ERROR
    if not found.failing:
        return dg.AssetCheckResult(asset_key=key, check_name=test.name, passed=True, severity=severity)
    what = "keys are there more than once" if test.kind == "unique" else "rows break it"
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=test.name,
        passed=False,
        severity=severity,
        description=f"{test.description} {found.failing} {what}; the rule is in {test.where}.",
        metadata={"failing": found.failing, "first_failures": dg.MetadataValue.md(_markdown(found.sample))},
    )


def _upstream(model: SqlModel, models: Mapping[str, SqlModel], base_assets: BaseAssets) -> list[dg.AssetKey]:
    """The assets below which a model stands; through a function, those that the function reads."""
    keys: list[dg.AssetKey] = []
    for ref in model.refs:
        above = models.get(ref)
        if above is None:
            keys += [dg.AssetKey(list(key)) for key in base_assets.get(ref, ())]
        elif above.kind == "function":
            keys += _upstream(above, models, base_assets)
        else:
            keys.append(dg.AssetKey([above.schema, above.name]))
    return list(dict.fromkeys(keys))


def _metadata(connection: Connection, model: SqlModel, models: Mapping[str, SqlModel], base_assets: BaseAssets) -> dict[str, Any]:
    columns = relation_columns(connection, [model.key, *model.refs])
    # the columns of what is above are asked for: to derive them from the texts of all models takes six times as long
    functions = {key: above for key, above in models.items() if above.kind == "function"}
    lineage = column_lineage(model, functions, columns)
    database = connection.execute(text("select current_database()")).scalar_one()
    rows, preview = count_and_sample(connection, f"select * from {model.key}", PREVIEW)
    return {
        "dagster/row_count": rows,
        "dagster/relation_identifier": f"{database}.{model.key}",
        "dagster/column_schema": _column_schema(model, columns[model.key]),
        "dagster/column_lineage": _column_lineage(lineage, models, base_assets),
        "preview": dg.MetadataValue.md(_markdown(preview)),
    }


def _column_schema(model: SqlModel, types: Mapping[str, str]) -> dg.TableSchema:
    """The described columns and, where the database was asked, all of them with their types."""
    never_null = {test.columns[0] for test in model.tests if test.kind == "not_null"}
    unique = {test.columns[0] for test in model.tests if test.kind == "unique" and len(test.columns) == 1}
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column,
                type=types.get(column, "any"),
                description=model.columns.get(column),
                constraints=dg.TableColumnConstraints(nullable=column not in never_null, unique=column in unique),
            )
            for column in types or model.columns
        ]
    )


def _column_lineage(
    lineage: Mapping[str, Iterable[tuple[str, str]]], models: Mapping[str, SqlModel], base_assets: BaseAssets
) -> dg.TableColumnLineage:
    def assets(relation: str) -> list[dg.AssetKey]:
        keys = [relation.split(".")] if relation in models else base_assets.get(relation, ())
        return [dg.AssetKey(list(key)) for key in keys]

    return dg.TableColumnLineage(
        deps_by_column={
            # several relations may be written by one asset: Dagster wants each of its columns named once
            column: [
                dg.TableColumnDep(asset_key=key, column_name=name)
                for key, name in dict.fromkeys((key, name) for relation, name in pairs for key in assets(relation))
            ]
            for column, pairs in lineage.items()
        }
    )


def _markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as a table in Markdown; a null is shown as such, a long text is cut."""
    if not rows:
        return "(no rows)"
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    said = "null" if value is None else " ".join(str(value).split()).replace("\\", "\\\\").replace("|", "\\|")
    return said if len(said) <= TEXT_LIMIT else said[: TEXT_LIMIT - 1] + "…"
