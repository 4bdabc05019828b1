"""Commands that run things, and say whether they run well."""

import shlex
import sys

import click
from sqlalchemy.exc import DBAPIError

from model_assets import answers, embedded
from model_assets.cli.base import age, as_json, cli, shown_url
from model_assets.database import connect, ledger_url, plain
from model_assets.errors import ModelAssetsError
from model_assets.readiness import FORBIDDEN, existing_ledger, migrated, ready_ledger, sqlstate
from model_assets.settings import read_settings
from model_assets.soundness import unsound
from model_assets.terminal import print_json, print_rows, printable, say


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the web UI listens; beyond loopback it is read-only.")
@click.option("--port", default=3000, show_default=True, help="The web UI's port.")
def up(host: str, port: int) -> None:
    """Run everything on this machine until Ctrl-C.

    That is the database, migrations, Dagster's web UI and its daemon. Ctrl-C or SIGTERM stops all but the database, which `down` stops.
    """
    from model_assets import supervisor

    settings = read_settings()
    sys.exit(supervisor.run(settings, ready_ledger(settings), host=host, port=port))


@cli.command()
@as_json
def status(json_wanted: bool) -> None:
    """How old the word of each source is, and how syncs went."""
    from model_assets.attempts import abandon_dead

    settings = read_settings()
    url = existing_ledger(settings)
    try:
        abandon_dead(url)
    except DBAPIError as error:
        if sqlstate(error) not in FORBIDDEN:  # a role that only reads leaves the mark to others
            raise
    with connect(url) as connection:
        health, runs = answers.status(connection)
    if json_wanted:
        print_json({"sources": health, "runs": runs})
        return
    if not health:
        say("The ledger is empty. Load something: `model-assets sync`, `model-assets import FOLDER`, or `model-assets quickstart`.")
        return
    for row in health:
        row["age"] = age(row["age_seconds"])
    print_rows(
        health,
        ("source", "last_observed_at", "age", "listings", "prices", "quarantined", "refused_since", "last_status", "last_error"),
        "sources",
    )
    print_rows(
        runs,
        ("run_id", "source", "day", "started_by", "status", "started_at", "observations", "added", "changed", "closed", "message"),
        "last attempts",
    )


@cli.command("verify-db")
@as_json
def verify_db(json_wanted: bool) -> None:
    """Check that all holds that must always hold of the ledger."""
    url = existing_ledger(read_settings())
    with connect(url) as connection:
        server = connection.exec_driver_sql("show server_version").scalar()
        found = unsound(connection)
    if json_wanted:
        print_json({"server": server, "claims": found})
    else:
        say(f"Postgres {server} answers at {shown_url(url)}")
        for claim, broken in found.items():
            say(printable(f"{'BROKEN' if broken else 'ok    '} {claim}{': ' + '; '.join(broken) if broken else ''}"))
    if any(found.values()):
        raise ModelAssetsError(
            "the ledger is not sound: see the claims above. Restore a backup, or load the source's recordings into an empty database."
        )


@cli.command()
def migrate() -> None:
    """Make or update the tables and the SQL models.

    What follows from the ledger is brought up to the rules of this version. Safe to run again, and from several machines at once.
    """
    from model_assets.settling import settle

    settings = read_settings()
    url = ledger_url(settings)
    revision = migrated(url)
    settle(url, settings.model_policy_file)
    say(f"the database is at revision {revision}")


@cli.command()
def dsn() -> None:
    """Print the database's address, for psql and other clients.

    The password is in it. The embedded server is started if need be.
    """
    say(plain(ready_ledger(read_settings(), writing=False)))


@cli.command()
def env() -> None:
    """Print shell exports for `dagster` commands.

    After eval "$(model-assets env)" they use the same instance, runs and database as `up`.
    """
    from model_assets import dagster_home

    settings = read_settings()
    for name, value in dagster_home.prepare(settings, ready_ledger(settings, writing=False)).items():
        say(f"export {name}={shlex.quote(value)}")


@cli.command()
def down() -> None:
    """Stop the embedded database.

    `up` is stopped by Ctrl-C.
    """
    settings = read_settings()
    if settings.database_url:
        raise ModelAssetsError("DATABASE_URL names a server that is not ours to stop. Stop it where it runs.")
    say("stopped" if embedded.stop(settings.model_assets_home) else "it was not running")
