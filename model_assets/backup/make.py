"""Making a backup: one snapshot, dumped and summed at once, put in its place only when it is whole."""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psycopg

from model_assets.backup import programs, server, tables
from model_assets.backup.folder import backups
from model_assets.backup.manifest import (
    DAGSTER,
    FORMAT,
    LEDGER,
    Manifest,
    Part,
    manifest_file,
    part_file,
    sealed,
    sha256_of,
)  # fmt: skip
from model_assets.errors import ModelAssetsError
from model_assets.ledger.migrate import LOCK as MIGRATING
from model_assets.sql_models.deployment import LOCK as DEPLOYING

#: folders in which a backup is made begin so; what a killed one left there is removed by the next
UNFINISHED = ".model-assets-unfinished-"
REMEDY = "No backup was made. Use the role that ran `model-assets migrate`, and see that the server runs and the disk has room."
DUMPED = ["--no-unlogged-table-data", "--lock-wait-timeout=60s"]


@dataclass(frozen=True)
class Made:
    """A backup that is whole, and the older ones that were removed for it."""

    dump: Path
    manifest: Manifest
    removed: list[Path]


def back_up(url: str, target: Path, *, with_dagster: bool = False, keep: int | None = None) -> Made:
    """Back up the ledger's database into `target`: a file that ends in .dump, or a folder in which it gets a name of its own.

    With `keep`, only that many backups of this database stay in the folder, this one included.
    Raises ModelAssetsError where the file is there already, room or rights are missing, or pg_dump fails: then nothing has changed.
    """
    folder = target.parent if target.suffix == ".dump" else target
    made_at = datetime.now(UTC)
    with _only_one(folder):
        dump = target if target.suffix == ".dump" else _free_name(folder, server.name_of(url), made_at)
        if dump.exists() or manifest_file(dump).exists():
            raise ModelAssetsError(f"{dump} is there already, and is not overwritten. Name another file, or a folder.")
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder) as aside:
            manifest = _dump(url, Path(aside) / dump.name, made_at, with_dagster)
            _put_in_place(Path(aside) / dump.name, dump, manifest)
        removed = _remove_older(folder, manifest, keep) if keep else []
    return Made(dump, manifest, removed)


def _dump(url: str, dump: Path, made_at: datetime, with_dagster: bool) -> Manifest:
    """Dump the databases beside `dump`."""
    try:
        with tables.connect(url) as connection, server.administration(url) as admin:
            found = server.major(connection)
            revision = _revision(connection)
            names = {LEDGER: server.name_of(url)} | ({DAGSTER: server.dagster_name(server.name_of(url))} if with_dagster else {})
            for name in names.values():
                if not server.exists(admin, name):
                    raise ModelAssetsError(f"there is no database {name} on this server. Leave out --with-dagster.")
    except psycopg.OperationalError as error:
        raise ModelAssetsError(
            f"the database cannot be read ({' '.join(str(error).split())[:200]}). Start it, or correct DATABASE_URL."
        ) from error
    program = programs.find("pg_dump", found)
    parts = {part: _part(program, server.at(url, name), part_file(dump, part)) for part, name in names.items()}
    return Manifest(FORMAT, made_at.isoformat(timespec="microseconds"), _version(), found, program.major, revision, parts)


def _part(program: programs.Program, url: str, file: Path) -> Part:
    """Dump one database and sum its tables meanwhile, both in the same snapshot."""
    with tables.connect(url) as line, tables.connect(url) as connection:
        line.execute("set lock_timeout = 0")
        for lock in (MIGRATING, DEPLOYING):  # nobody may exchange a table under the snapshot; taken first, because it may wait
            line.execute("select pg_advisory_lock(%s)", [lock])
        line.commit()
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        [(snapshot, size)] = connection.execute("select pg_export_snapshot(), pg_database_size(current_database())").fetchall()
        _check_room(connection, file.parent)
        arguments = ["--format=custom", f"--snapshot={snapshot}", *DUMPED, f"--file={file}"]
        process = programs.start(program, arguments, url)
        try:
            sums = tables.table_sums(connection)
        except BaseException as error:
            process.kill()
            programs.said_by(process)
            if isinstance(error, psycopg.Error):
                raise programs.failed("reading the tables", str(error), REMEDY) from error
            raise
        code, said = programs.said_by(process)
    if code:
        raise programs.failed("pg_dump", said, REMEDY)
    file.chmod(0o600)
    return Part(server.name_of(url), file.stat().st_size, sha256_of(file), size, sums)


def _check_room(connection: psycopg.Connection, folder: Path) -> None:
    """A dump takes at most about what the tables take without their indexes; usually a fifth of it."""
    [(needed,)] = connection.execute(
        "select coalesce(sum(pg_table_size(oid)), 0)::bigint from pg_class where relkind = 'r' and relpersistence = 'p'"
    ).fetchall()
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ModelAssetsError(
            f"{folder.parent} has {mib(free)} free, and a backup may need {mib(needed)}. Make room, or name another folder."
        )


def mib(count: int) -> str:
    """Bytes for a person."""
    return f"{count / 2**20:,.1f} MiB"


def _revision(connection: psycopg.Connection) -> str:
    try:
        found = connection.execute("select version_num from ops.alembic_version").fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        found = None
    if found is None:
        raise ModelAssetsError("this database has no ledger to back up. Let DATABASE_URL name the one that has.")
    return str(found[0])


def _version() -> str:
    try:
        return version("model-assets")
    except PackageNotFoundError:
        return "not installed"


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Make the folder where it is missing; one backup at a time in it, after what a killed one left was removed."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = open(os.open(folder / ".model-assets-backup.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+b")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise ModelAssetsError(f"{folder} cannot hold a backup: {error}. Name a folder that this user may write to.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ModelAssetsError(f"another backup is being made in {folder}. Wait for it, or name another folder.") from None
        for left_over in folder.glob(f"{UNFINISHED}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        yield


def _free_name(folder: Path, database: str, made_at: datetime) -> Path:
    """A name that says of what and when, and that no file has."""
    stem = f"model-assets-{re.sub('[^A-Za-z0-9_-]', '_', database)}-{made_at:%Y-%m-%dT%H%M%SZ}"
    names = [f"{stem}.dump", *(f"{stem}-{number}.dump" for number in range(2, 100))]
    return next(folder / name for name in names if not manifest_file(folder / name).exists() and not (folder / name).exists())


def _put_in_place(aside: Path, dump: Path, manifest: Manifest) -> None:
    """Give the files their names, the dump last: where it is, the backup is whole, and on the disk."""
    new = manifest_file(aside)
    new.write_bytes(sealed(manifest))
    new.chmod(0o600)
    others = [part_file(aside, part) for part in manifest.parts if part != LEDGER]
    for path in (*others, new, aside):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for path in (*others, new, aside):
        path.rename(dump.parent / path.name)
    handle = os.open(dump.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_older(folder: Path, newest: Manifest, keep: int) -> list[Path]:
    """Remove all but the newest backups of this database; only what this command made and named, the dump first."""
    database = newest.parts[LEDGER].database
    ours = [one for one in backups(folder) if one.dump.name.startswith("model-assets-") and one.manifest.parts[LEDGER].database == database]
    removed = ours[keep:]
    for one in removed:
        for path in (one.dump, *(part_file(one.dump, part) for part in one.manifest.parts if part != LEDGER), manifest_file(one.dump)):
            path.unlink(missing_ok=True)
    return [one.dump for one in removed]
