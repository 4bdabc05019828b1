"""Of which keys a payload speaks although their whole entry is in doubt, so that an earlier day loaded later does not run over them."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UP = """
alter table ops.observation add column spoken bigint[] not null default '{}';
alter table staged.change_set add column spoken bigint[] not null default '{}';
comment on column ops.observation.spoken is 'Keys of which the payload speaks although ops.quarantine holds their whole entry or provider.';
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("alter table ops.observation drop column spoken; alter table staged.change_set drop column spoken")
