"""What users do with models: follow them, look at them, and add versions of weights to them."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

FOLLOW = """
create table access.follow (
    user_id text not null,
    model_id text not null,
    followed_at timestamptz not null default now(),
    primary key (user_id, model_id)
);
create index follow_by_model on access.follow (model_id, followed_at);
comment on table access.follow is 'Which user follows which model, by its id in catalog.model_card. Only the user reads their own rows.';

create table access.view_count (
    day date not null,
    model_id text not null,
    views bigint not null check (views > 0),
    primary key (day, model_id)
);
comment on table access.view_count is
    'How often the page of a model was read, by UTC day. Counted in the memory of each API process and added here every few seconds.';
"""

USER_VERSION = """
create table access.user_version (
    version_id bigint generated always as identity primary key,
    hugging_face_id text not null,
    version text not null,
    changelog text,
    url text not null check (url like 'https://%'),
    sha256 text check (sha256 ~ '^[0-9a-f]{64}$'),
    status text not null default 'pending' check (status in ('unsupported', 'pending', 'supported')),
    user_id text not null,
    created_at timestamptz not null default now(),
    constraint a_user_names_a_version_once unique (hugging_face_id, user_id, version)
);
comment on table access.user_version is
    'Versions of weights that users added to a repository that was read from Hugging Face. url is what the user said, and was not looked at. An admin sets'
    ' the status. Changes of it and deletions are in access.audit.';
"""
# repositories are asked for one by one; the claims of other sources are not in it, and cost nothing more to write
BY_REPOSITORY = "create index listing_of_repository on history.listing (listed_id) where source = 'huggingface'"
#: adding is told by the row itself; what changes or takes away a row is audited
AUDITED = {"update": "old table as old_rows new table as new_rows", "delete": "old table as old_rows"}


def upgrade() -> None:
    op.execute(FOLLOW)
    op.execute(USER_VERSION)
    op.execute(BY_REPOSITORY)
    for event, rows in AUDITED.items():
        op.execute(
            f"create trigger keep_audit_of_{event} after {event} on access.user_version referencing {rows}"
            " for each statement execute function access.keep_audit('user_version', 'version_id', 'hugging_face_id')"
        )


def downgrade() -> None:
    op.execute("drop index history.listing_of_repository")
    op.execute("drop table access.user_version, access.view_count, access.follow")
