"""The users whose tier is known. Who is not has the tier free."""

from typing import Any

from sqlalchemy import Connection, text

from model_assets.access.audit import is_no_user, speaking
from model_assets.errors import ModelAssetsError

SET = """
insert into access.profile as profile (user_id, tier) values (:user_id, :tier)
on conflict (user_id) do update set tier = excluded.tier where profile.tier <> excluded.tier
"""
#: where every process that remembers tiers listens
PROFILES = "model_assets_profiles"


def tell_of_change(connection: Connection, user_id: str) -> None:
    """Tell those who remember tiers, when the transaction commits, that this user's may be another one."""
    connection.execute(text("select pg_notify(:channel, left(:user_id, 1000))"), {"channel": PROFILES, "user_id": user_id})


def require_person(user_id: str) -> None:
    """Raises ModelAssetsError where an id is none that a user may have."""
    if is_no_user(user_id):
        raise ModelAssetsError(
            f"{user_id!r} is what the audit calls something that is no person: no user can have that id. Use another one."
        )


def profile(connection: Connection, user_id: str) -> dict[str, Any]:
    """A user's tier, default model, and whether he is known at all."""
    row = connection.execute(text("select * from access.profile where user_id = :user_id"), {"user_id": user_id}).mappings().first()
    return {"known": True, **row} if row else {"known": False, "user_id": user_id, "tier": "free", "default_model": None}


def set_tier(connection: Connection, user_id: str, tier: str, actor: str, why: str = "", request_id: str = "") -> None:
    """Give a user a tier (free, pro, enterprise or admin), audited; one who has it already stays as he is. Raises ModelAssetsError where no user may
    have that id."""
    require_person(user_id)
    with speaking(connection, actor, why, request_id):
        connection.execute(text(SET), {"user_id": user_id, "tier": tier})
    tell_of_change(connection, user_id)
