"""Links from listings to models, changes of prices that are held, what people said of both, and what was derived from what."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LINK = """
create table history.link (
    source text not null,
    provider text not null,
    listed_id text not null,
    key_id bigint not null,
    seen tstzrange not null check (not isempty(seen) and not upper_inc(seen)),
    model text,
    sold_by text not null,
    author text not null,
    snapshot text not null,
    alias text not null,
    variant text not null,
    build text not null,
    region text not null,
    derivative_of text not null,
    offer text not null,
    rule text not null,
    confidence numeric not null check (confidence between 0 and 1),
    evidence jsonb not null,
    suggestions text[] not null,
    constraint unresolved_has_no_model check (case when model is null then rule in ('unresolved', 'correction') else rule <> 'unresolved' end),
    constraint link_claims_do_not_overlap exclude using gist (key_id with =, seen with &&)
);
create index link_by_listing on history.link (source, provider, listed_id);
create index link_by_model on history.link (model);
create index link_by_offer on history.link (offer);
comment on table history.link is
    'Which model, snapshot, variant, build and region a listing is, and the time in which this was held to be so. The first link of a listing
reaches back without end: nothing else was ever believed of it.';

create table ops.identity_correction (
    correction_id bigint generated always as identity primary key,
    source text,
    provider text,
    listed_id text not null,
    model text,
    since timestamptz not null,
    why text not null,
    decided_by text not null,
    decided_at timestamptz not null default clock_timestamp(),
    undone_by text,
    undone_at timestamptz,
    undone_why text,
    check ((undone_at is null) = (undone_by is null))
);
comment on table ops.identity_correction is
    'A person''s word on which model a listing is (a null model: none that is known). A null source or provider: in all of them. It counts
from `since` on, until it is undone: then it never counted.';
"""

HELD = """
create table ops.held_change (
    held_id text primary key,
    source text not null,
    key_id bigint not null,
    digest bytea not null,
    changed_at timestamptz not null,
    provider text not null,
    listed_id text not null,
    meter text not null,
    service_tier text not null,
    prompt_above_tokens bigint not null,
    time_window text not null,
    region text not null,
    detail text not null,
    currency text not null,
    effective_from timestamptz,
    kind text not null check (kind in ('held', 'marked')),
    from_state text not null,
    from_amount numeric,
    to_state text not null,
    to_amount numeric,
    reasons jsonb not null,
    evidence jsonb not null,
    held tstzrange not null check (not isempty(held)),
    outcome text not null check (outcome in ('open', 'released', 'rejected', 'withdrawn')),
    ended_by text,
    ended_why text,
    unique (key_id, changed_at)
);
create index held_change_by_listing on ops.held_change (source, provider, listed_id);
comment on table ops.held_change is
    'Changes of prices that the gate doubted. held is knowledge time: until its end the last good value (from_) is served (kind held), or
the new one as unconfirmed (kind marked); only a release ends it. to_state gone: the price vanished. A function of the ledger, the links and
ops.held_verdict alone.';

create table ops.held_verdict (
    verdict_id bigint generated always as identity primary key,
    held_id text not null,
    source text not null,
    key_id bigint not null,
    digest bytea not null,
    changed_at timestamptz not null,
    verdict text not null check (verdict in ('release', 'reject')),
    why text not null,
    decided_by text not null,
    decided_at timestamptz not null default clock_timestamp()
);
comment on table ops.held_verdict is 'What people said of held changes. Append only; the last word on a change counts.';
"""

DERIVED = """
create table ops.derived (
    name text primary key,
    inputs text not null,
    derived_at timestamptz not null default now()
);
comment on table ops.derived is 'What the links and the holds were last derived from (versions of ledgers, rules and people''s words).';
"""

# a question about one model's prices reads a few listings of a few hundred thousand claims
BY_LISTING = "create index price_by_listing on history.price (listed_id, provider, source)"


def upgrade() -> None:
    op.execute(LINK)
    op.execute(HELD)
    op.execute(DERIVED)
    op.execute(BY_LISTING)


def downgrade() -> None:
    op.execute("drop index history.price_by_listing")
    # with the SQL models above them, which the next deployment makes anew
    op.execute("drop table ops.derived, ops.held_verdict, ops.held_change, ops.identity_correction, history.link cascade")
