"""What another policy would change, for whom: by the rules themselves, and nothing of it stays."""

from decimal import Decimal

from sqlalchemy import Connection, text

from model_assets.access.dry_run import dry_run
from model_assets.access.policy import Policy, Rule, store_policy, stored_policy
from model_assets.access.words import Word, change
from model_assets.database import connect
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
    assert [one.as_dict() for one in dry_run(ledger, other)] == [free, pro, enterprise]


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


def test_a_trial_waits_for_nobody_who_decides_stores_a_policy_or_publishes_and_sees_what_was_there_before(url: str) -> None:
    with connect(url) as connection:
        store_policy(connection, OPEN)
        users(connection, ("pro",))
        observed(connection, 1)
        sell(connection, "m", 1)
        settle(connection)
    with connect(url) as busy, connect(url) as connection:
        store_policy(busy, Policy(()))
        change(busy, [("host:?m", Word(status="disabled"), None)], "ann")
        settle(busy)
        connection.execute(text("set local statement_timeout = '30s'"))
        free, pro, _ = dry_run(connection, Policy((Rule("free", 1, "allow", ids="."),)))
    assert (free.gained, free.lost, pro.gained, pro.lost) == ({"host:?m": "rule 1"}, {}, {}, {"host:?m": "rule 2"})


def test_a_trial_says_of_real_listings_just_what_comes_true(settled_copy: str) -> None:
    other = Policy(
        (Rule("free", 1, "allow", max_input_usd_per_mtok=Decimal("0.2")), Rule("pro", 2, "allow", authors=("openai", "mistral")))
    )
    with connect(settled_copy) as connection:
        users(connection, ("pro", "enterprise"))
        said = dry_run(connection, other)
        before = {tier: set(allowed(connection, tier)) for tier in ("free", "pro", "enterprise")}
        store_policy(connection, other)
        settle(connection)
        for one in said:
            after = set(allowed(connection, one.tier))
            assert (set(one.gained), set(one.lost)) == (after - before[one.tier], before[one.tier] - after)
    assert [bool(one.gained) for one in said] == [True, False, False]
    assert [bool(one.lost) for one in said] == [False, True, True]
