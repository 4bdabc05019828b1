"""Who may use what: users, decisions about models, and the audit of every change of them."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

#: table -> what its rows are called in the audit, their key, and the column that names what a row is about (null: the kind itself)
AUDITED = {
    "access.decision": ("decision", "model_id", "model_id"),
    "access.profile": ("profile", "user_id", "user_id"),
    "access.policy_setting": ("policy", "one", None),
    "ops.held_verdict": ("held_verdict", "verdict_id", "held_id"),
    "ops.identity_correction": ("identity_correction", "correction_id", "listed_id"),
}
#: event -> the tables in which a statement trigger finds the rows
EVENTS = {
    "insert": "new table as new_rows",
    "update": "old table as old_rows new table as new_rows",
    "delete": "old table as old_rows",
}

PROFILE = """
create table access.profile (
    user_id text primary key,
    tier text not null default 'free' check (tier in ('free', 'pro', 'enterprise', 'admin')),
    default_model text,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now()
);
comment on table access.profile is 'The users that are known, and the tier of each. Who is not in here has the tier free.';
"""

POLICY = """
alter table access.policy add column licences text[], add column licence_classes text[], add column modalities text[];

create table access.policy_setting (
    one boolean primary key default true check (one),
    activate_new_after interval,
    rules jsonb not null
);
comment on table access.policy_setting is
    'What the policy file says besides rules: after how long a new model is admitted without a person (null: never). And its rules as one value.';
insert into access.policy_setting (rules)
select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(rule) - 'loaded_at') order by rule.position), '[]') from access.policy as rule;
"""

DECISION = """
create table access.decision (
    model_id text primary key,
    base_model_id text,
    rule_status text not null check (rule_status in ('new', 'active')),
    rule_free boolean not null,
    rule_pro boolean not null,
    rule_enterprise boolean not null,
    rule_why jsonb not null,
    said_status text check (said_status in ('new', 'active', 'disabled')),
    said_free boolean,
    said_pro boolean,
    said_enterprise boolean,
    daily_limit bigint check (daily_limit >= 0),
    monthly_limit bigint check (monthly_limit >= 0),
    note text,
    decided_by text,
    decided_at timestamptz,
    decided_until timestamptz,
    gone boolean not null,
    first_seen_at timestamptz not null,
    version bigint not null default 1,
    constraint a_word_has_somebody_who_said_it check (
        (decided_by is null) = (decided_at is null)
        and (decided_by is not null
             or (decided_until is null and coalesce(said_status, note) is null and coalesce(daily_limit, monthly_limit) is null
                 and coalesce(said_free, said_pro, said_enterprise) is null)))
);
create index decision_with_an_end on access.decision (decided_until) where decided_until is not null;
comment on table access.decision is
    'One decision per model that is or was sold. rule_ is what the policy says, said_ a person''s word, which no sync touches (null: as the policy says).'
    ' Limits are requests per day and per month, null: none. gone: no source lists it any more. See access.model_access.';

create function access.count_version() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    new.version := old.version;
    if new is distinct from old then
        new.version := old.version + 1;
    end if;
    return new;
end
$$;
create trigger count_version before update on access.decision for each row execute function access.count_version();

create function access.note_change() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    new.changed_at := old.changed_at;
    if new is distinct from old then
        new.changed_at := now();
    end if;
    return new;
end
$$;
create trigger note_change before update on access.profile for each row execute function access.note_change();

create function access.verdict(tier text, status text, is_free boolean, is_pro boolean, is_enterprise boolean) returns text
language sql immutable parallel safe
return case
    when tier = 'admin' then null
    when status = 'new' then 'it is new and was not admitted yet'
    when status = 'disabled' then 'it is disabled'
    when status = 'inactive' then 'no source lists it any more'
    when status is distinct from 'active' then 'it is not known'
    when coalesce(case tier when 'free' then is_free when 'pro' then is_pro when 'enterprise' then is_enterprise end, false) then null
    else 'the tier ' || coalesce(tier, 'null') || ' may not use it'
end;
comment on function access.verdict is
    'Why a tier may not use a model, in words; null: it may. The one rule that both lists and checks go by. An admin may use everything.';
