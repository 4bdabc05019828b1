"""What another policy would change, for whom: by the rules themselves, and nothing of it stays."""

from sqlalchemy import Connection, text

from model_assets.access.dry_run import dry_run
from model_assets.access.policy import Policy, Rule, store_policy, stored_policy
from model_assets.access.words import Word, change
from model_assets_tests.access.world import OPEN, allowed, observed, sell, settle, users

EVERYTHING = "select (select count(*) from access.audit), (select hash from access.audit_head), array(select d::text from access.decision d order by 1)"


def test_a_dry_run_says_what_each_tier_gains_and_loses_and_leaves_no_trace(ledger: Connection) -> None:
    users(ledger, ("free", "pro"))
    observed(ledger, 1)
    for name, usd in (("gift", "0"), ("cheap", "1"), ("dear", "9")):
        sell(ledger, name, 1, usd=usd)
    settle(ledger)
    change(ledger, [("host:?dear", Word(is_free=True), None)], "ann")
    before = ledger.execute(text(EVERYTHING)).one()
    other = Policy(
        (Rule("free", 1, "allow", ids="cheap", note="a treat"), Rule("pro", 2, "allow", ids="."), Rule("pro", 3, "deny", ids="dear"))
    )
    free, pro, enterprise = (one.as_dict() for one in dry_run(ledger, other))
    assert free == {
        "tier": "free", "users": 1, "gained": [{"model_id": "host:?cheap", "rule": "rule 1: a treat"}],
        "lost": [{"model_id": "host:?gift", "rule": "rule 1"}],
    }  # fmt: skip
    assert pro == {"tier": "pro", "users": 1, "gained": [], "lost": [{"model_id": "host:?dear", "rule": "rule 2"}]}
    assert (enterprise["users"], enterprise["gained"], len(enterprise["lost"])) == (0, [], 3)
    assert ledger.execute(text(EVERYTHING)).one() == before
    assert stored_policy(ledger) == OPEN


def test_a_dry_run_says_just_what_comes_true(ledger: Connection) -> None:
    observed(ledger, 1, 2)
    users(ledger)
    for number in range(30):
        sell(ledger, f"m-{number}", 1 + number % 2, usd=str(number % 5))
    settle(ledger)
    other = Policy((Rule("free", 1, "allow", ids="[13579]$"), Rule("free", 2, "deny", ids="1"), Rule("pro", 3, "allow", states=("paid",))))
    before = {tier: set(allowed(ledger, tier)) for tier in ("free", "pro", "enterprise")}
    said = dry_run(ledger, other)
    store_policy(ledger, other)
    settle(ledger)
    for one in said:
        after = set(allowed(ledger, one.tier))
        assert (set(one.gained), set(one.lost)) == (after - before[one.tier], before[one.tier] - after)


def test_what_is_due_anyway_is_not_laid_at_the_policys_door(ledger: Connection) -> None:
    """Nothing was decided yet: the same policy would change nothing."""
    observed(ledger, 1)
    sell(ledger, "m", 1)
    assert [(one.gained, one.lost) for one in dry_run(ledger, OPEN)] == [({}, {})] * 3
    assert ledger.execute(text("select count(*) from access.decision")).scalar() == 0
