"""A ledger that is ready for what is to be done with it: there, of this version, ours, and writable where it must be; or what to do about it."""

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from model_assets.database import connect, ledger_url, refusal, wait_until_up
from model_assets.errors import ModelAssetsError
from model_assets.settings import Settings

FORBIDDEN = ("42501", "25006")  # the role has no right to it; nobody may write here now
TAKEN = ("42P06", "42P07", "42710", "42723")  # a schema, a relation, an object, a function of that name is there already
CONTENDED = ("55P03", "57014", "40001", "40P01")  # a lock or a statement took too long; two transactions could not both go on
MISSING = ("3F000", "42P01", "42703", "42883")  # a schema, a relation, a column, a function is not there


def sqlstate(error: DBAPIError) -> str:
    """The server's code for an error (PostgreSQL, appendix A); empty where it gave none."""
    return getattr(error.orig, "sqlstate", None) or ""


def remedied(error: DBAPIError) -> str | None:
    """What the database said and what to do about it; null where it takes somebody who knows the code."""
    if sqlstate(error) in FORBIDDEN:
        return (
            f"the database does not let this role do that ({refusal(error)}). Use the role that ran `model-assets migrate`; one that only asks"
            " needs usage on the schemas catalog, history, ops and raw, and select on their tables."
        )
    if sqlstate(error) in CONTENDED:
        return (
            f"other sessions were in the way ({refusal(error)}); nothing of it was written. Run it again; if it stays so, `select * from"
            " pg_stat_activity` names who holds on."
        )
    if sqlstate(error) in MISSING:
        return f"the database is not as this version needs it ({refusal(error)}). Run `model-assets migrate`."
    return None


def ready_ledger(settings: Settings, *, writing: bool = True) -> str:
    """The URL of the ledger, its tables there and up to date: any command that needs them makes them.

    Raises ModelAssetsError where they cannot be made or, if `writing`, where the role may not write to them.
    """
    url = ledger_url(settings)
    wait_until_up(url, settings.db_retry_ms / 1000)
    migrated(url)
    if writing:
        _check_rights(url)
    return url


WRITTEN = (
    "ops.sync_run", "ops.observation", "ops.held_change", "raw.body", "raw.payload", "history.listing", "history.price", "history.link",
    "history.score", "history.score_link", "history.mention", "history.mention_link", "ops.popularity",
    "access.policy", "access.decision", "ops.alert", "ops.alert_delivery", "ops.sync_request", "ops.sync_request_source",
    "catalog.change", "catalog.change_begin", "catalog.change_access", "ops.webhook", "ops.webhook_secret",
)  # fmt: skip


def _check_rights(url: str) -> None:
    query = (  # by oid: a name in a schema that the role may not use is an error
        "select nspname || '.' || relname from pg_class join pg_namespace as schema on schema.oid = relnamespace"
        " where nspname || '.' || relname = any(:written)"
        " and not (has_schema_privilege(schema.oid, 'usage') and has_table_privilege(pg_class.oid, 'insert')) order by 1"
    )
    with connect(url) as connection:
        kept = connection.scalars(text(query), {"written": list(WRITTEN)}).all()
    if kept:
        raise ModelAssetsError(f"this role may not write to {', '.join(kept)}. Use the role that ran `model-assets migrate`.")


def migrated(url: str) -> str:
    """The revision of the database after bringing it up to date.

    Raises ModelAssetsError, the database being as it was, where a newer version of the project made it, where something else has our
    schemas, or where the role may not make tables.
    """
    from alembic.util import CommandError  # alembic and sqlglot take a while to import

    from model_assets.ledger.migrate import migrate, newest

    try:
        with connect(url) as connection:
            foreign = connection.scalars(text(FOREIGN)).all()
        if foreign:
            raise ModelAssetsError(_not_ours(f"it has {', '.join(foreign)} already"))
        return migrate(url)
    except CommandError as error:
        raise ModelAssetsError(
            f"the database cannot be migrated to revision {newest()}: {error}. If a newer version of Model Assets made it, use that one."
        ) from error
    except DBAPIError as error:
        if isinstance(error, OperationalError):
            raise
        if sqlstate(error) in FORBIDDEN:
            raise ModelAssetsError(
                f"this role may not make or change the ledger's tables ({refusal(error)}). Use the role that made them, or in a new database"
                " one that may create in it; to only ask (price, diff, quarantine, status), no such right is needed."
            ) from error
        if sqlstate(error) in TAKEN:
            raise ModelAssetsError(_not_ours(refusal(error))) from error
        raise ModelAssetsError(
            f"the database cannot be migrated to revision {newest()} ({refusal(error)}); it is as it was. Let DATABASE_URL name an empty one."
        ) from error


def _not_ours(found: str) -> str:
    return (
        "something else has the schemas that the ledger needs (raw, ops, staged, history, catalog, access) in this database:"
        f" {found}. Nothing was changed. Let DATABASE_URL name a database of the ledger's own."
    )


# in one statement, hence of one moment: another process may be migrating. An empty `ops` may have been made for us.
FOREIGN = """
select nspname from pg_namespace as schema
where nspname in ('raw', 'ops', 'staged', 'history', 'catalog', 'access')
  and not exists (select from pg_class join pg_namespace as ours on ours.oid = relnamespace
                  where ours.nspname = 'ops' and relname = 'alembic_version')
  and (nspname <> 'ops' or exists (select from pg_class where relnamespace = schema.oid)
       or exists (select from pg_proc where pronamespace = schema.oid))
order by nspname
"""


def existing_ledger(settings: Settings, *, start: bool = False) -> str:
    """The URL of a ledger that is there. Raises DatabaseDown or ModelAssetsError where it is not: nothing is made, and no server started
    unless `start`."""
    from model_assets.ledger.migrate import newest, revision

    url = ledger_url(settings, start=start)
    if start:
        wait_until_up(url, settings.db_retry_ms / 1000)
    with connect(url) as connection:
        found = revision(connection)
    if found != newest():
        remedy = "Use the newer version of Model Assets that made it" if (found or "") > newest() else "Run `model-assets migrate`"
        raise ModelAssetsError(f"the database is at revision {found or 'none'}, this version needs {newest()}. {remedy}.")
    return url