"""

AUDIT = """
create table access.audit (
    audit_id bigint primary key,
    at timestamptz not null,
    actor text not null,
    action text not null check (action in ('insert', 'update', 'delete')),
    subject_kind text not null,
    subject text not null,
    before jsonb,
    after jsonb,
    why text,
    request_id text,
    previous bytea not null,
    hash bytea not null
);
create index audit_by_subject on access.audit (subject, subject_kind, audit_id);
comment on table access.audit is
    'Every change of a decision, a profile, the policy, a verdict on a held change and a correction of an identity, written by the database itself in'
    ' the transaction of the change. before and after hold the columns that changed. Nobody updates or deletes: each hash is made of its row and the'
    ' hash before.';

create table access.audit_head (
    one boolean primary key default true check (one),
    audit_id bigint not null,
    hash bytea not null
);
comment on table access.audit_head is 'The last row of access.audit and its hash, by which a cut end is found. Its lock puts writers in a line.';
insert into access.audit_head (audit_id, hash) values (0, '');

create function access.audit_hash(entry access.audit) returns bytea language sql stable as $$
    select sha256(entry.previous || convert_to(jsonb_build_array(
        entry.audit_id, to_char(entry.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), entry.actor, entry.action, entry.subject_kind,
        entry.subject, entry.before, entry.after, entry.why, entry.request_id)::text, 'UTF8'))
$$;

