"""The outbox of alerts: what is to be told, to which channel it was told, and how far the books and Dagster's log were read."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ALERT = """
create table ops.alert (
    alert_id bigint generated always as identity primary key,
    kind text not null,
    key text not null,
    severity text not null check (severity in ('error', 'warning', 'info')),
    title text not null,
    text text not null,
    what_to_do text not null,
    link text not null,
    source text,
    lasting boolean not null,
    happened_at timestamptz not null,
    raised_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    check (lasting or ended_at is null)
);
create unique index one_open_alert_per_key on ops.alert (key) where ended_at is null;
create index alert_by_time on ops.alert (raised_at);
comment on table ops.alert is
    'What people are told. key says what happened: while an alert is open there is no second one of its key. A lasting one (a check that
fails, a source that is late) ends when it is over; any other happened once and stays. link is a path in Dagster''s UI.';

create table ops.alert_delivery (
    alert_id bigint not null references ops.alert on delete cascade,
    channel text not null,
    attempts integer not null default 0,
    last_error text,
    next_try_at timestamptz not null default clock_timestamp(),
    delivered_at timestamptz,
    primary key (alert_id, channel)
);
create index alert_delivery_waiting on ops.alert_delivery (channel, next_try_at) where delivered_at is null;
comment on table ops.alert_delivery is
    'Each alert once for each channel, until it arrived there. channel is a one-way digest of its address, which holds secrets.';

create table ops.alert_watch (
    name text primary key,
    since timestamptz not null default clock_timestamp(),
    position text not null
);
insert into ops.alert_watch (name, position) values ('books', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'));
comment on table ops.alert_watch is 'How far the books (an instant) and each Dagster instance''s event log (an id) were read for alerts.';

create table ops.alert_told (
    what text primary key,
    told_at timestamptz not null default clock_timestamp()
);
comment on table ops.alert_told is 'Held changes and disputes that a digest has told.';
"""


def upgrade() -> None:
    op.execute(ALERT)


def downgrade() -> None:
    op.execute("drop table ops.alert_told, ops.alert_watch, ops.alert_delivery, ops.alert")
