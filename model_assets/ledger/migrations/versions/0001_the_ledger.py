"""The ledger: raw payloads, the temporal tables, and the books about runs, verdicts and quarantine.

The relations of `catalog` and the views of `access` are not here: they are SQL models, made anew from `dbt_like_sql` after a migration.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

RAW = """
create schema raw;
create table raw.body (
    sha256 bytea primary key,
    bytes bigint not null,
    gzip bytea not null
);
alter table raw.body alter column gzip set storage external;
comment on table raw.body is 'Payloads exactly as they came, compressed; each once, by its SHA-256.';

create table raw.payload (
    source text not null,
    observed_at timestamptz not null,
    sha256 bytea not null references raw.body,
    url text not null,
    status smallint not null,
    headers jsonb not null,
    origin text not null check (origin in ('live', 'recording')),
    recorded_at timestamptz not null default now(),
    primary key (source, observed_at, sha256)
);
comment on table raw.payload is 'Observations: which source returned which bytes at which instant.';
"""

OPS = """
create table ops.source (
    source text primary key,
    ledger_version bigint not null default 0
);
comment on table ops.source is 'One row per source. ledger_version counts its merges; the row''s lock puts them in a line.';

create table ops.observation (
    source text not null,
    observed_at timestamptz not null,
    sha256 bytea not null,
    verdict text not null check (verdict in ('accepted', 'refused', 'replaced')),
    reasons jsonb not null default '[]',
    judged_at timestamptz not null default now(),
    decided_by text not null,
    listings integer not null,
    prices integer not null,
    rejected integer not null,
    price_values integer not null,
    unmapped jsonb not null default '{}',
    drift jsonb not null default '{}',
    oddities integer not null default 0,
    spoken bigint[] not null default '{}',
    primary key (source, observed_at, sha256),
    foreign key (source, observed_at, sha256) references raw.payload
);
create unique index one_accepted_payload_per_instant on ops.observation (source, observed_at) where verdict = 'accepted';
comment on table ops.observation is 'The gate''s verdict on every payload it judged. The ledger is a function of the accepted ones.';

comment on column ops.observation.spoken is 'Keys of which the payload speaks although ops.quarantine holds their whole entry or provider.';

create table ops.quarantine (
    source text not null,
    observed_at timestamptz not null,
    sha256 bytea not null,
    relation text not null check (relation in ('listing', 'price')),
    key_id bigint,
    provider text,
    listed_id text,
    reason text not null,
    original text not null,
    quarantined_at timestamptz not null default now(),
    foreign key (source, observed_at, sha256) references raw.payload on delete cascade
);
create index quarantine_by_observation on ops.quarantine (source, observed_at);
comment on table ops.quarantine is
    'Parts of payloads that broke the contract. With a key_id that one claim is in doubt; without, the whole entry (listing) or its prices.';

create table ops.sync_run (
    run_id bigint generated always as identity primary key,
    source text not null,
    day date not null,
    started_by text not null,
    dagster_run_id text,
    status text not null default 'running' check (status in ('running', 'succeeded', 'failed', 'refused', 'abandoned')),
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    observations integer not null default 0,
    listings integer not null default 0,
    prices integer not null default 0,
    added integer not null default 0,
    changed integer not null default 0,
    closed integer not null default 0,
    quarantined integer not null default 0,
    error_class text,
    message text,
    what_to_do text
);
create index sync_run_by_source on ops.sync_run (source, started_at desc);
create unique index one_running_sync_per_source_and_day on ops.sync_run (source, day) where status = 'running';
comment on table ops.sync_run is 'Every attempt to sync a source, failed ones too, each written in a transaction of its own.';

create table ops.sql_model (
    key text primary key,
    sha256 text not null,
    deployed_at timestamptz not null default now()
);
comment on table ops.sql_model is 'Which text of each SQL model is deployed, so that only a changed one is made anew.';
"""

LISTING_COLUMNS = """
    provider text not null,
    listed_id text not null,
    name text,
    author text,
    description text,
    family text,
    released_on date,
    released_on_precision text check (released_on_precision in ('year', 'month', 'day')),
    knowledge_cutoff date,
    knowledge_cutoff_precision text check (knowledge_cutoff_precision in ('year', 'month', 'day')),
    context_tokens bigint check (context_tokens > 0),
    max_input_tokens bigint check (max_input_tokens > 0),
    max_output_tokens bigint check (max_output_tokens > 0),
    input_modalities text[] not null,
    output_modalities text[] not null,
    capabilities text[] not null,
    open_weights boolean,
    license text,
    lifecycle text check (lifecycle in ('alpha', 'beta', 'stable', 'deprecated', 'retired')),
    retires_on date,
    replaced_by text,
    hugging_face_id text,
    canonical_hint text,
    docs_url text,
    extra jsonb not null
