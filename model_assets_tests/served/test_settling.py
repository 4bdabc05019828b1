"""Settling: once, again, several at once, and not at all where nothing moved."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from model_assets.database import connect
from model_assets.identity.links import refresh_links
from model_assets.settings import read_settings
from model_assets.settling import settle


def versions(url: str) -> dict[str, list[Any]]:
    """Every row of what is derived, with the transaction that wrote it."""
    with connect(url) as connection:
        return {
            name: list(connection.execute(text(f"select xmin::text || ' ' || t::text from {name} t order by 1")).scalars())
            for name in ("history.link", "ops.held_change", "history.price", "history.listing")
        }


def test_settling_twice_writes_no_link_and_no_hold_and_serves_the_same(settled_copy: str) -> None:
    def served() -> list[str]:
        with connect(settled_copy) as connection:
            return list(connection.execute(text("select t::text from catalog.price_span t order by 1")).scalars())

    before, spans = versions(settled_copy), served()
    settle(settled_copy, read_settings().model_policy_file)
    assert versions(settled_copy) == before
    assert served() == spans


def test_nothing_is_resolved_again_while_the_ledger_and_the_rules_are_the_same(settled_copy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(*_: object) -> None:
        raise AssertionError("resolved again")

    monkeypatch.setattr("model_assets.identity.links.Resolver", resolved)
    monkeypatch.setattr("model_assets.gate.held_changes.Replay", resolved)
    settle(settled_copy, read_settings().model_policy_file)
    with connect(settled_copy) as connection:
        connection.execute(text("update history.listing set digest = 'x' where upper(seen) is null and listed_id = 'gpt-4o'"))
        with pytest.raises(AssertionError, match="resolved again"):
            refresh_links(connection)


def test_several_that_settle_at_once_leave_what_one_leaves(settled_copy: str) -> None:
    def served() -> list[str]:
        with connect(settled_copy) as connection:
            return list(connection.execute(text("select t::text from catalog.price_span t order by 1")).scalars())

    before, links = served(), versions(settled_copy)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: settle(settled_copy, read_settings({}).model_policy_file), range(3)))
    assert served() == before
    assert versions(settled_copy) == links
