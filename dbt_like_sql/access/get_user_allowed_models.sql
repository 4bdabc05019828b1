-- The models that a user may use now: get_user_allowed_models(user_id). The tier is that of access.profile; a user who is not known, or null, has
-- the tier free; an admin may use everything. By access.verdict, as access.can_user_use_model. Limits are requests, null: none.
-- Grain: one row per model, variant of a model, or unresolved offer.
create function access.get_user_allowed_models(user_id text)
returns table (
    model_id text,
    status text,
    is_free boolean,
    is_pro boolean,
    is_enterprise boolean,
    daily_limit bigint,
    monthly_limit bigint
)
language sql stable parallel safe
as $$
select model.model_id, model.status, model.is_free, model.is_pro, model.is_enterprise, model.daily_limit, model.monthly_limit
from {{ ref("access.model_access") }} as model
where access.verdict(
    coalesce((select profile.tier from {{ ref("access.profile") }} as profile where profile.user_id = $1), 'free'),
    model.status, model.is_free, model.is_pro, model.is_enterprise
) is null
$$
