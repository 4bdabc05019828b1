"""SQL models: each file `<schema>/<name>.sql` is one relation. Its leading comment describes it, `{{ ref("schema.name") }}` is its lineage.

    -- Models anyone may call at no charge. Grain: one row per listing.
    -- materialized: table          (left out: a view)
    -- index: (source, listed_id)   (tables only, as many as wanted)
    select source, listed_id from {{ ref("catalog.price") }}

Between `{% if few %}` and `{% endif %}` stands what only makes a few rows quicker to find (`:few`: what they have in the column that `refresh`
is given): without it the query makes the same rows of them, and others. A file that goes on with `create function` is a function. `schema.yml`
beside the files describes columns and says what must hold of them.
Views and functions are made anew when their text changed; a table is filled by `deploy` once, and after that by `refresh`.
"""

from model_assets.sql_models.claims import ColumnTest, run_test
from model_assets.sql_models.deployment import deploy, refresh
from model_assets.sql_models.files import BASE_RELATIONS, load_models
from model_assets.sql_models.lineage import column_lineage
from model_assets.sql_models.model import SqlModel
from model_assets.sql_models.relations import count_and_sample, relation_columns

__all__ = [
    "BASE_RELATIONS",
    "ColumnTest",
    "SqlModel",
    "column_lineage",
    "count_and_sample",
    "deploy",
    "load_models",
    "refresh",
    "relation_columns",
    "run_test",
]
