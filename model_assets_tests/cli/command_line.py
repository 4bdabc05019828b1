"""What the tests of the command line share: it in a process of its own, recordings to spoil, and what of the ledger's is in a database."""

import gzip
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import text

from model_assets.database import connect
from model_assets.settings import BUNDLED_RECORDINGS, PROJECT

NEEDING_A_DATABASE = [
    "up --wait 0", "purge", "sync", "sync --dry-run", "accept openrouter 2026-05-18", "quarantine", "status", "verify-db", "migrate", "dsn", "env",
    "price gpt-4o", "diff --from 2026-05-18", "quickstart", f"import {shlex.quote(str(BUNDLED_RECORDINGS))}",
]  # fmt: skip


def process(url: str, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "model_assets", *map(str, words)]
    return subprocess.run(
        command, cwd=PROJECT, env={**os.environ, "DATABASE_URL": url, **environment}, capture_output=True, text=True, timeout=120
    )


def one(url: str, query: str) -> Any:
    with connect(url) as connection:
        return connection.execute(text(query)).scalar_one()


def write(folder: Path, source: str, instant: str, payload: object) -> Path:
    path = folder / source / f"{instant}.json.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(payload if isinstance(payload, bytes) else json.dumps(payload).encode()))
    return path


def openrouter(day: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress((BUNDLED_RECORDINGS / "openrouter" / f"2026-05-{day}T0200Z.json.gz").read_bytes()))
    return found


SCHEMAS = ("access", "catalog", "history", "ops", "raw", "staged")


def emptied(url: str) -> None:
    with connect(url) as connection:
        for schema in SCHEMAS:
            connection.execute(text(f"drop schema if exists {schema} cascade"))
        connection.execute(text("drop extension btree_gist"))


def ours(url: str) -> list[str]:
    """What of the ledger's is in a database: schemas, relations in them, the extension."""
    query = """
        select nspname from pg_namespace where nspname = any(:schemas)
        union all select nspname || '.' || relname from pg_class join pg_namespace n on n.oid = relnamespace where nspname = any(:schemas)
        union all select extname from pg_extension where extname = 'btree_gist' order by 1"""
    with connect(url) as connection:
        return list(connection.scalars(text(query), {"schemas": list(SCHEMAS)}))
