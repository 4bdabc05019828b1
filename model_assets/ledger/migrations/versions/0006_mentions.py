"""Which models each mention names."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MENTION_LINK = """
create table history.mention_link (
    key_id bigint not null,
    number integer not null,
    digest bytea not null,
    source text not null,
    feed text not null,
    item text not null,
    model text,
    words text,
    place text check (place in ('title', 'text')),
    begins_at integer check (begins_at >= 0),
    candidates text[] not null,
    primary key (key_id, number),
    constraint words_have_a_place check ((words is null) = (place is null) and (words is null) = (begins_at is null)),
    constraint a_model_has_words check (model is null or (words is not null and candidates = '{}')),
    constraint many_candidates_are_no_model check (cardinality(candidates) <> 1)
);
create unique index mention_link_names_a_model_once on history.mention_link (model, key_id) where model is not null;
comment on table history.mention_link is
    'The models that the newest words of each mention name, from 0 on in the order of their first place; an item that names none has one row without'
    ' a model. Words that several models are called by have no model, and name them as candidates.';
"""


def upgrade() -> None:
    op.execute(MENTION_LINK)


def downgrade() -> None:
    op.execute("drop table history.mention_link cascade")
    op.execute("delete from ops.derived where name like 'history.mention_link%'")
