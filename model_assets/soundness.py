"""What must hold of the database whatever happened to it. `verify-db` asks it, and so do the tests after every fault."""

from sqlalchemy import Connection, text

from model_assets.ledger.claims import RELATIONS

CLAIMS: dict[str, str] = {
    "no two claims of one key overlap": """
        select format('%s %s/%s', a.source, a.{collection}, a.{entry}) from history.{relation} a
        join history.{relation} b on a.key_id = b.key_id and a.seen && b.seen and a.ctid < b.ctid limit 5""",
    "every claim starts with an accepted observation": """
        select format('%s %s/%s at %s', h.source, h.{collection}, h.{entry}, lower(h.seen)) from history.{relation} h
        left join ops.observation o on o.source = h.source and o.observed_at = lower(h.seen) and o.verdict = 'accepted'
        where o.source is null limit 5""",
    "every claim that ended ended with an accepted observation": """
        select format('%s %s/%s at %s', h.source, h.{collection}, h.{entry}, upper(h.seen)) from history.{relation} h
        left join ops.observation o on o.source = h.source and o.observed_at = upper(h.seen) and o.verdict = 'accepted'
        where upper(h.seen) is not null and o.source is null limit 5""",
    "neighbouring claims of one key say different things": """
        select format('%s %s/%s at %s', a.source, a.{collection}, a.{entry}, upper(a.seen)) from history.{relation} a
        join history.{relation} b on a.key_id = b.key_id and upper(a.seen) = lower(b.seen) and a.digest = b.digest limit 5""",
}
BOOKS: dict[str, str] = {
    "every price is null, zero where free, and above zero and finite where paid": """
        select format('%s %s/%s %s', source, provider, listed_id, amount) from history.price
        where not (case state when 'paid' then amount > 0 and amount < 'Infinity' when 'free' then amount = 0 else amount is null end)
           or (state in ('paid', 'free') and amount is null) limit 5""",
    "no two links of one listing overlap": """
        select format('%s %s/%s', a.source, a.provider, a.listed_id) from history.link a
        join history.link b on a.key_id = b.key_id and a.seen && b.seen and a.ctid < b.ctid limit 5""",
    "no served prices of one offer and condition overlap": """
        select format('%s %s', a.offer, a.meter) from catalog.price_span a join catalog.price_span b
        on a.offer = b.offer and a.meter = b.meter and a.service_tier = b.service_tier and a.prompt_above_tokens = b.prompt_above_tokens
        and a.time_window is not distinct from b.time_window and a.region is not distinct from b.region
        and a.detail is not distinct from b.detail and a.currency = b.currency and a.ctid < b.ctid and a.served_in && b.served_in limit 5""",
    "every held change is one that the ledger holds": """
        select format('%s %s/%s %s', d.source, d.provider, d.listed_id, d.held_id) from ops.held_change d
        left join history.price p on p.key_id = d.key_id and (lower(p.seen) = d.changed_at or d.to_state = 'gone' and upper(p.seen) = d.changed_at)
        where p.key_id is null or d.to_state <> 'gone' and (p.state <> d.to_state or p.amount is distinct from d.to_amount) limit 5""",
    "every accepted observation has its payload": """
        select format('%s %s', source, observed_at) from ops.observation
        left join (raw.payload join raw.body using (sha256)) using (source, observed_at, sha256) where bytes is null limit 5""",
    "at most one sync runs per source and day": """
        select format('%s %s', source, day) from ops.sync_run where status = 'running' group by source, day having count(*) > 1 limit 5""",
    "no session is idle in a transaction for over a minute": """
        select format('process %s (%s)', pid, application_name) from pg_stat_activity
        where datname = current_database() and state like 'idle in transaction%' and state_change < now() - interval '1 minute' limit 5""",
}


def unsound(connection: Connection) -> dict[str, list[str]]:
    """claim -> what breaks it (at most five examples); the list is empty where the claim holds."""
    found = {}
    for claim, query in CLAIMS.items():
        found[claim] = [
            f"history.{relation.name}: {example}"
            for relation in RELATIONS
            for example in connection.execute(
                text(query.format(relation=relation.name, collection=relation.entry[0], entry=relation.entry[1]))
            ).scalars()
        ]
    for claim, query in BOOKS.items():
        found[claim] = list(connection.execute(text(query)).scalars())
    return found
