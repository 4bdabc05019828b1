"""Which model each name is that a benchmark spells."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCORE_LINK = """
create table history.score_link (
    source text not null,
    spelled text not null,
    model text,
    author text not null,
    snapshot text not null,
    alias text not null,
    variant text not null,
    build text not null,
    derivative_of text not null,
    rule text not null,
    confidence numeric not null check (confidence between 0 and 1),
    evidence jsonb not null,
    suggestions text[] not null,
    primary key (source, spelled),
    constraint unresolved_has_no_model check (case when model is null then rule in ('unresolved', 'correction') else rule <> 'unresolved' end)
);
create index score_link_by_model on history.score_link (model);
comment on table history.score_link is
    'Which model a name is that a source of scores spells, by the rules that resolve listings; one that cannot be resolved says why.';
"""


def upgrade() -> None:
    op.execute(SCORE_LINK)


def downgrade() -> None:
    op.execute("drop table history.score_link cascade")