"""

# 'NaN'::numeric >= 0 is true in Postgres, hence the bound from above.
PRICE_COLUMNS = """
    provider text not null,
    listed_id text not null,
    meter text not null,
    service_tier text not null,
    prompt_above_tokens bigint not null check (prompt_above_tokens >= 0),
    time_window text not null,
    region text not null,
    detail text not null,
    currency text not null,
    effective_from timestamptz,
    state text not null check (state in ('paid', 'free', 'unknown', 'dynamic', 'included')),
    amount numeric,
    effective_to timestamptz check (effective_to > effective_from),
    constraint amount_fits_state check (
        case state when 'paid' then amount is not null and amount > 0 and amount < 'Infinity'
                   when 'free' then amount is not null and amount = 0
                   else amount is null end)
"""


def ledger_table(relation: str, columns: str) -> str:
    """A temporal table, and beside it, unlogged, what a change set would open there."""
    return f"""
create table history.{relation} (
    source text not null,
    key_id bigint not null,
    seen tstzrange not null check (not isempty(seen) and lower(seen) is not null and lower_inc(seen) and not upper_inc(seen)),
    digest bytea not null,
    {columns},
    constraint {relation}_claims_do_not_overlap exclude using gist (key_id with =, seen with &&)
);
create index {relation}_by_source_and_end on history.{relation} (source, upper(seen));
create unlogged table staged.{relation} (
    change_set_id bigint not null references staged.change_set on delete cascade,
    key_id bigint not null,
    digest bytea not null,
    {columns}
);
create index staged_{relation}_by_change_set on staged.{relation} (change_set_id);
"""


# the few claims with dates hide others of their key, which every question about prices has to look up
DATED = """
create index price_with_dates on history.price (source, provider, listed_id)
    where effective_from is not null or effective_to is not null;
"""

STAGED = """
create schema staged;
create unlogged table staged.change_set (
    change_set_id bigint generated always as identity primary key,
    source text not null,
    observed_at timestamptz not null,
    sha256 bytea not null,
    ledger_version bigint not null,
    staged_at timestamptz not null default now(),
    added integer not null,
    changed integer not null,
    closed integer not null,
    listings integer not null,
    prices integer not null,
    price_values integer not null,
    unmapped jsonb not null,
    drift jsonb not null,
    oddities integer not null,
    spoken bigint[] not null default '{}',
    unique (source, observed_at)
);
comment on table staged.change_set is 'What merging an observation would do to the ledger, and the version of the ledger it was compared with.';
create unlogged table staged.closing (
    change_set_id bigint not null references staged.change_set on delete cascade,
    relation text not null,
    key_id bigint not null
);
create index closing_by_change_set on staged.closing (change_set_id);
create unlogged table staged.reject (
    change_set_id bigint not null references staged.change_set on delete cascade,
    relation text not null,
    key_id bigint,
    provider text,
    listed_id text,
    reason text not null,
    original text not null
);
create index reject_by_change_set on staged.reject (change_set_id);
comment on table staged.reject is 'What the payload under audit says that breaks the contract; it goes to ops.quarantine with the verdict.';
comment on table staged.closing is 'Claims that end with an observation, changed ones included: their successors are in staged.listing and staged.price.';
"""

ACCESS = """
create schema access;
create table access.policy (
    tier text not null check (tier in ('free', 'pro', 'enterprise')),
    position integer not null,
    effect text not null check (effect in ('allow', 'deny')),
    providers text[],
    authors text[],
    ids text,
    states text[],
    lifecycles text[],
    max_input_usd_per_mtok numeric,
    max_output_usd_per_mtok numeric,
    note text,
    loaded_at timestamptz not null default now(),
    primary key (tier, position)
);
comment on table access.policy is 'The rules of the policy file. A tier with no allow rule may use nothing; a deny rule beats every allow rule.';
"""


def upgrade() -> None:
    op.execute("create extension if not exists btree_gist")
    op.execute(RAW)
    op.execute(OPS)
    op.execute(STAGED)
    op.execute("create schema history")
    op.execute(ledger_table("listing", LISTING_COLUMNS))
    op.execute(ledger_table("price", PRICE_COLUMNS))
    op.execute(DATED)
    op.execute("create schema catalog")
    op.execute(ACCESS)


def downgrade() -> None:
    op.execute("drop schema access, catalog, history, staged cascade")
    op.execute("drop table ops.sql_model, ops.sync_run, ops.quarantine, ops.observation, ops.source")
    op.execute("drop schema raw cascade")
