"""What another policy would change, and for whom: tried out in the database by the statements that publish, on copies of what they write."""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from model_assets.access.decide import is_due, write_decisions
from model_assets.access.policy import TIERS, Policy, check_patterns, replace_rules
from model_assets.sql_models import load_models
from model_assets.sql_models.relations import run

#: what a trial writes, and what is made of it: these are its own, in tables that nobody else sees
COPIED = ("policy", "policy_setting", "decision")
VIEWS, BUILT = ("access.listing_rule", "access.model_access"), "access.offer_access"
_OWN = re.compile(rf"\baccess\.({'|'.join(COPIED)}|listing_rule|model_access|offer_access)\b")

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
    """What `policy` would change in the place of the one that counts now, tier by tier.

    Nothing is written and nobody has to wait, nor is waited for: others decide and publish meanwhile. A transaction of `connection` that is
    REPEATABLE READ compares what is of one moment. Raises SettingsError as store_policy does.
    """
    check_patterns(connection, policy)
    trial = connection.begin_nested()
    try:
        _copy(connection)
        before = _allowed(connection)
        replace_rules(connection, policy, _own)
        after = _allowed(connection)
    finally:
        trial.rollback()
    users = {row.tier: row.users for row in connection.execute(text(USERS))}
    return [_compare(tier, users.get(tier, 0), before[tier], after[tier]) for tier in TIERS]


def _own(statement: str) -> str:
    """The same statement on the trial's own relations."""
    return _OWN.sub(r"pg_temp.\1", statement)


def _copy(connection: Connection) -> None:
    """Make the trial's own relations, as they are now."""
    for table in COPIED:
        connection.execute(text(f"create temp table {table} (like access.{table} including all)"))
        connection.execute(text(f"insert into pg_temp.{table} select * from access.{table}"))
        connection.execute(text(f"analyze pg_temp.{table}"))
    models = load_models()
    for key in VIEWS:
        run(connection, f"create temp view {models[key].name} as {_own(models[key].sql)}")


def _allowed(connection: Connection) -> dict[str, dict[str, str | None]]:
    """tier -> model -> rule, after bringing the trial's decisions up to its policy."""
    connection.execute(text("drop table if exists pg_temp.offer_access"))
    run(connection, f"create temp table offer_access as {_own(load_models()[BUILT].sql)}")
    connection.execute(text("analyze pg_temp.offer_access"))
    if is_due(connection, _own):
        write_decisions(connection, _own)
    found: dict[str, dict[str, str | None]] = {tier: {} for tier in TIERS}
    for tier, model, rule in connection.execute(text(_own(ALLOWED)), {"tiers": list(TIERS)}):
        found[tier][model] = rule
    return found


def _compare(tier: str, users: int, before: dict[str, str | None], after: dict[str, str | None]) -> TierChange:
    gained = {model: rule for model, rule in after.items() if model not in before}
    lost = {model: rule for model, rule in before.items() if model not in after}
    return TierChange(tier, users, gained, lost)
