"""Which columns of other relations the values of a column are made of."""

from collections.abc import Iterable, Mapping

from model_assets.sql_models.model import SqlModel

Lineage = dict[str, list[tuple[str, str]]]


def column_lineage(model: SqlModel, models: Mapping[str, SqlModel], base_columns: Mapping[str, Iterable[str]]) -> Lineage:
    """For each column of a model, the (relation, column) pairs of the relations it refers to that make its value. Functions have none.

    `base_columns` are the columns of the base relations; those of other models follow from their text.
    """
    return {} if model.kind == "function" else _lineage(model, models, base_columns, {})


def _lineage(
    model: SqlModel, models: Mapping[str, SqlModel], base_columns: Mapping[str, Iterable[str]], known: dict[str, Lineage]
) -> Lineage:
    from sqlglot import exp  # takes a third of a second to load, and only lineage needs it
    from sqlglot.lineage import lineage

    if model.key in known:
        return known[model.key]
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for ref in model.refs:
        above = models.get(ref)
        if above and above.kind == "function":
            continue  # what it makes of its arguments is its own
        columns = _lineage(above, models, base_columns, known) if above else base_columns.get(ref, ())
        schema.setdefault(ref.split(".")[0], {})[ref.split(".")[1]] = dict.fromkeys(columns, "text")
    found: Lineage = {}
    # to trim the text for each column anew takes ten times as long, and leaves the same
    for column, node in lineage(None, model.sql, schema, dialect="postgres", trim_selects=False).items():
        leaves = [(leaf.source, leaf.name) for leaf in node.walk() if not leaf.downstream]
        pairs = {(f"{table.db}.{table.name}", name.rsplit(".", 1)[-1].strip('"')) for table, name in leaves if isinstance(table, exp.Table)}
        found[column] = sorted(pair for pair in pairs if pair[0] in model.refs)
    known[model.key] = found
    return found
