"""Publishing: what comes by itself is followed though nobody writes anything, and no number is given out twice."""

import time

import dagster as dg
import pytest
from sqlalchemy import text

from model_assets.database import connect
from model_assets.people_spoke import people_spoke
from model_assets.publishing import announce
from model_assets.resources import Postgres
from model_assets.settling import publish
from model_assets_tests.small_ledger import select

ONE = "(select ctid from {} order by 1 limit 1)"
#: as if the instant that was known ahead was now
COMES = {
    "an announced price starts": "update history.price set effective_from = now() where effective_from > now()",
    "a price ends on its day": "update history.price set effective_to = now() where effective_to > now()",
    "a word ends": "update access.decision set said_status = 'disabled', decided_by = 'ann', decided_at = now(), decided_until = now()"
    f" where ctid = {ONE.format('access.decision')}",
    "a model is new no more": "update access.decision set rule_status = 'new', first_seen_at = now() - (select activate_new_after from access.policy_setting)"
    f" where ctid = {ONE.format('access.decision')}",
    "a day": "update catalog.published set published_at = published_at - interval '24 hours'",
}


def comes(url: str, what: str) -> None:
    """It is later, and something came that nobody wrote now."""
    with connect(url) as connection:
        assert connection.execute(text(COMES[what])).rowcount > 0
        connection.execute(text("delete from ops.move"))


def tick(url: str, cursor: str | None) -> tuple[int, str | None]:
    """(how many runs the daemon asks for, its cursor)."""
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance, resources={"postgres": Postgres(url=url)}, cursor=cursor) as context,
    ):
        found = people_spoke.evaluate_tick(context)
    return len(found.run_requests or []), found.cursor


@pytest.mark.parametrize("what", list(COMES))
def test_what_comes_by_itself_is_asked_for_once_and_published_though_nobody_writes_anything(settled_copy: str, what: str):
    publish(settled_copy)
    asked, cursor = tick(settled_copy, None)
    assert (asked, publish(settled_copy)) == (0, False)
    comes(settled_copy, what)
    asked, cursor = tick(settled_copy, cursor)
    assert asked == 1
    assert tick(settled_copy, cursor)[0] == 0
    assert publish(settled_copy)
    assert (tick(settled_copy, cursor)[0], publish(settled_copy)) == (0, False)


def test_no_number_is_given_out_again_after_an_older_state_of_the_database_came_back(url: str) -> None:
    with connect(url) as connection:
        before = select(url, "select version from catalog.published")[0]
        given = [announce(connection, whole=whole) for whole in (True, False, True)]
        time.sleep(0.05)  # a number is a millisecond, or the next one: no older state comes back as fast
        connection.execute(text("update catalog.published set version = :version"), {"version": before})
        again = announce(connection)
    assert [before, *given, again] == sorted({before, *given, again})
