"""What the cards of models say of what is no known model."""

from decimal import Decimal

from sqlalchemy import Connection, text

from model_assets.sql_models import refresh
from model_assets_tests.access.world import MODELS, observed, sell, settle

CARDS = "select model_id, cheapest_offer, input_usd_per_mtok from catalog.model_card order by model_id"


def test_what_is_no_known_model_is_its_own_cheapest_offer_where_it_asks_money(ledger: Connection) -> None:
    observed(ledger, 1)
    sell(ledger, "asks", 1, usd="2")
    sell(ledger, "gives", 1, usd="0")
    settle(ledger)
    for key in ("catalog.price_span", "catalog.offer", "catalog.model", "catalog.model_card"):
        refresh(ledger, MODELS[key])
    told = [tuple(row) for row in ledger.execute(text(CARDS))]
    assert told == [("host:?asks", "host:?asks", Decimal(2)), ("host:?gives", None, Decimal(0))]
