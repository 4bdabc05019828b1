"""The two roles by which requests over HTTP are answered: one that can only read, one that can also write what people may change."""

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

READER = "model_assets_reader"
WRITER = "model_assets_writer"
#: may be read whole; of the others what is named below. The audit, and what is secret, is not for readers.
SCHEMAS_READ = ("catalog", "access", "history")
SECRET = ("access.audit", "access.audit_head")
OPS_READ = (
    "ops.source", "ops.observation", "ops.quarantine", "ops.sync_run", "ops.sync_request", "ops.sync_request_source", "ops.held_change",
    "ops.held_verdict", "ops.identity_correction", "ops.popularity", "ops.derived", "ops.alembic_version", "ops.move",
)  # fmt: skip
#: a person's word, and nothing that the policy says
SAID = (
    "said_status", "said_free", "said_pro", "said_enterprise", "daily_limit", "monthly_limit", "note", "decided_by", "decided_at", "decided_until",
)  # fmt: skip
#: relation -> what may be done to it whole
WRITTEN = {
    "access.profile": ("insert", "update", "delete"),
    "access.policy": ("insert", "delete"),
    "access.policy_setting": ("update",),
    # a decision is served at once: see publishing.publish_decisions
    "catalog.model_card": ("insert", "delete"),
    "catalog.offer_card": ("insert", "delete"),
    "catalog.model_sellers": ("insert", "delete"),
    "catalog.provider_card": ("insert", "delete"),
    "catalog.base_price_span": ("insert", "delete"),
    "catalog.seller_span": ("insert", "delete"),
    "catalog.published": ("update",),
    "access.audit": ("select",),
    "access.audit_head": ("select",),
    "ops.held_verdict": ("insert",),
    "ops.identity_correction": ("insert", "update"),
    "ops.sync_request": ("insert", "update"),
    "ops.sync_request_source": ("insert", "update"),
    "ops.inbox": ("select", "insert"),
    "ops.webhook": ("select", "insert", "update", "delete"),
    "ops.webhook_secret": ("insert",),
    "access.follow": ("insert", "delete"),
    "access.view_count": ("insert", "update"),
    "access.user_version": ("insert", "update", "delete"),
}
#: relation -> columns of it that may be updated
UPDATED = {"access.decision": SAID}
HINT = (
    f"The roles {READER} and {WRITER} are not there, and this role may not make them: requests are answered with its own rights. For the least"
    f" rights, run as an administrator `create role {READER}; create role {WRITER}; grant {READER} to {WRITER}; grant {READER}, {WRITER} to"
    " <this role>`, then `model-assets migrate`."
)
DUPLICATE = ("42710", "23505")

_READER_LACKS = """
select format('grant usage on schema %I to %I', nspname, cast(:role as text)) from pg_namespace
where nspname = any(cast(:schemas as text[]) || 'ops'::text) and not has_schema_privilege(:role, oid, 'usage')
union all
select format('grant select on %I.%I to %I', nspname, relname, cast(:role as text))
from pg_class join pg_namespace as schema on schema.oid = relnamespace
where relkind in ('r', 'v', 'm', 'p') and not has_table_privilege(:role, pg_class.oid, 'select')
  and (nspname = any(:schemas) and nspname || '.' || relname <> all(:secret) or nspname || '.' || relname = any(:ops))
"""
_WRITER_LACKS = """
select format('grant %s%s on %s to %I', wanted, ' (' || string_agg(part, ', ' order by part) || ')', relation, cast(:role as text))
from unnest(cast(:relations as text[]), cast(:rights as text[]), cast(:columns as text[])) as given (relation, wanted, part)
where to_regclass(relation) is not null
  and not case when part is null then has_table_privilege(:role, to_regclass(relation), wanted)
               else has_column_privilege(:role, to_regclass(relation), part, wanted) end
group by relation, wanted
union all
select format('grant execute on function access.hold_audit to %I', cast(:role as text))
where not has_function_privilege(:role, 'access.hold_audit()', 'execute')
"""


def role_exists(connection: Connection, role: str) -> bool:
    """Whether there is such a role, and the session's may take it on."""
    # before Postgres 16 every member may
    asked = "case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end"
    found = text(f"select coalesce(bool_or(pg_has_role(session_user, oid, {asked})), false) from pg_roles where rolname = :role")
    return bool(connection.execute(found, {"role": role}).scalar_one())


def make_roles(connection: Connection) -> str | None:
    """Make the two roles where they are missing and this role may; else returns what to do. Roles belong to the whole server.

    In a transaction of its own: others who want to make them wait for its end.
    """
    for role in (READER, WRITER):
        if connection.execute(text("select exists (select from pg_roles where rolname = :role)"), {"role": role}).scalar_one():
            continue
        if not connection.execute(text("select rolsuper or rolcreaterole from pg_roles where rolname = current_user")).scalar_one():
            return HINT
        try:
            with connection.begin_nested():
                connection.execute(text(f"create role {role} nologin"))
                if role == WRITER:
                    connection.execute(text(f"grant {READER} to {WRITER}"))
                connection.execute(text(f"grant {role} to current_user"))
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in DUPLICATE:
                raise  # another process was not quicker
    return None


def grant_rights(connection: Connection) -> list[str]:
    """Give the two roles, as far as they are there, the rights that they do not have yet; returns the statements. Nothing is taken away."""
    reading = {"schemas": list(SCHEMAS_READ), "secret": list(SECRET), "ops": list(OPS_READ)}
    each: list[tuple[str, str, str | None]] = [(relation, right, None) for relation, rights in WRITTEN.items() for right in rights]
    each += [(relation, "update", column) for relation, columns in UPDATED.items() for column in columns]
    writing = {name: [one[place] for one in each] for place, name in enumerate(("relations", "rights", "columns"))}
    done: list[str] = []
    for role, lacks, bound in ((READER, _READER_LACKS, reading), (WRITER, _WRITER_LACKS, writing)):
        if connection.execute(text("select exists (select from pg_roles where rolname = :role)"), {"role": role}).scalar_one():
            done += connection.scalars(text(lacks), {"role": role, **bound})
    for statement in done:
        connection.exec_driver_sql(statement)
    return done
