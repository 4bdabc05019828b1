-- Whether a user may use a model, and if not, why: can_user_use_model(user_id, model_id, provider). The id is a canonical one, with its variant
-- where it has one, or any under which a source lists it; where it stands for several models, the one that a provider lists in a feed of its
-- own, else the answer is no. With a provider what it sells counts, by the price it asks; without one, it is enough that somebody sells it on
-- terms that the tier may use. By access.verdict, as access.get_user_allowed_models. Limits are requests, null: none. Grain: exactly one row.
create function access.can_user_use_model(
    user_id text,
    inout model_id text,
    provider text default null,
    out allowed boolean,
    out reason text,
    out tier text,
    out daily_limit bigint,
    out monthly_limit bigint
)
language plpgsql stable parallel safe
as $$
#variable_conflict use_column
declare
    given constant text := model_id;
    seller constant text := provider;
    subjects text[];
    offers text[];
    sellers text[];
    decided record;
    sold boolean;
begin
    model_id := null;
    allowed := false;
    tier := coalesce((select profile.tier from {{ ref("access.profile") }} as profile where profile.user_id = $1), 'free');
    if exists (select from {{ ref("access.decision") }} as decision where decision.model_id = given) then
        subjects := array[given];
    else
        -- of several that an id stands for, what a provider lists under it in a feed of its own; then a model that a source knows it to be goes
        -- before what others list under that id and could not resolve
        select array_agg(distinct best.subject), array_agg(distinct best.offer)
        into subjects, offers
        from (
            select meant.subject, meant.offer, meant.is_known or not bool_or(meant.is_known) over () as is_best
            from (
                select
                    listed.*,
                    listed.is_own or not bool_or(listed.is_own) over ()
                    or min(listed.subject) over () = max(listed.subject) over () as is_meant
                from (
                    select
                        decision.model_id as subject,
                        link.offer,
                        link.model is not null as is_known,
                        coalesce(rank.own_feed_of = link.provider, false) as is_own
                    from {{ ref("history.link") }} as link
                    join {{ ref("access.decision") }} as decision
                        on decision.model_id
                        = coalesce(link.model || case when link.variant <> '' then ':' || link.variant else '' end, link.offer)
                    left join {{ ref("catalog.source_rank") }} as rank on rank.source = link.source
                    where upper_inf(link.seen)
                        and (link.listed_id = given or link.provider || '/' || link.listed_id = given)
                        and (seller is null or seller in (link.provider, link.sold_by))
                ) as listed
            ) as meant
            where meant.is_meant
        ) as best
        where best.is_best;
    end if;
    if subjects is null then
        reason := 'it is not known' || coalesce(' at ' || seller, '');
        return;
    elsif cardinality(subjects) > 1 then
        reason := 'the id stands for ' || cardinality(subjects) || ' models: name one by its canonical id, or its provider';
        return;
    end if;
    select model.* into decided from {{ ref("access.model_access") }} as model where model.model_id = subjects[1];
    model_id := decided.model_id;
    daily_limit := decided.daily_limit;
    monthly_limit := decided.monthly_limit;
    if seller is not null then
        -- a source may spell who sells it in a way of its own
        sellers := array(
            select link.sold_by
            from {{ ref("history.link") }} as link
            where upper_inf(link.seen) and link.provider = seller
                and (link.model = coalesce(decided.base_model_id, decided.model_id) or link.offer = decided.model_id)
        ) || seller;
        select
            count(*) > 0,
            coalesce(decided.said_free, bool_or(offered.is_free)),
            coalesce(decided.said_pro, bool_or(offered.is_pro)),
            coalesce(decided.said_enterprise, bool_or(offered.is_enterprise))
        into sold, decided.is_free, decided.is_pro, decided.is_enterprise
        from {{ ref("access.offer_access") }} as offered
        where offered.model_id = subjects[1] and offered.provider = any(sellers) and offered.listed
            and (offers is null or offered.offer = any(offers));
    end if;
    reason := case
        when tier <> 'admin' and not sold then seller || ' does not sell it now'
        else access.verdict(tier, decided.status, decided.is_free, decided.is_pro, decided.is_enterprise)
    end;
    allowed := reason is null;
end
$$
