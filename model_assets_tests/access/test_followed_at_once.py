"""What follows from decisions is brought up to a few of them as a filling of the whole would bring it."""

import random

from sqlalchemy import Connection, text

from model_assets.access.visibility import TIERS
from model_assets.access.words import Word, change
from model_assets.database import connect
from model_assets.publishing import FOLLOWS_DECISIONS, line_up, publish_decisions
from model_assets.sql_models import load_models, refresh

#: what tiers see, by the words of catalog.offer_card and catalog.provider_card
COUNTED = """
select offer.provider, count(distinct card.model_id), count(*), count(*) filter (where offer.state = 'free'), count(*) filter (where offer.disputed)
from catalog.offer as offer
join catalog.model_card as card on card.model_id = coalesce(offer.model, offer.offer)
left join access.model_access as plan on plan.model_id = coalesce(offer.model || coalesce(':' || offer.variant, ''), offer.offer)
where offer.listed and {seen} group by offer.provider order by 1
"""


def counted(connection: Connection, tier: str) -> list[tuple[object, ...]]:
    """Providers, with models, offers, free and disputed ones, from what the tables follow from."""
    seen = "offer.offer <> all(card.hidden_offers)" if tier == "admin" else f"card.visible_{tier} and plan.decided_status = 'active'"
    return [tuple(row) for row in connection.execute(text(COUNTED.format(seen=seen)))]


def test_words_on_some_models_leave_every_table_as_a_filling_of_the_whole_would(settled_copy: str) -> None:
    models, chance, differed = load_models(), random.Random(5), set()
    with connect(settled_copy) as connection:
        line_up(connection)
        known = list(connection.scalars(text("select model_id from access.decision order by 1")))
        plans = [model for model in known if ":" in model and ":?" not in model]
        assert plans
        before = {tier: counted(connection, tier) for tier in TIERS}
        for _ in range(12):
            chosen = [*chance.sample(known, 5), chance.choice(plans), chance.choice(plans).partition(":")[0]]
            said = [
                (model, Word(status=chance.choice(["new", "disabled", "active"]), is_free=chance.choice([True, False, None])), None)
                for model in sorted({*chosen} & {*known})
            ]
            change(connection, said, "a test")
            publish_decisions(connection, models, [model for model, _, _ in said])
            differed |= {tier for tier in TIERS if counted(connection, tier) != before[tier]}
            assert {key: refresh(connection, models[key]) for key in FOLLOWS_DECISIONS} == dict.fromkeys(FOLLOWS_DECISIONS, 0)
        for tier in TIERS:
            columns = "provider, models, offers, free_offers, disputed_offers"
            found = connection.execute(
                text(f"select {columns} from catalog.provider_card where tier = :tier order by provider"), {"tier": tier}
            )
            assert [tuple(row) for row in found] == counted(connection, tier)
        connection.rollback()
    assert differed == {*TIERS}
