"""Syncs that somebody asked for over HTTP: a row each, and one beside it for every source of it."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

REQUESTS = """
create table ops.sync_request (
    request_id uuid primary key default gen_random_uuid(),
    asked_at timestamptz not null default clock_timestamp(),
    asked_by text not null,
    via text not null,
    dry_run boolean not null
);
create index sync_request_by_time on ops.sync_request (asked_at desc);
comment on table ops.sync_request is 'Syncs asked for over HTTP: by whom, when, under which address. A dry run writes nothing to the ledger.';

create table ops.sync_request_source (
    request_id uuid not null references ops.sync_request on delete cascade,
    source text not null,
    status text not null default 'queued' check (status in ('queued', 'running', 'completed', 'failed', 'refused')),
    dagster_run_id text,
    run_id bigint,
    started_at timestamptz,
    finished_at timestamptz,
    message text,
    result jsonb not null default '{}',
    primary key (request_id, source),
    check ((status in ('queued', 'running')) = (finished_at is null))
);
create unique index one_open_request_per_source on ops.sync_request_source (source) where status in ('queued', 'running');
create index sync_request_source_by_source on ops.sync_request_source (source);
comment on table ops.sync_request_source is
    'What became of each source of a request: queued until Dagster has a run for it, running until that ends. run_id is the attempt in ops.sync_run.';
"""


def upgrade() -> None:
    op.execute(REQUESTS)


def downgrade() -> None:
    op.execute("drop table ops.sync_request_source, ops.sync_request")
