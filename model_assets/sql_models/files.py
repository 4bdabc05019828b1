"""Reading a folder of SQL models: each file is understood, refers to what there is, and comes after what it builds on."""

import re
from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from model_assets.errors import SettingsError
from model_assets.sql_models.model import FEW, NAME, REF, SqlModel
from model_assets.sql_models.schema_yml import read_docs

#: beside the package, in a checkout as in site-packages
FOLDER = Path(__file__).resolve().parents[2] / "dbt_like_sql"
#: what the migrations make, and SQL models may build on
BASE_RELATIONS = frozenset(
    {
        *(
            "history.listing",
            "history.price",
            "history.link",
            "access.policy",
            "access.decision",
            "access.profile",
            "raw.payload",
            "raw.body",
        ),
        *("ops.source", "ops.observation", "ops.quarantine", "ops.sync_run", "ops.held_change", "ops.held_verdict"),
        *(
            "ops.identity_correction",
            "history.score",
            "history.score_link",
            "history.mention",
            "history.mention_link",
            "ops.popularity",
            "catalog.published",
        ),
    }
)
_CONFIG = re.compile(r"(materialized|index)\s*:\s*(.*)")


def load_models(folder: Path = FOLDER, base: Collection[str] = BASE_RELATIONS) -> dict[str, SqlModel]:
    """Every model in `<folder>/<schema>/*.sql`, each after those it builds on.

    Raises SettingsError, naming the file, where one has no description, refers to a relation that neither a file nor `base` provides, names
    a relation without `ref`, is part of a circle, or where schema.yml says something that cannot be used.
    """
    if not folder.is_dir():
        raise SettingsError(f"There is no folder {folder}. SQL models are read from it; name the folder that holds dbt_like_sql.")
    found = {model.key: model for path in sorted(folder.glob("*/*.sql")) for model in [_read_model(path)]}
    for model in found.values():
        _check_refs(model, found, base)
    for path in sorted(folder.glob("*/schema.yml")):
        for model in read_docs(path, found, base):
            found[model.key] = model
    return _in_order(found)


def _read_model(path: Path) -> SqlModel:
    key = f"{path.parent.name}.{path.stem}"
    if not (NAME.fullmatch(path.parent.name) and NAME.fullmatch(path.stem)):
        raise SettingsError(f"{path}: a relation's name is of lower-case letters, digits and _. Rename the folder or file.")
    lines = path.read_text(encoding="utf-8").strip().splitlines()
    length = next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))
    said, materialized, indexes = [], "view", []
    for line in (line.lstrip("-").strip() for line in lines[:length]):
        config = _CONFIG.fullmatch(line)
        if config is None:
            said.append(line)
        elif config[1] == "materialized":
            materialized = config[2].strip()
        else:
            indexes.append(tuple(column.strip() for column in config[2].strip().strip("()").split(",")))
    template = "\n".join(lines[length:]).strip().rstrip(";").rstrip()
    kind = "function" if re.match(r"create\s+function\b", template, re.IGNORECASE) else materialized
    model = SqlModel(key, kind, " ".join(said).strip(), template, _refs(path, template), tuple(indexes), path=path)
    _check_file(model)
    return model


def _check_file(model: SqlModel) -> None:
    path = model.path
    if not model.description:
        raise SettingsError(f"{path}: no description. Begin the file with a comment (-- ...) that says what one row is.")
    if not model.template:
        raise SettingsError(f"{path}: nothing but a comment. Write the query below it.")
    if model.kind not in ("view", "table", "function"):
        raise SettingsError(f"{path}: materialized: {model.kind}? Write view or table.")
    if model.indexes and model.kind != "table":
        raise SettingsError(f"{path}: a {model.kind} can have no index. Add `-- materialized: table` or take the index out.")
    for column in (column for index in model.indexes for column in index):
        if not NAME.fullmatch(column):
            raise SettingsError(f"{path}: index on {column!r}? Write `-- index: (column, column)`.")
    if model.kind == "function" and not re.match(rf"create\s+function\s+{re.escape(model.key)}\s*\(", model.template, re.IGNORECASE):
        raise SettingsError(f"{path}: the function made here must be {model.key}, as the file is named.")


def _refs(path: Path, template: str) -> tuple[str, ...]:
    refs = tuple(dict.fromkeys(match[2] for match in REF.finditer(template)))
    odd = [ref for ref in refs if not re.fullmatch(rf"{NAME.pattern}\.{NAME.pattern}", ref)]
    rest = REF.sub("", FEW.sub(lambda match: match[1], template))
    if odd or "{{" in rest or "{%" in rest:
        found = odd[0] if odd else rest[rest.index("{{" if "{{" in rest else "{%") :][:40]
        raise SettingsError(f'{path}: {found!r} is not understood. In braces are {{{{ ref("schema.name") }}}} and {{% if few %}}.')
    return refs


def _check_refs(model: SqlModel, models: Mapping[str, SqlModel], base: Collection[str]) -> None:
    known = {*models, *base}
    if model.key in base:
        raise SettingsError(f"{model.path}: {model.key} is already made by the migrations. Give the model another name.")
    for ref in model.refs:
        if ref not in known:
            names = ", ".join(sorted(known))
            raise SettingsError(f"{model.path}: ref to {ref}, which is neither a file here nor a base relation. Known: {names}.")
    code = re.sub(r"--[^\n]*|'[^']*'", "", REF.sub(" ", model.template))
    bare = re.search(r"\b(?:from|join)\s+([a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*)", code, re.IGNORECASE)
    if bare and (name := bare[1].lower()) in known:
        raise SettingsError(f'{model.path}: {name} is named without ref. Write {{{{ ref("{name}") }}}}, or its lineage is lost.')


def _in_order(models: Mapping[str, SqlModel]) -> dict[str, SqlModel]:
    graph = {key: [ref for ref in model.refs if ref in models] for key, model in models.items()}
    try:
        return {key: models[key] for key in TopologicalSorter(graph).static_order()}
    except CycleError as circle:
        keys = " -> ".join(reversed(circle.args[1]))
        raise SettingsError(f"SQL models in a circle: {keys}. One of them has to stop referring to the next.") from None
