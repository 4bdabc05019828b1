"""Model Assets: which AI models exist, what each costs, how well it does and who may use it; today and on any past day.

`dagster ... -m model_assets` finds `defs` here. It is made when it is first asked for: the ledger, the sources and the SQL models can be
used without importing Dagster.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "defs":
        from model_assets.definitions import defs

        return defs
    raise AttributeError(f"module 'model_assets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), "defs"]
