"""Restoring: into a new database, which takes the old one's name only when it is what was backed up, and sound."""

import os
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from model_assets import database
from model_assets.backup import programs, server, tables
from model_assets.backup.manifest import LEDGER, Manifest, Part, part_file, whole
from model_assets.backup.tables import differences, table_sums
from model_assets.errors import ModelAssetsError
from model_assets.ledger.migrate import newest
from model_assets.publishing import announce
from model_assets.readiness import migrated
from model_assets.soundness import unsound

#: What pg_restore may complain about without harm: a setting of newer servers that an older one does not know, and roles that are not here,
#: whose grants are left out and said.
UNKNOWN_SETTING = 'unrecognized configuration parameter "transaction_timeout"'
NO_ROLE = re.compile(r'role "(.+)" does not exist')
RELATIONS = """
select count(*) from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where relkind in ('r', 'p', 'v', 'm', 'S', 'f') and nspname <> 'information_schema' and nspname not like 'pg\\_%'
  and not exists (select from pg_depend where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e')
"""


@dataclass
class Proved:
    """What was found in a restored backup: tables that differ from the manifest, by database, and how; claims that do not hold, with
    examples; roles that are not here, whose grants were left out; the ledger's revision."""

    differing: dict[str, dict[str, str]] = field(default_factory=dict)
    unsound: dict[str, list[str]] = field(default_factory=dict)
    missing_roles: list[str] = field(default_factory=list)
    revision: str = ""

    def differences(self) -> list[str]:
        """Each table that differs, in words."""
        return [f"{table} {said}" for tables in self.differing.values() for table, said in tables.items()]


@dataclass
class Restored:
    """What a restore did. `replaced` is the name under which each database that had something in it is kept."""

    databases: list[str]
    replaced: dict[str, str]
    proved: Proved


def check_fits(manifest: Manifest, major: int) -> None:
    """Raise ModelAssetsError where this version, or a server of this major version, is older than what was backed up."""
    if manifest.revision > newest():
        raise ModelAssetsError(
            f"the backup is at revision {manifest.revision}, this version knows {newest()}. Use the newer version of Model Assets that made it."
        )
    if major < manifest.server:
        raise ModelAssetsError(
            f"the backup is of Postgres {manifest.server}, this server is {major}. Restore it on {manifest.server} or newer."
        )


def load(dump: Path, manifest: Manifest, urls: dict[str, str], tell: Callable[[str], None] = lambda _: None) -> Proved:
    """Load each part into its empty database, and look at what is there then.

    The tables are compared as they come; only then the ledger is migrated, if it is older, and its claims are checked.
    Raises ModelAssetsError where pg_restore fails.
    """
    proved = Proved()
    for name, part in manifest.parts.items():
        tell(f"{part.database}: restoring {part.bytes:,} bytes")
        proved.missing_roles += _restore(part_file(dump, name), manifest, urls[name])
        tell(f"{part.database}: comparing {len(part.tables)} tables")
        if found := _differing(part, urls[name]):
            proved.differing[part.database] = found
    if not proved.differing:
        proved.revision = migrated(urls[LEDGER])
        tell("checking the ledger's claims")
        with database.connect(urls[LEDGER]) as connection:
            proved.unsound = {claim: examples for claim, examples in unsound(connection).items() if examples}
    return proved


def _differing(part: Part, url: str) -> dict[str, str]:
    with tables.connect(url) as connection:
        connection.execute("analyze")
        return differences(part.tables, table_sums(connection))


def _restore(file: Path, manifest: Manifest, url: str) -> list[str]:
    """Run pg_restore; returns the roles that are missing here."""
    with tables.connect(url) as connection:
        program = programs.find("pg_restore", max(server.major(connection), manifest.pg_dump))
    jobs = min(4, os.cpu_count() or 1)
    code, said = programs.said_by(programs.start(program, ["--no-owner", f"--jobs={jobs}", str(file)], url))
    errors = [line for line in said.splitlines() if "error:" in line]
    missing = sorted({found[1] for line in errors if (found := NO_ROLE.search(line))})
    serious = [line for line in errors if UNKNOWN_SETTING not in line and not NO_ROLE.search(line)]
    if serious or (code and not errors):
        raise programs.failed(
            "pg_restore", "; ".join(serious[:3]) or said, "Nothing was replaced. If the backup is whole, look at the server and its disk."
        )
    return missing


