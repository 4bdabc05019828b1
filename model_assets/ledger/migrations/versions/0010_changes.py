"""What changed, in an order that stays; and who is told of it over webhooks."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

CHANGE = """
create table catalog.change (
    change_id bigint primary key,
    id uuid not null unique default gen_random_uuid(),
    key uuid not null,
    type text not null,
    at timestamptz not null,
    recorded_at timestamptz not null default now(),
    model_id text not null,
    model text,
    offer text,
    provider text,
    condition jsonb not null,
    before jsonb,
    after jsonb,
    source text,
    withdraws bigint references catalog.change,
    withdrawn boolean not null default false,
    check ((type = 'withdrawn') = (withdraws is not null))
);
create unique index one_standing_change_per_key on catalog.change (key) where not withdrawn and withdraws is null;
create index change_by_model on catalog.change (model_id, change_id);
create index change_by_time on catalog.change (at);
comment on table catalog.change is
    'What changed in what is published, in the order in which it was recorded: rows are added at the end, in gapless numbers, and say the same for ever.'
    ' at is when it was so. A change that the ledger does not tell any more, since an older day was loaded or an id is read otherwise, is taken back'
    ' by a later row that withdraws it. id is what the world sees: numbers would tell how much is hidden.';

create table catalog.change_begin (
    one boolean primary key default true check (one),
    since timestamptz not null
);
create table catalog.change_access (
    model_id text primary key,
    tiers text[] not null
);
comment on table catalog.change_access is 'Which tiers could use each model when changes were recorded last: who may use it since is told so.';

comment on table catalog.change_begin is 'From when on changes are recorded, where the ledger that was there first held more of them than are told.';
"""

WEBHOOK = """
create table ops.webhook (
    webhook_id uuid primary key default gen_random_uuid(),
    user_id text not null,
    url text not null,
    types text[],
    created_at timestamptz not null default now(),
    active boolean not null default true,
    ended_because text,
    position bigint not null,
    replays integer not null default 0,
    batch_until bigint,
    attempts integer not null default 0,
    failing_since timestamptz,
    next_try_at timestamptz not null default now(),
    last_status integer,
    last_error text,
    last_delivered_at timestamptz,
    check (active = (ended_because is null)),
    check ((attempts = 0) = (failing_since is null))
);
create index webhook_by_user on ops.webhook (user_id);
create index webhook_due on ops.webhook (next_try_at) where active;
comment on table ops.webhook is
    'Who is told of changes, at which address, and how far: position is the last change they have. batch_until: up to where the message goes that is'
    ' being tried.';

create table ops.webhook_secret (
    webhook_id uuid primary key references ops.webhook on delete cascade,
    secret bytea not null
);
comment on table ops.webhook_secret is
    'What signs the messages to each webhook. Apart from ops.webhook: a row that breaks a rule is written into the server''s log as it is.';
"""


def upgrade() -> None:
    op.execute(CHANGE)
    op.execute(WEBHOOK)
    # what an older version published is told as well, though nothing moved since
    op.execute("insert into ops.move (relation) values ('migration')")


def downgrade() -> None:
    op.execute("drop table ops.webhook_secret, ops.webhook, catalog.change, catalog.change_begin, catalog.change_access cascade")
