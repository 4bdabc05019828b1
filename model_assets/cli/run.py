"""Commands that run things, and say whether they run well."""

import shlex
import sys

import click

from model_assets import embedded
from model_assets.cli.base import as_json, cli, shown_url
from model_assets.database import connect, ledger_url, plain, wait_until_up
from model_assets.errors import DatabaseDown, ModelAssetsError
from model_assets.readiness import existing_ledger, migrated, ready_ledger
from model_assets.settings import Settings, read_settings
from model_assets.soundness import unsound
from model_assets.terminal import complain, print_json, printable, say

PORT = click.IntRange(1, 65_535)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the web UI listens; beyond loopback it is read-only.")
@click.option("--port", default=3000, show_default=True, help="The web UI's port.")
@click.option(
    "--launching", is_flag=True, help="Let whoever reaches the web UI start runs, also from beyond loopback. It asks for no password."
)
@click.option("--api-host", help="Where the HTTP API listens (API_HOST, else 127.0.0.1).")
@click.option("--api-port", type=PORT, help="The HTTP API's port (API_PORT, else 8000).")
@click.option("--wait", default=300, show_default=True, type=click.IntRange(0, 86_400), help="How many seconds to wait for the database.")
def up(host: str, port: int, launching: bool, api_host: str | None, api_port: int | None, wait: int) -> None:
    """Run everything on this machine until Ctrl-C.

    That is the database, migrations, Dagster's web UI and its daemon, and the HTTP API. What dies is started again. Ctrl-C or SIGTERM stops all
    but the database, which `down` stops.
    """
    from model_assets import supervisor

    settings = read_settings()
    api_host, api_port = api_host or settings.api_host, api_port or settings.api_port
    supervisor.check_port(api_host, api_port, "the HTTP API", ("--api-host", "--api-port"))
    _await_database(settings, wait)
    services = [supervisor.api_service(api_host, api_port)]
    sys.exit(supervisor.run(settings, ready_ledger(settings), host=host, port=port, launching=launching, services=services))


@cli.command()
@click.option("--host", help="Where it listens (API_HOST, else 127.0.0.1).")
@click.option("--port", type=PORT, help="Its port (API_PORT, else 8000).")
@click.option("--workers", type=click.IntRange(1, 64), help="How many processes answer (API_WORKERS, else 1).")
def api(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the HTTP API until Ctrl-C.

    It starts without a database too, and answers as soon as there is one. `up` runs it as well.
    """
    from model_assets import supervisor
    from model_assets.api.server import serve

    settings = read_settings()
    host, port = host or settings.api_host, port or settings.api_port
    supervisor.check_port(host, port, "the HTTP API")
    try:
        ready_ledger(settings, writing=False)
    except DatabaseDown as error:
        complain(f"{error} The API starts without it.")
    say(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    serve(settings, host, port, workers or settings.api_workers)


def _await_database(settings: Settings, seconds: int) -> None:
    """Return once the database answers, or when the time is over. After a boot it may come later than we do."""
    url = ledger_url(settings)
    try:
        wait_until_up(url, 0, trials=1)
    except DatabaseDown as error:
        if seconds:
            complain(f"{error} Waiting up to {seconds} s for it.")
            wait_until_up(url, 1.0, trials=seconds + 1, growth=1)


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
    from model_assets.access.roles import make_roles
    from model_assets.settling import settle

    settings = read_settings()
    url = ledger_url(settings)
    revision = migrated(url)
    settle(url, settings.model_policy_file)
    with connect(url) as connection:
        hint = make_roles(connection)
    if hint:
        complain(hint)
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
    from model_assets import supervisor

    settings = read_settings()
    if settings.database_url:
        raise ModelAssetsError("DATABASE_URL names a server that is not ours to stop. Stop it where it runs.")
    if who := supervisor.runs_on(settings.model_assets_home):
        raise ModelAssetsError(f"`up` runs (process {who}) and would start the database again. End it first: Ctrl-C, or kill {who}.")
    say("stopped" if embedded.stop(settings.model_assets_home) else "it was not running")