def restore(
    dump: Path, url: str, *, force: bool = False, accept_unsound: bool = False, tell: Callable[[str], None] = lambda _: None
) -> Restored:
    """Make the database of `url` (and, where the backup has it, Dagster's beside it) be what was backed up.

    A database that holds something is replaced only with `force`, and is kept under another name. Whatever goes wrong, it stays as it was.
    Raises ModelAssetsError.
    """
    manifest = whole(dump)
    targets = _targets(manifest, url)
    with server.administration(url) as admin:
        check_fits(manifest, server.major(admin))
        filled = _check_targets(admin, url, list(targets.values()), force)
    with ExitStack() as stack:
        fresh = {part: stack.enter_context(server.fresh_database(url, "restoring")) for part in targets}
        proved = load(dump, manifest, {part: one.url for part, one in fresh.items()}, tell)
        _check_proved(proved, accept_unsound)
        with database.connect(fresh[LEDGER].url) as connection:  # a number later than any that was given out by what it replaces
            announce(connection, whole=False)
        for one in fresh.values():
            one.release()
        replaced = _take_over(url, {targets[part]: one.name for part, one in fresh.items()}, filled)
    return Restored(list(targets.values()), replaced, proved)


def _targets(manifest: Manifest, url: str) -> dict[str, str]:
    name = server.name_of(url)
    return {part: name if part == LEDGER else server.dagster_name(name) for part in manifest.parts}


def _check_targets(admin: psycopg.Connection, url: str, names: Sequence[str], force: bool) -> list[str]:
    """The targets that hold something. Raises ModelAssetsError where one may not be replaced, or somebody is using it."""
    database.engine(server.at(url, names[0])).dispose()
    if using := server.still_using(admin, names):
        raise ModelAssetsError(
            f"{', '.join(names)} is in use by {', '.join(using)}. Stop `model-assets up` and whatever else uses it, and restore again."
        )
    filled = []
    for name in names:
        if server.exists(admin, name):
            with psycopg.connect(database.plain(server.at(url, name)), application_name="model-assets backup") as connection:
                [(relations,)] = connection.execute(RELATIONS).fetchall()
            if relations and not force:
                raise ModelAssetsError(
                    f"the database {name} is not empty: it has {relations} tables and views. Restore --into another one, or use --force,"
                    " which keeps the old one under another name."
                )
            filled += [name] if relations else []
    return filled


def _check_proved(proved: Proved, accept_unsound: bool) -> None:
    if proved.differing:
        found = "; ".join(proved.differences()[:5])
        raise ModelAssetsError(f"what was restored is not what was backed up ({found}); nothing was replaced. Use another backup.")
    if proved.unsound and not accept_unsound:
        claim, examples = next(iter(proved.unsound.items()))
        raise ModelAssetsError(
            f"what was backed up is not sound ({len(proved.unsound)} claims do not hold, such as: {claim}: {examples[0]}); nothing was replaced."
            " Use an older backup, or --accept-unsound."
        )


def _take_over(url: str, fresh: dict[str, str], filled: Sequence[str]) -> dict[str, str]:
    """Give the new databases their names, all or none. What held something keeps its content under another name; what was empty goes."""
    moment = f"{datetime.now(UTC):%Y%m%dt%H%M%S}"
    with server.administration(url) as admin:
        old = {name: f"{name[:40]}_replaced_{moment}" for name in fresh if server.exists(admin, name)}
        server.rename(admin, [*old.items(), *((new, name) for name, new in fresh.items())])
        for name in old.keys() - set(filled):
            server.drop(admin, old[name])
    return {name: old[name] for name in filled}