create function access.append_audit(kind text, action text, subjects text[], befores jsonb[], afters jsonb[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    last access.audit_head;
    entry access.audit;
    changed record;
begin
    if coalesce(cardinality(subjects), 0) = 0 then
        return;
    end if;
    select * into strict last from access.audit_head for update;
    entry.actor := coalesce(nullif(current_setting('model_assets.actor', true), ''), session_user);
    entry.why := nullif(current_setting('model_assets.why', true), '');
    entry.request_id := nullif(current_setting('model_assets.request_id', true), '');
    entry.action := action;
    entry.subject_kind := kind;
    for changed in select subject, before, after from unnest(subjects, befores, afters) as row (subject, before, after) loop
        entry.audit_id := last.audit_id + 1;
        entry.at := clock_timestamp();
        entry.subject := changed.subject;
        entry.before := changed.before;
        entry.after := changed.after;
        entry.previous := last.hash;
        entry.hash := access.audit_hash(entry);
        insert into access.audit select entry.*;
        last.audit_id := entry.audit_id;
        last.hash := entry.hash;
    end loop;
    update access.audit_head set audit_id = last.audit_id, hash = last.hash;
end
$$;
revoke execute on function access.append_audit from public;

create function access.hold_audit() returns void language sql security definer set search_path = pg_catalog, pg_temp as $$
    select from access.audit_head for update
$$;
revoke execute on function access.hold_audit from public;
comment on function access.hold_audit is 'Waits until no other transaction writes to the audit, and keeps others waiting until this one ends.';

create function access.keep_audit() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
    kind constant text := tg_argv[0];
    key constant text := tg_argv[1];
    about constant text := tg_argv[2];
    subjects text[];
    befores jsonb[];
    afters jsonb[];
begin
    if tg_op = 'INSERT' then
        select array_agg(coalesce(come.one ->> about, kind) order by come.one ->> key), array_agg(null::jsonb),
               array_agg(jsonb_strip_nulls(come.one) order by come.one ->> key)
        into subjects, befores, afters
        from (select to_jsonb(new_rows) as one from new_rows) as come;
    elsif tg_op = 'DELETE' then
        select array_agg(coalesce(went.one ->> about, kind) order by went.one ->> key), array_agg(jsonb_strip_nulls(went.one) order by went.one ->> key),
               array_agg(null::jsonb)
        into subjects, befores, afters
        from (select to_jsonb(old_rows) as one from old_rows) as went;
    else
        select array_agg(changed.subject order by changed.key), array_agg(changed.before order by changed.key),
               array_agg(changed.after order by changed.key)
        into subjects, befores, afters
        from (
            select coalesce(come.one ->> key, went.one ->> key) as key, coalesce(come.one ->> about, went.one ->> about, kind) as subject,
                   differing.before, differing.after
            from (select to_jsonb(old_rows) as one from old_rows) as went
            full join (select to_jsonb(new_rows) as one from new_rows) as come on come.one ->> key = went.one ->> key
            cross join lateral (
                select jsonb_object_agg(name, went.one -> name) as before, jsonb_object_agg(name, come.one -> name) as after
                from jsonb_object_keys(coalesce(come.one, went.one)) as name
                where come.one -> name is distinct from went.one -> name
            ) as differing
            where differing.before is not null
        ) as changed;
    end if;
    perform access.append_audit(kind, lower(tg_op), subjects, befores, afters);
    return null;
end
$$;

create function access.refuse_writing() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise exception '%.% keeps every row as it is: % is refused. What is wrong is put right by a later row.', tg_table_schema, tg_table_name, tg_op
        using errcode = 'insufficient_privilege';
end
$$;
create trigger append_only before update or delete or truncate on access.audit for each statement execute function access.refuse_writing();
create trigger every_row_is_audited before truncate on access.decision for each statement execute function access.refuse_writing();
create trigger every_row_is_audited before truncate on access.profile for each statement execute function access.refuse_writing();

create function access.audit_breaks() returns table (audit_id bigint, what text) language sql stable set search_path = pg_catalog, pg_temp as $$
    with follows as (
        select entry, coalesce(lag(entry.audit_id) over up, 0) as before_id, coalesce(lag(entry.hash) over up, '') as before_hash
        from access.audit as entry
        window up as (order by entry.audit_id)
    ),
    broken as (
        select (entry).audit_id, case
            when (entry).audit_id <> before_id + 1 then ((entry).audit_id - before_id - 1) || ' rows before it are missing'
            when (entry).previous <> before_hash then 'it does not follow from the row before it'
            when (entry).hash <> access.audit_hash(entry) then 'it was edited'
        end as what
        from follows
    )
    select broken.audit_id, broken.what from broken where broken.what is not null
    union all
    select head.audit_id, case
        when coalesce(last.audit_id, 0) < head.audit_id then (head.audit_id - coalesce(last.audit_id, 0)) || ' rows at the end are missing'
        when coalesce(last.audit_id, 0) > head.audit_id then (last.audit_id - head.audit_id) || ' rows at the end were not written by the database'
        else 'the last row is not the one that was written'
    end
    from access.audit_head as head
    left join lateral (select entry.audit_id, entry.hash from access.audit as entry order by entry.audit_id desc limit 1) as last on true
    where (coalesce(last.audit_id, 0), coalesce(last.hash, '')) is distinct from (head.audit_id, head.hash)
    order by 1
$$;
comment on function access.audit_breaks is
    'Where the chain of access.audit is broken, and how: rows that are missing, edited, or cut from its end. No row: it is whole.';
"""

# which models an id of any source may stand for is asked with every check of a user
LISTED = """
create index link_by_listed_id on history.link (listed_id) where upper_inf(seen);
create index link_by_provider_and_listed_id on history.link ((provider || '/' || listed_id)) where upper_inf(seen);
"""

INBOX = """
create table ops.inbox (
    inbox_id bigint generated always as identity primary key,
    source text not null,
    body text not null,
    models integer not null,
    received_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
    received_from text not null default session_user,
    status text not null default 'queued' check (status in ('queued', 'loaded', 'refused')),
    message text,
    ended_at timestamptz
);
create index inbox_in_line on ops.inbox (inbox_id) where status = 'queued';
comment on table ops.inbox is 'Payloads that were handed over in SQL, until they are loaded like any other: as observations of the instant at which they came.';
"""


def upgrade() -> None:
    for statements in (PROFILE, POLICY, DECISION, AUDIT, LISTED, INBOX):
        op.execute(statements)
    for table, named in AUDITED.items():
        arguments = ", ".join(f"'{one}'" for one in named if one)
        for event, rows in EVENTS.items():
            op.execute(
                f"create trigger keep_audit_of_{event} after {event} on {table} referencing {rows}"
                f" for each statement execute function access.keep_audit({arguments})"
            )


def downgrade() -> None:
    # with the SQL models above them, which the next deployment makes anew
    op.execute("drop table ops.inbox, access.decision, access.profile, access.policy_setting cascade")
    op.execute("drop index history.link_by_listed_id, history.link_by_provider_and_listed_id")
    op.execute("drop function access.keep_audit, access.append_audit, access.hold_audit, access.audit_breaks, access.verdict cascade")
    op.execute("drop function access.audit_hash, access.count_version, access.note_change")
    op.execute("drop table access.audit, access.audit_head")
    op.execute("drop function access.refuse_writing")
    op.execute(
        "alter table access.policy drop column licences cascade, drop column licence_classes cascade, drop column modalities cascade"
    )
