"""What is published, by number; and the mark that something moved since."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

#: what the tables among the SQL models follow from
MOVING = (
    "history.listing", "history.price", "history.score", "history.mention", "history.link", "history.score_link", "history.mention_link",
    "ops.held_change", "ops.observation", "access.policy", "access.policy_setting",
)  # fmt: skip

PUBLISHED = """
create table catalog.published (
    one boolean primary key default true check (one),
    version bigint not null,
    published_at timestamptz not null
);
comment on table catalog.published is
    'The number of what is published: whatever is read from the tables of catalog and access stays the same as long as it does.';
insert into catalog.published (version, published_at) values (0, now());

create table ops.move (
    move_id bigint generated always as identity primary key,
    relation text not null
);
comment on table ops.move is
    'What was written since the tables were published last. Publishing takes out those marks whose writing it can see: a mark that is committed later stays.';

create function ops.mark_moved() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
begin
    insert into ops.move (relation) values (tg_table_schema || '.' || tg_table_name);
    return null;
end
$$;
"""


def upgrade() -> None:
    op.execute(PUBLISHED)
    for relation in MOVING:
        op.execute(
            f"create trigger moved after insert or update or delete or truncate on {relation} for each statement execute function ops.mark_moved()"
        )
    # an older version filled what is there: it is published as soon as somebody asks
    op.execute("insert into ops.move (relation) values ('migration')")


def downgrade() -> None:
    for relation in MOVING:
        op.execute(f"drop trigger moved on {relation}")
    op.execute("drop function ops.mark_moved()")
    op.execute("drop table ops.move, catalog.published")
