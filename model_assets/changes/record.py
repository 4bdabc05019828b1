"""Recording: catalog.change follows what the ledger tells (catalog.ledger_change), by adding rows at its end and never otherwise."""

from sqlalchemy import Connection, text

TYPES = (
    "model_added", "model_gone", "model_back", "model_deprecated", "model_retirement_announced", "offer_added", "offer_ended", "price_added",
    "price_changed", "price_ended", "became_free", "stopped_being_free", "dispute_opened", "dispute_closed", "model_available", "withdrawn",
)  # fmt: skip
#: how much of the history that a ledger holds already is told at first; at 16,000 changes a year of five sources, several years
LONGEST_HISTORY = 100_000

TOLD = "create temp table told on commit drop as select * from catalog.ledger_change"
BEGIN = """
insert into catalog.change_begin (since)
select coalesce((select at from told order by at desc offset :longest limit 1), '-infinity')
where exists (select from told)
on conflict do nothing
"""
#: said before, and not what the ledger tells now
WITHDRAW = """
with wrong as (
    update catalog.change set withdrawn = true
    where not withdrawn and withdraws is null and type <> 'model_available' and key not in (select key from told)
    returning *
)
insert into catalog.change (change_id, key, type, at, model_id, model, offer, provider, condition, before, after, source, withdraws)
select
    (select coalesce(max(change_id), 0) from catalog.change) + row_number() over (order by change_id),
    key, 'withdrawn', at, model_id, model, offer, provider, condition,
    jsonb_build_object('id', id, 'type', type, 'before', before, 'after', after), null, source, change_id
from wrong
"""
ADD = """
insert into catalog.change (change_id, key, type, at, model_id, model, offer, provider, condition, before, after, source)
select
    (select coalesce(max(change_id), 0) from catalog.change) + row_number() over (order by told.at, told.type, told.model_id, told.offer, told.key),
    told.key, told.type, told.at, told.model_id, told.model, told.offer, told.provider, told.condition, told.before, told.after, told.source
from told
where told.at > (select since from catalog.change_begin)
    and not exists (select from catalog.change as known where known.key = told.key and not known.withdrawn and known.withdraws is null)
"""
#: Whoever could not see a model did not see that it came either; so they are told when they can. Of a model that is new here, its coming tells.
AVAILABLE = """
with now_for as (
    select
        model_id,
        coalesce(base_model_id, case when model_id not like '%:?%' then model_id end) as model,
        array_remove(array[case when is_free then 'free' end, case when is_pro then 'pro' end, case when is_enterprise then 'enterprise' end], null)
        as tiers
    from access.model_access
    where decided_status = 'active'
    union all
    select model_id, null, '{}' from access.model_access where decided_status <> 'active'
),
differs as (
    select now_for.*, known.tiers as before
    from now_for
    left join catalog.change_access as known on known.model_id = now_for.model_id
    where known.tiers is distinct from now_for.tiers
),
kept as (
    insert into catalog.change_access (model_id, tiers) select model_id, tiers from differs
    on conflict (model_id) do update set tiers = excluded.tiers
)
insert into catalog.change (change_id, key, type, at, model_id, model, condition, before, after)
select
    (select coalesce(max(change_id), 0) from catalog.change) + row_number() over (order by model_id),
    gen_random_uuid(), 'model_available', now(), model_id, model, '{}', jsonb_build_object('tiers', before), jsonb_build_object('tiers', tiers)
from differs
where before is not null and not tiers <@ before
"""


def record_changes(connection: Connection) -> int:
    """Add what changed since the last time to catalog.change, in order of time; returns how many rows. What an older day brings comes at the end
    as well, with its own instant, and what it disproves is withdrawn by a row of its own. Who may use a model since the last time is told as well.

    Part of publishing, in its transaction and under its lock: so numbers are gapless, and in the order in which they can be read. Of a ledger that
    is recorded for the first time the newest 100,000 changes are told.
    """
    # the planner cannot guess how many changes there are, and would compare each with all offers
    connection.execute(text("set local enable_nestloop = off"))
    connection.execute(text(TOLD))
    connection.execute(text("analyze told"))
    connection.execute(text(BEGIN), {"longest": LONGEST_HISTORY})
    written = sum(connection.execute(text(statement)).rowcount for statement in (WITHDRAW, ADD, AVAILABLE))
    connection.execute(text("drop table told"))
    connection.execute(text("set local enable_nestloop = on"))
    return written
