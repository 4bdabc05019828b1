"""What a SQL model is, once its file and its entry in schema.yml are read."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from model_assets.sql_models.claims import ColumnTest

REF = re.compile(r"""\{\{\s*ref\(\s*(["'])(.*?)\1\s*\)\s*\}\}""")
#: stands only in the query for a few rows: there it is `:few`, the values that these rows have
FEW = re.compile(r"\{%\s*if few\s*%\}(.*?)\{%\s*endif\s*%\}", re.DOTALL)
NAME = re.compile(r"[a-z_][a-z0-9_]*")
_FORMAT = 1  # raise it when the same text must be deployed in another way


@dataclass(frozen=True)
class SqlModel:
    """One relation, as its file and its entry in schema.yml describe it. `kind` is view, table or function."""

    key: str
    kind: str
    description: str
    template: str
    refs: tuple[str, ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    tests: tuple[ColumnTest, ...] = ()
    path: Path = Path()

    @property
    def schema(self) -> str:
        return self.key.split(".")[0]

    @property
    def name(self) -> str:
        return self.key.split(".")[1]

    @property
    def sql(self) -> str:
        """The statement or query with every `ref` replaced by the relation's name."""
        return REF.sub(lambda match: match[2], FEW.sub("", self.template))

    def sql_of_few(self, values: str) -> str:
        """The same for a few rows: with what the file says of them. `values` is the SQL array of what they have in the column that they are found by."""
        return REF.sub(lambda match: match[2], FEW.sub(lambda match: match[1].replace(":few", values), self.template))

    @cached_property
    def sha256(self) -> str:
        """Of everything that `deploy` brings into the database."""
        deployed = (_FORMAT, self.kind, self.sql, self.description, sorted(self.columns.items()), self.indexes)
        return hashlib.sha256(repr(deployed).encode()).hexdigest()
