"""What another policy would change, and for whom: tried out in the database, by the rules themselves, and taken back."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from model_assets.access.decide import decide
from model_assets.access.policy import TIERS, Policy, store_policy
from model_assets.sql_models import load_models, refresh

ALLOWED = """
select tier.tier, model.model_id, model.why ->> tier.tier as rule
from access.model_access as model cross join unnest(cast(:tiers as text[])) as tier (tier)
where access.verdict(tier.tier, model.status, model.is_free, model.is_pro, model.is_enterprise) is null
"""
USERS = "select tier, count(*) as users from access.profile group by tier"


@dataclass(frozen=True)
class TierChange:
    """What would change for a tier: the models it would gain, each with the rule that would allow it, and those it would lose, each with the
    rule that allows it now (None: a person did). `users` are those known to have the tier; who is not known has the tier free as well."""

    tier: str
    users: int
    gained: dict[str, str | None]
    lost: dict[str, str | None]

    def as_dict(self) -> dict[str, Any]:
        """As plain values, sorted by model."""
        lists = {name: [{"model_id": model, "rule": rule} for model, rule in sorted(found.items())]
                 for name, found in (("gained", self.gained), ("lost", self.lost))}  # fmt: skip
        return {"tier": self.tier, "users": self.users, **lists}


def dry_run(connection: Connection, policy: Policy) -> list[TierChange]:
    """What `policy` would change in the place of the one that counts now, tier by tier. Nothing of it stays.

    It needs the rights of who publishes, and keeps others from publishing while it runs. Raises SettingsError as store_policy does.
    """
    trial = connection.begin_nested()
    try:
        before = _allowed(connection)
        store_policy(connection, policy)
        after = _allowed(connection)
    finally:
        trial.rollback()
    users = {row.tier: row.users for row in connection.execute(text(USERS))}
    return [_compare(tier, users.get(tier, 0), before[tier], after[tier]) for tier in TIERS]


def _allowed(connection: Connection) -> dict[str, dict[str, str | None]]:
    """tier -> model -> rule, after bringing the decisions up to the policy that is stored."""
    refresh(connection, load_models()["access.offer_access"])
    decide(connection)
    found: dict[str, dict[str, str | None]] = {tier: {} for tier in TIERS}
    for tier, model, rule in connection.execute(text(ALLOWED), {"tiers": list(TIERS)}):
        found[tier][model] = rule
    return found


def _compare(tier: str, users: int, before: dict[str, str | None], after: dict[str, str | None]) -> TierChange:
    gained = {model: rule for model, rule in after.items() if model not in before}
    lost = {model: rule for model, rule in before.items() if model not in after}
    return TierChange(tier, users, gained, lost)
