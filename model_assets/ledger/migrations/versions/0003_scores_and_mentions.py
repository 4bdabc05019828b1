"""What the ledger keeps besides listings and prices: scores in benchmarks, mentions; and, apart from it, what changes on every look."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCORE_COLUMNS = """
    benchmark text not null,
    model text not null,
    version text not null,
    split text not null,
    metric text not null,
    harness text not null,
    effort text not null,
    variant text not null,
    runner text not null,
    run text not null,
    value numeric not null check (value > '-Infinity' and value < 'Infinity'),
    unit text not null,
    lower numeric check (lower > '-Infinity' and lower < 'Infinity'),
    upper numeric check (upper > '-Infinity' and upper < 'Infinity'),
    measured_on date,
    measured_on_precision text check (measured_on_precision in ('year', 'month', 'day')),
    url text,
    extra jsonb not null
"""

MENTION_COLUMNS = """
    feed text not null,
    item text not null,
    kind text not null check (kind in ('news', 'discussion', 'job')),
    title text,
    url text,
    author text,
    published_at timestamptz,
    text text,
    extra jsonb not null
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


POPULARITY_COLUMNS = """
    collection text not null,
    entry text not null,
    downloads bigint,
    likes bigint,
    points bigint,
    comments bigint
"""

POPULARITY = f"""
create table ops.popularity (
    source text not null,
    observed_at timestamptz not null,
    {POPULARITY_COLUMNS},
    primary key (source, collection, entry)
);
comment on table ops.popularity is
    'Downloads, likes, points and comments as the newest accepted observation of a source counted them: no claims, since every look differs.';
create unlogged table staged.popularity (
    change_set_id bigint not null references staged.change_set on delete cascade,
    {POPULARITY_COLUMNS}
);
create index staged_popularity_by_change_set on staged.popularity (change_set_id);
"""

COUNTS = """
alter table ops.observation add column scores integer not null default 0, add column mentions integer not null default 0;
alter table staged.change_set add column scores integer not null default 0, add column mentions integer not null default 0;
alter table ops.sync_run add column scores integer not null default 0, add column mentions integer not null default 0;
alter table ops.quarantine drop constraint quarantine_relation_check;
alter table ops.quarantine add constraint quarantine_relation_check check (relation in ('listing', 'price', 'score', 'mention'));
comment on column ops.quarantine.provider is 'The entry: provider and listed_id; for a score benchmark and model, for a mention feed and item.';
"""


def upgrade() -> None:
    op.execute(ledger_table("score", SCORE_COLUMNS))
    op.execute("create index score_by_model on history.score (benchmark, model)")
    op.execute(ledger_table("mention", MENTION_COLUMNS))
    op.execute(POPULARITY)
    op.execute(COUNTS)


def downgrade() -> None:
    op.execute("alter table ops.quarantine drop constraint quarantine_relation_check")
    op.execute("delete from ops.quarantine where relation not in ('listing', 'price')")
    op.execute("alter table ops.quarantine add constraint quarantine_relation_check check (relation in ('listing', 'price'))")
    op.execute("comment on column ops.quarantine.provider is null")
    for table in ("ops.observation", "staged.change_set", "ops.sync_run"):
        op.execute(f"alter table {table} drop column scores cascade, drop column mentions cascade")
    op.execute("drop table history.score, history.mention, ops.popularity, staged.score, staged.mention, staged.popularity cascade")
