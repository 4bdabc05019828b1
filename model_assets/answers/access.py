"""Who may use which models, and what was changed about that."""

from typing import Any

from sqlalchemy import Connection, text

from model_assets.answers.plain import Answer, plain

LIST = """
select model_id, status, is_free, is_pro, is_enterprise, daily_limit, monthly_limit, note, decided_by, decided_at, decided_until, first_seen_at, version
from access.model_access as model
where (cast(:status as text) is null or status = :status)
  and (cast(:tier as text) is null or access.verdict(:tier, status, is_free, is_pro, is_enterprise) is null)
order by model_id limit :limit
"""
OFFERS = """
select offer, provider, source, listed_id, state, input_usd_per_mtok, output_usd_per_mtok, is_free, is_pro, is_enterprise, why
from access.offer_access where model_id = :model_id and listed order by provider, offer
"""
AUDIT = """
select audit_id, at, actor, action, subject_kind, subject, before, after, why, request_id, encode(hash, 'hex') as hash
from access.audit
where (cast(:subject as text) is null or subject = :subject)
order by audit_id desc limit :limit
"""


def access_list(connection: Connection, status: str | None = None, tier: str | None = None, limit: int = 1_000_000) -> list[Answer]:
    """The decisions, by model; only those of a status, only those that a tier may use."""
    return _rows(connection, LIST, status=status, tier=tier, limit=limit)


def access_of(connection: Connection, model_id: str) -> Answer | None:
    """The decision about a model and what the policy says of each of its offers; null where there is none."""
    found = _rows(connection, "select * from access.model_access where model_id = :model_id", model_id=model_id)
    return found[0] | {"offers": _rows(connection, OFFERS, model_id=model_id)} if found else None


def access_check(connection: Connection, user_id: str | None, model_id: str, provider: str | None = None) -> Answer:
    """Whether a user may use a model, and if not, why."""
    [row] = _rows(
        connection,
        "select * from access.can_user_use_model(:user_id, :model_id, :provider)",
        user_id=user_id,
        model_id=model_id,
        provider=provider,
    )
    return row


def audit_trail(connection: Connection, subject: str | None = None, limit: int = 1_000_000) -> list[Answer]:
    """What was changed, newest first: of one model, user or other subject, or of all."""
    return _rows(connection, AUDIT, subject=subject, limit=limit)


def audit_verified(connection: Connection) -> Answer:
    """Whether the chain of the audit is whole: its breaks, and its head, which a copy kept elsewhere can be held against."""
    [head] = _rows(connection, "select audit_id, encode(hash, 'hex') as hash from access.audit_head")
    return {"rows": head["audit_id"], "head": head["hash"], "breaks": _rows(connection, "select audit_id, what from access.audit_breaks()")}


def _rows(connection: Connection, query: str, **bound: Any) -> list[Answer]:
    return [plain(dict(row)) for row in connection.execute(text(query), bound).mappings()]
