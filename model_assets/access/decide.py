"""Decisions follow the ledger and the policy: what the rules say of every model that is or was sold. A person's word is in columns of its own."""

from collections.abc import Callable

from sqlalchemy import Connection, text

from model_assets.access.audit import BY_CLOCK, BY_POLICY, speaking
from model_assets.access.words import SAID

#: after how many accepted observations without it a source is believed that a model is gone; the one that dropped it is the first
MISSED = 3

# What came while its first source was being watched already is new; of what was there at a source's first observation nobody knows since when.
WANTED = """
create temp table decision__wanted on commit drop as
with listed as (
    select
        coalesce(link.model || case when link.variant <> '' then ':' || link.variant else '' end, link.offer,
                 listing.provider || ':?' || listing.listed_id) as model_id,
        min(link.model) filter (where link.variant <> '') as base_model_id,
        listing.source,
        min(lower(listing.seen)) as first_seen,
        max(coalesce(upper(listing.seen), 'infinity')) as last_seen
    from history.listing as listing
    left join history.link as link on link.key_id = listing.key_id and upper_inf(link.seen)
    left join catalog.source_rank as rank on rank.source = listing.source
    where coalesce(rank.sells, true)
    group by 1, listing.source
),
watched as (
    select source, min(observed_at) as since, (array_agg(observed_at order by observed_at desc))[:missed] as missed_since
    from ops.observation
    where verdict = 'accepted'
    group by source
),
life as (
    select
        listed.*,
        listed.first_seen > watched.since as came,
        coalesce(listed.last_seen <= watched.missed_since, false) as gone,
        listed.first_seen = min(listed.first_seen) over (partition by listed.model_id) as is_first
    from listed
    left join watched on watched.source = listed.source
),
known as (
    select
        model_id,
        min(base_model_id) as base_model_id,
        min(first_seen) as first_seen_at,
        coalesce(bool_and(came) filter (where is_first), false) as came,
        bool_and(gone) as gone
    from life
    group by model_id
),
offered as (
    select offer.*, bool_or(offer.listed) over (partition by offer.model_id) as any_listed from access.offer_access as offer
),
judged as (
    select
        offer.model_id,
        bool_or(offer.is_free) as is_free,
        bool_or(offer.is_pro) as is_pro,
        bool_or(offer.is_enterprise) as is_enterprise,
        jsonb_strip_nulls(jsonb_build_object(
            'free', min(offer.why ->> 'free'), 'pro', min(offer.why ->> 'pro'), 'enterprise', min(offer.why ->> 'enterprise')
        )) as why
    from offered as offer
    -- what nobody lists now is judged by its last terms: a list that misses it once takes it from nobody, and who saw it still does
    where offer.listed = offer.any_listed
    group by offer.model_id
)
select
    known.model_id,
    known.base_model_id,
    case
        when known.came and coalesce(known.first_seen_at + (select activate_new_after from access.policy_setting) > now(), true) then 'new'
        else 'active'
    end as rule_status,
    coalesce(judged.is_free, false) as rule_free,
    coalesce(judged.is_pro, false) as rule_pro,
    coalesce(judged.is_enterprise, false) as rule_enterprise,
    coalesce(judged.why, '{}') as rule_why,
    known.gone,
    known.first_seen_at
from known
left join judged on judged.model_id = known.model_id
"""
COLUMNS = ("base_model_id", "rule_status", "rule_free", "rule_pro", "rule_enterprise", "rule_why", "gone", "first_seen_at")
_OURS, _THEIRS = (", ".join(f"{table}.{column}" for column in COLUMNS) for table in ("decision", "wanted"))
DIFFERS = f"""
select exists (select from decision__wanted as wanted left join access.decision as decision using (model_id)
               where decision.model_id is null or ({_OURS}) is distinct from ({_THEIRS}))
    or exists (select from access.decision as decision where ({{left}}))
"""
_WORD = ", ".join((*SAID, "decided_by", "decided_at", "decided_until"))
# What somebody said of a listing that was not resolved goes along when it becomes a model of which nobody knew.
WRITE = f"""
with heir as (
    select distinct on (1) link.model || case when link.variant <> '' then ':' || link.variant else '' end as model_id, {_WORD}
    from access.decision
    join history.listing as listing on listing.provider || ':?' || listing.listed_id = decision.model_id
    join history.link as link on link.key_id = listing.key_id and upper_inf(link.seen)
    where decision.decided_by is not null
      and not exists (select from decision__wanted as wanted where wanted.model_id = decision.model_id)
    order by 1, decision.said_status = 'disabled' desc nulls last, decision.model_id
)
insert into access.decision as decision (model_id, {", ".join(COLUMNS)}, {_WORD})
select wanted.model_id, {", ".join(COLUMNS)}, {_WORD} from decision__wanted as wanted left join heir on heir.model_id = wanted.model_id
on conflict (model_id) do update set ({", ".join(COLUMNS)}) = ({", ".join(f"excluded.{column}" for column in COLUMNS)})
where ({_OURS}) is distinct from ({", ".join(f"excluded.{column}" for column in COLUMNS)})
"""
# No listing is this model any more: its links were corrected. What somebody said of it is kept, for when they are corrected back.
UNLINKED = "not exists (select from decision__wanted as wanted where wanted.model_id = decision.model_id)"
FORGOTTEN = f"decision.decided_by is null and {UNLINKED}"
KEPT = f"decision.decided_by is not null and not decision.gone and {UNLINKED}"

EXPIRED = "decided_until <= now()"
END = f"update access.decision set ({_WORD}) = row({', '.join('null' for _ in _WORD.split(', '))}) where {EXPIRED}"


def decide(connection: Connection) -> int:
    """Bring access.decision up to the ledger and access.offer_access; returns how many decisions were written. No person's word is touched.

    In the transaction of `connection`. What is new and what is gone follow from the ledger alone, in whatever order it was loaded; each change
    is audited as the policy's.
    """
    if not is_due(connection):
        return 0
    with speaking(connection, BY_POLICY):
        return write_decisions(connection)


def is_due(connection: Connection, places: Callable[[str], str] = str) -> bool:
    """Find what the decisions should be; whether any differs. `places` says in a statement which tables are meant, where it is not these."""
    connection.execute(text("drop table if exists decision__wanted"))
    connection.execute(text(places(WANTED.replace("[:missed]", f"[{MISSED}]"))))
    connection.execute(text("analyze decision__wanted"))
    return bool(connection.execute(text(places(DIFFERS.format(left=f"{FORGOTTEN} or {KEPT}")))).scalar_one())


def write_decisions(connection: Connection, places: Callable[[str], str] = str) -> int:
    """Write what is_due found; how many decisions."""
    written = connection.execute(text(places(WRITE))).rowcount
    written += connection.execute(text(places(f"delete from access.decision as decision where {FORGOTTEN}"))).rowcount
    return written + connection.execute(text(places(f"update access.decision as decision set gone = true where {KEPT}"))).rowcount


def end_expired_words(connection: Connection) -> int:
    """Take away people's words that are past their end, audited as the clock's; returns how many. They count no more since then anyway."""
    if not connection.execute(text(f"select exists (select from access.decision where {EXPIRED})")).scalar_one():
        return 0
    with speaking(connection, BY_CLOCK, "its time is over"):
        return connection.execute(text(END)).rowcount
