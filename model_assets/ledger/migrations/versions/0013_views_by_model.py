"""The views of one model are found by an index; before Postgres 18 its page read all counts of all models."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create index view_count_by_model on access.view_count (model_id)")


def downgrade() -> None:
    op.execute("drop index access.view_count_by_model")
