"""Backups of a settled ledger, and databases to restore into that are gone afterwards."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg import sql

from model_assets import database
from model_assets.backup import make
from model_assets.backup.manifest import Manifest, manifest_file, part_file, read_manifest, sealed, sha256_of
from model_assets.database import plain


@pytest.fixture(scope="session")
def kept_backup(settled: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the ledger with all bundled recordings, that tests only read."""
    return make.back_up(settled, tmp_path_factory.mktemp("backups") / "ledger.dump").dump


@pytest.fixture
def dump(kept_backup: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    for path in (kept_backup, manifest_file(kept_backup)):
        shutil.copy(path, tmp_path / path.name)
    return tmp_path / kept_backup.name


@pytest.fixture
def new_url(server: str) -> Iterator[Callable[[], str]]:
    """Makes up the URL of a database that is not there yet. Whatever has come of it is dropped at the end."""
    prefix = f"restored_{uuid.uuid4().hex[:8]}"
    made: list[str] = []

    def another() -> str:
        made.append(database.with_driver(server.format(name=f"{prefix}_{len(made)}"), "psycopg"))
        return made[-1]

    yield another
    for url in made:
        database.engine(url).dispose()
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        for name in databases(server, prefix):
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def databases(server: str, prefix: str) -> list[str]:
    """The databases of the server whose names begin so."""
    with psycopg.connect(server.format(name="postgres")) as admin:
        return [name for (name,) in admin.execute("select datname from pg_database where starts_with(datname, %s) order by 1", [prefix])]


def execute(url: str, statement: str) -> list[tuple]:
    """Run a statement in a session of its own; returns its rows."""
    with psycopg.connect(plain(url), autocommit=True) as connection:
        done = connection.execute(statement)
        return done.fetchall() if done.description else []


def reseal(dump: Path, **changes: object) -> Manifest:
    """Write a manifest that fits the dump as it now is, with these changes."""
    manifest = msgspec.structs.replace(read_manifest(dump), **changes)
    parts = {
        name: msgspec.structs.replace(part, bytes=part_file(dump, name).stat().st_size, sha256=sha256_of(part_file(dump, name)))
        for name, part in manifest.parts.items()
    }
    manifest = msgspec.structs.replace(manifest, parts=parts)
    manifest_file(dump).write_bytes(sealed(manifest))
    return manifest
