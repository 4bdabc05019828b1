"""Commands that make backups, prove them, and restore them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from model_assets.cli.base import as_json, cli, shown_url
from model_assets.database import ledger_url, wait_until_up, with_driver
from model_assets.errors import ModelAssetsError
from model_assets.settings import Settings, read_settings
from model_assets.terminal import print_json, print_rows, printable, say

FILE = click.Path(path_type=Path)


class _MakesOneByDefault(click.Group):
    """`backup FOLDER` is `backup make FOLDER`; a folder that is called like a command is written ./verify."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments with the command in front."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["make", *args]
        return super().parse_args(ctx, args)


@cli.group(cls=_MakesOneByDefault, subcommand_metavar="[FILE | FOLDER | make | verify | list] [OPTIONS]")
def backup() -> None:
    """Back up the database, prove a backup, or list them.

    `model-assets backup [FILE|FOLDER] [--keep N] [--with-dagster] [--json]` makes one; see `backup make --help`.
    """


@backup.command("make")
@click.argument("target", metavar="[FILE|FOLDER]", type=FILE, required=False)
@click.option("--keep", type=click.IntRange(1, 10_000), help="Afterwards remove all but the newest N of this database in the folder.")
@click.option("--with-dagster", is_flag=True, help="Dagster's own tables too: runs, events, schedules.")
@as_json
def make(target: Path | None, keep: int | None, with_dagster: bool, json_wanted: bool) -> None:
    """Make a backup.

    Into FILE (its name ends in .dump), or under a name of its own into FOLDER; without either, into the folder `backups` below
    MODEL_ASSETS_HOME. Syncs may go on meanwhile.
    """
    from model_assets.backup.folder import Backup
    from model_assets.backup.make import back_up

    settings = read_settings()
    place = (target or _default_folder(settings)).absolute()
    if keep and place.suffix == ".dump":
        raise click.UsageError("--keep goes with a folder, not with a file. Name a folder, or leave it out.")
    url = ledger_url(settings)
    wait_until_up(url, settings.db_retry_ms / 1000)
    made = back_up(url, place, with_dagster=with_dagster, keep=keep)
    row = _row(Backup(made.dump, made.manifest))
    if json_wanted:
        print_json({**row, "removed": [str(path) for path in made.removed]})
        return
    say(printable(f"{made.dump}: {row['rows']:,} rows in {row['tables']} tables, {row['size']}, SHA-256 {row['sha256']}"))
    for path in made.removed:
        say(printable(f"removed {path}"))
    say(printable(f"`model-assets backup verify {made.dump}` proves that it can be restored."))


@backup.command("list")
@click.argument("folder", type=FILE, required=False)
@as_json
def list_(folder: Path | None, json_wanted: bool) -> None:
    """The backups in FOLDER, the newest first.

    Without FOLDER, those in the folder `backups` below MODEL_ASSETS_HOME.
    """
    from model_assets.backup.folder import backups, strangers

    place = (folder or _default_folder(read_settings())).absolute()
    if folder and not place.is_dir():
        raise ModelAssetsError(f"{place} is no folder. Name the one that the backups are in.")
    rows = [_row(one) for one in backups(place)]
    for said in strangers(place):
        click.echo(printable(f"not a backup: {said}"), err=True)
    if json_wanted:
        print_json(rows)
    elif rows:
        print_rows(
            [{**row, "name": Path(row["file"]).name} for row in rows],
            ("made_at", "name", "database", "rows", "size", "revision", "server", "dagster"),
            str(place),
        )
    else:
        say(printable(f"No backup is in {place}. `model-assets backup {place}` makes one."))


