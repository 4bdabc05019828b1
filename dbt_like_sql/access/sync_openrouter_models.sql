-- Hands over what OpenRouter lists, for those who call it in SQL: sync_openrouter_models(models), the array `data` of its answer or the whole of
-- it. Nothing is merged here: the payload is put into ops.inbox, and loaded like any other within half a minute where Dagster's daemon runs,
-- else by `model-assets access inbox`: parsed, checked, held against the ledger, and refused where it lists far fewer models than before.
-- A list without models, or with one that has no id or the id of another, is refused at once. Grain: exactly one row.
create function access.sync_openrouter_models(models jsonb)
returns table (
    inbox_id bigint,
    models_count integer,
    status text
)
language plpgsql
as $$
#variable_conflict use_column
declare
    listed constant jsonb := case when jsonb_typeof($1) = 'object' then $1 -> 'data' else $1 end;
    wrong text;
begin
    if listed is null or jsonb_typeof(listed) <> 'array' or jsonb_array_length(listed) = 0 then
        raise exception 'a list of models is expected, or an object with such a list as its data, and % was found. Nothing was handed over.',
            case when listed is null then coalesce('a ' || jsonb_typeof($1) || ' without data', 'null') when listed = '[]' then 'an empty list'
                 else 'a ' || jsonb_typeof(listed) end
            using errcode = 'invalid_parameter_value';
    end if;
    select 'model ' || each.place || case
        when jsonb_typeof(each.model -> 'id') is distinct from 'string' or each.model ->> 'id' = '' then ' has no id'
        when jsonb_typeof(each.model -> 'pricing') is distinct from 'object' then ' (' || (each.model ->> 'id') || ') has no pricing'
        else ' (' || (each.model ->> 'id') || ') is listed twice'
    end
    into wrong
    from (
        select one.model, one.place, row_number() over (partition by one.model ->> 'id' order by one.place) as time
        from jsonb_array_elements(listed) with ordinality as one (model, place)
    ) as each
    where jsonb_typeof(each.model -> 'id') is distinct from 'string'
        or each.model ->> 'id' = ''
        or jsonb_typeof(each.model -> 'pricing') is distinct from 'object'
        or each.time > 1
    order by each.place
    limit 1;
    if wrong is not null then
        raise exception '%. Nothing was handed over.', wrong using errcode = 'invalid_parameter_value';
    end if;
    return query
    insert into ops.inbox (source, body, models)
    values ('openrouter', jsonb_build_object('data', listed)::text, jsonb_array_length(listed))
    returning inbox.inbox_id, inbox.models, inbox.status;
    perform pg_notify('model_assets_inbox', 'openrouter');
end
$$
