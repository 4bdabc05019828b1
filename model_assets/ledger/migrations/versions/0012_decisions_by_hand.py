"""Decisions that are written by hand are followed too; and the database has a key of its own, which is nobody's guess."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# Who says words through the project publishes what follows from them in the same transaction (see access.audit.speaking), and leaves no mark:
# it would have the whole published once more, for nothing.
BY_HAND = """
create trigger moved after insert or update or delete on access.decision for each statement
when (coalesce(current_setting('model_assets.publishes', true), '') <> 'on')
execute function ops.mark_moved()
"""

# the server's random numbers are strong, and make ids of 122 of their bits
OWN_KEY = """
create table ops.own_key (
    one boolean primary key default true check (one),
    key bytea not null check (length(key) >= 32)
);
comment on table ops.own_key is
    'A key of this database''s own, random, made here once, for what nobody should guess: it signs cursors of lists where the API has no secret of its own,'
    ' and makes ids of users that others may see. In no role''s hands but the owner''s.';
insert into ops.own_key (key) values (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
"""


def upgrade() -> None:
    op.execute(BY_HAND)
    op.execute(OWN_KEY)


def downgrade() -> None:
    op.execute("drop table ops.own_key")
    op.execute("drop trigger moved on access.decision")