@backup.command("verify")
@click.argument("dump", metavar="FILE", type=FILE)
@click.option("--scratch", help="Address of another server to restore on; the embedded one, unless given.")
@as_json
def verify(dump: Path, scratch: str | None, json_wanted: bool) -> None:
    """Prove a backup by restoring it.

    It goes into a database of its own, which is dropped afterwards. Rows and checksums of every table are compared with those of the
    snapshot that was dumped, and the ledger's claims are checked. Exit code 1 where anything differs.
    """
    from model_assets.backup import verify as proof

    with proof.scratch_server(read_settings(), scratch and with_driver(scratch, "psycopg")) as server:
        manifest, proved = proof.verify(dump.absolute(), server, _tell(json_wanted))
    rows = _compared(manifest, proved)
    if json_wanted:
        print_json({"tables": rows, "unsound": proved.unsound, "missing_roles": proved.missing_roles})
    else:
        print_rows(rows, ("database", "table", "rows", "checksum", "found"), str(dump))
        _say_missing(proved.missing_roles)
        for claim, broken in proved.unsound.items():
            say(printable(f"BROKEN {claim}: {'; '.join(broken)}"))
    if proved.differing or proved.unsound:
        found = "; ".join([*proved.differences(), *proved.unsound][:3])
        raise ModelAssetsError(f"{dump} does not hold what was backed up, or that was not sound ({found}). Make another backup.")
    if not json_wanted:
        say(printable(f"{dump} can be restored: {sum(row['rows'] for row in rows):,} rows are equal, and the ledger is sound."))


@cli.command()
@click.argument("dump", metavar="FILE", type=FILE)
@click.option("--into", help="Address of the database to restore into, made if it is missing; the ledger's, unless given.")
@click.option("--force", is_flag=True, help="Replace a database that is not empty; it is kept under another name.")
@click.option("--accept-unsound", is_flag=True, help="Restore also what was not sound when it was backed up.")
@as_json
def restore(dump: Path, into: str | None, force: bool, accept_unsound: bool, json_wanted: bool) -> None:
    """Restore a backup.

    FILE is checked first, then restored into a new database, compared, migrated if it is older, and checked; only then it takes the
    place of the present one. Whatever fails before, nothing is lost.
    """
    from model_assets.backup.restore import restore as run

    url = with_driver(into, "psycopg") if into else ledger_url(read_settings())
    done = run(dump.absolute(), url, force=force, accept_unsound=accept_unsound, tell=_tell(json_wanted))
    if json_wanted:
        print_json({
            "databases": done.databases, "revision": done.proved.revision, "replaced": done.replaced,
            "unsound": done.proved.unsound, "missing_roles": done.proved.missing_roles,
        })  # fmt: skip
        return
    say(printable(f"{shown_url(url)} is as it was backed up, at revision {done.proved.revision}."))
    _say_missing(done.proved.missing_roles)
    for name, kept in done.replaced.items():
        say(printable(f"{name} had content, which is kept as {kept}. When you do not need it any more: drop database {kept};"))


def _compared(manifest: Any, proved: Any) -> list[dict[str, Any]]:
    """One row per table: what the manifest says of it, and whether that was found."""
    rows = []
    for part in manifest.parts.values():
        differing = dict(proved.differing.get(part.database, {}))
        for name, table in part.tables.items():
            found = differing.pop(name, "equal")
            rows.append({"database": part.database, "table": name, "rows": table.rows, "checksum": table.checksum, "found": found})
        rows += [{"database": part.database, "table": name, "found": said} for name, said in differing.items()]
    return rows


def _default_folder(settings: Settings) -> Path:
    return settings.model_assets_home / "backups"


def _tell(json_wanted: bool) -> Callable[[str], None]:
    return lambda words: None if json_wanted else click.echo(printable(words), err=True)


def _say_missing(roles: Sequence[str]) -> None:
    if roles:
        say(
            printable(
                f"Grants to roles that are not on this server were left out: {', '.join(sorted(set(roles)))}. Make the roles, and grant again."
            )
        )


def _row(one: Any) -> dict[str, Any]:
    from model_assets.backup.make import mib
    from model_assets.backup.manifest import DAGSTER, LEDGER

    ledger = one.manifest.parts[LEDGER]
    return {
        "made_at": one.manifest.made_at[:19] + "Z",
        "file": str(one.dump),
        "database": ledger.database,
        "tables": sum(len(part.tables) for part in one.manifest.parts.values()),
        "rows": sum(table.rows for part in one.manifest.parts.values() for table in part.tables.values()),
        "bytes": one.bytes,
        "size": mib(one.bytes),
        "sha256": ledger.sha256,
        "revision": one.manifest.revision,
        "server": f"Postgres {one.manifest.server}",
        "dagster": DAGSTER in one.manifest.parts,
    }
