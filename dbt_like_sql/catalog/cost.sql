-- What a request cost: cost('anthropic/claude-sonnet-4-5', '{"input": 250000, "output": 900}', at), for every provider that sells the model
-- or for one; an offer's key may stand for the model. The usage holds counts by meter, or by the second names `images`, `input_images`,
-- `requests`, `web_searches`, `pages`, `queries`, `cache_write`, `seconds`; its "details" hold sizes or qualities by meter. The counts are
-- apart from each other (`input` has no cached tokens), but for `reasoning`, which is a part of `output`. A line without an amount has no
-- price, and `why` says why not, as it says why this price for the others: the sum of the amounts is then not the whole. The rules are
-- those of model_assets.cost.table, where they are explained; a test compares the two.
-- Grain: one row per provider, snapshot, alias, variant and build of the model, and meter that was counted.
create function catalog.cost(
    model text,
    usage jsonb,
    at timestamptz default now(),
    known_at timestamptz default 'infinity',
    provider text default null,
    service_tier text default 'standard',
    region text default null
)
returns table (
    offer text,
    meter text,
    quantity numeric,
    per text,
    unit_amount numeric,
    currency text,
    amount numeric,
    state text,
    source text,
    held boolean,
    disputed boolean,
    unconfirmed boolean,
    why text
)
language sql stable parallel safe
as $$
with asked as (
    select
        coalesce(cost.region, '') as region,
        case
            when lower(trim(cost.service_tier)) in ('', 'default', 'auto', 'on_demand') then 'standard'
            when lower(trim(cost.service_tier)) = 'batches' then 'batch'
            else lower(trim(cost.service_tier))
        end as tier,
        coalesce(cost.usage -> 'details', '{}') as details
),
counted as (
    select meter, sum(quantity) as quantity
    from (
        select
            case key
                when 'cache_write' then 'cache_write_5m'
                when 'images' then 'image'
                when 'input_images' then 'input_image_unit'
                when 'requests' then 'request'
                when 'searches' then 'web_search'
                when 'web_searches' then 'web_search'
                when 'pages' then 'page'
                when 'queries' then 'query'
                else key
            end as meter,
            value::numeric as quantity
        from jsonb_each_text(cost.usage - 'details')
        union all
        -- a request is one call unless its usage says otherwise
        select 'request', 1 where not cost.usage ?| array['request', 'requests']
    ) as named
    group by meter
    having sum(quantity) > 0
),
prompt as (
    select coalesce(sum(quantity), 0) as tokens
    from counted
    where meter in (
        'input', 'cache_read', 'cache_write_5m', 'cache_write_1h', 'cache_write_12h', 'input_audio', 'input_image', 'input_video',
        'cache_read_audio', 'cache_write_audio', 'cache_read_image'
    )
),
offered as (
    select
        case when price.model is null then price.offer else regexp_replace(price.offer, '#[^#]*$', '') end as base,  -- of all regions
        price.offer,
        price.meter,
        price.per,
        price.amount,
        price.currency,
        price.state,
        price.service_tier as tier,
        price.prompt_above_tokens as above,
        coalesce(price.time_window, '') as time_window,
        coalesce(price.region, '') as region,
        coalesce(price.detail, '') as detail,
        price.source,
        price.held,
        price.disputed,
        price.unconfirmed
    from {{ ref("catalog.price_as_of") }}(cost.at, cost.known_at) as price
    where (price.model = cost.model or price.offer = cost.model)
        and (cost.provider is null or price.provider = cost.provider)
),
listed as (
    select
        offered.*,
        -- an offer that is sold in one region alone is of that region, which need not be asked for
        coalesce(
            nullif(asked.asked_region, ''), case when min(lower(region)) over same = max(lower(region)) over same then lower(region) else '' end
        ) as asked_region
    from offered
    cross join (select region as asked_region from asked) as asked
    window same as (partition by base)
),
hours as (
    select time_window, found[1]::int * 60 + found[2]::int as opens, found[3]::int * 60 + found[4]::int as closes,
        found[5] as zone, string_to_array(found[6], ',') as days, found[7] as days_zone
    from (
        select distinct time_window, regexp_match(
            time_window,
            '^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d) ([\w/+-]+)(?: on ([a-z]{3}(?:,[a-z]{3})*) ([\w/+-]+))?$'
        ) as found
        from listed
        where time_window <> ''
    ) as text
    where found is not null
),
clock as (
    select hours.*, local.minute,
        mod(hours.closes - hours.opens + 1439, 1440) + 1 as minutes_a_day,
        to_char(local.day, 'dy') as day
    from hours
    cross join lateral (
        select
            extract(hour from here) * 60 + extract(minute from here) as minute,
            -- a zone that is not known is no error, but makes the window one that cannot be read
            case
                when coalesce(hours.days_zone, 'UTC') = 'UTC' then cost.at at time zone 'UTC'
                when exists (select from pg_timezone_names where name = hours.days_zone) then cost.at at time zone hours.days_zone
            end as day
        from (
            select case
                when hours.zone = 'UTC' then cost.at at time zone 'UTC'
                when exists (select from pg_timezone_names where name = hours.zone) then cost.at at time zone hours.zone
            end as here
        ) as zoned
    ) as local
    where local.minute is not null and local.day is not null
),
time_window as (
    select
        time_window,
        minutes_a_day * coalesce(cardinality(days), 7) as minutes,
        case when opens < closes then minute >= opens and minute < closes else minute >= opens or minute < closes end
            and (days is null or day = any (days)) as is_open
    from clock
),
priced as (
    select
        listed.*,
        lower(listed.region) = lower(listed.asked_region) as in_region,
        listed.above = 0 or listed.above < prompt.tokens as is_crossed,
        listed.time_window = '' or coalesce(time_window.is_open, false) as is_open,
        coalesce(time_window.minutes, 1000000) as minutes,
        asked.tier as asked_tier,
        coalesce(asked.details ->> listed.meter, '') as asked_detail
    from listed
    cross join asked
    cross join prompt
    left join time_window on time_window.time_window = listed.time_window
),
base as (
    select
        priced.base,
        max(priced.above) filter (where priced.above < prompt.tokens) as passed,
        bool_or(priced.time_window <> '' and time_window.time_window is null) as unread,
        bool_or(priced.meter = 'reasoning' and priced.state = 'paid') as reasons_apart,
        array_agg(distinct priced.meter) as meters
    from priced
    cross join prompt
    left join time_window on time_window.time_window = priced.time_window
    group by priced.base
),
wanted as (
    select
        base.base,
        base.passed,
        base.unread,
        case when counted.meter = 'seconds' and cardinality(seconds.quoted) = 1 then seconds.quoted[1] else counted.meter end as meter,
        case
            when counted.meter = 'output' and base.reasons_apart
                then counted.quantity - coalesce((select reasoning.quantity from counted as reasoning where reasoning.meter = 'reasoning'), 0)
            else counted.quantity
        end as quantity,
        case
            when counted.meter <> 'seconds' or cardinality(seconds.quoted) = 1 then null
            when cardinality(seconds.quoted) = 0 then 'nothing is priced by the second'
            else format('it could be any of %s: say which', array_to_string(seconds.quoted, ', '))
        end as unclear
    from base
    cross join counted
    cross join lateral (
        select array(
            select name
            from unnest(array['second', 'audio_second', 'video_second', 'input_audio_second', 'input_video_second'])
                with ordinality as named (name, place)
            where name = any (base.meters)
            order by place
        ) as quoted
    ) as seconds
    where (counted.meter <> 'request' or 'request' = any (base.meters))
        and (counted.meter <> 'reasoning' or base.reasons_apart)
),
-- from here on each step keeps some of a meter's rows: of its size, currency, region, tier; then those that hold; then the best of them
of_detail as (
    select priced.*, case
        when bool_or(detail = asked_detail) over same then detail = asked_detail
        when asked_detail <> '' then detail = ''
        else true
    end as kept_1
    from priced
    window same as (partition by base, meter)
),
of_currency as (
    select of_detail.*, kept_1 and replace(currency, 'USD', '') collate "C"
        = min(replace(currency, 'USD', '') collate "C") filter (where kept_1) over same as kept_2
    from of_detail
    window same as (partition by base, meter)
),
of_region as (
    select of_currency.*, kept_2 and case when bool_or(kept_2 and in_region) over same then in_region else region = '' end as kept_3
    from of_currency
    window same as (partition by base, meter)
),
tiers as (
    select
        of_region.*,
        bool_or(kept_3 and tier = asked_tier) over same as has_tier,
        bool_and(tier = 'standard') filter (where kept_3) over same as only_standard,
        coalesce(max(above) filter (where kept_3 and is_crossed and tier = 'standard') over same, 0) as standard_above,
        coalesce(max(above) filter (where kept_3 and is_crossed and tier = asked_tier) over same, 0) as tier_above
    from of_region
    window same as (partition by base, meter)
),
of_tier as (
    select
        tiers.*,
        kept_3 and case
            when has_tier then tier = asked_tier and tier_above >= standard_above
            when meter in ('request', 'web_search', 'map_search', 'file_search', 'session', 'guardrail_unit', 'gigabyte_day')
                then only_standard and asked_tier <> 'standard'
            else false
        end as kept_4
    from tiers
),
in_order as (
    select
        of_tier.*,
        rank() over (
            partition by base, meter
            order by not (kept_4 and is_crossed and is_open), above desc, minutes, time_window collate "C" desc
        ) as place
    from of_tier
),
best as (
    select
        in_order.*,
        kept_4 and is_crossed and is_open and place = 1 as is_best,
        row_number() over (partition by base, meter order by not (kept_4 and is_crossed and is_open), place, detail collate "C") as first
    from in_order
),
said as (
    select
        base,
        meter,
        bool_or(kept_1) as any_1,
        bool_or(kept_3) as any_3,
        bool_or(kept_4) as any_4,
        bool_or(kept_4 and is_crossed) as any_crossed,
        bool_or(is_best) as any_best,
        bool_or(has_tier) as has_tier,
        max(standard_above) as standard_above,
        max(asked_tier) as tier,
        max(asked_region) as region,
        max(asked_detail) as detail,
        string_agg(distinct detail collate "C", ', ' order by detail collate "C") as details,
        string_agg(distinct region collate "C", ', ' order by region collate "C") filter (where kept_2) as regions,
        string_agg(distinct tier collate "C", ', ' order by tier collate "C") filter (where kept_3) as tiers,
        min(above) filter (where kept_4) as lowest_above,
        string_agg(distinct time_window collate "C", ', ' order by time_window collate "C") filter (where kept_4 and is_crossed) as windows,
        count(distinct (state, amount)) filter (where is_best) as answers,
        string_agg(distinct detail collate "C", ', ' order by detail collate "C") filter (where is_best) as best_details
    from best
    group by base, meter
),
judged as (
    select
        wanted.base,
        wanted.meter,
        wanted.quantity,
        chosen.offer as chosen_offer,
        chosen.per,
        chosen.amount,
        chosen.currency,
        chosen.state,
        chosen.source,
        chosen.held,
        chosen.disputed,
        chosen.unconfirmed,
        case
            when wanted.unclear is not null then wanted.unclear
            when said.meter is null then 'no price is known'
            when not said.any_1 then format('it has no price for %s, only for %s', said.detail, said.details)
            when not said.any_3 and said.region = '' then format('it is priced only in region %s', said.regions)
            when not said.any_3 then format('it is priced in region %s, not in %s', said.regions, said.region)
            when not said.any_4 and said.tier = 'standard' then format('it is priced only at service tier %s', said.tiers)
            when not said.any_4 and said.has_tier then format(
                'its %s price above %s prompt tokens is not stated, and the standard one changes there',
                said.tier, to_char(said.standard_above, 'FM999,999,999,999,999')
            )
            when not said.any_4 then format('it has no %s price; another tier''s does not stand in for it', said.tier)
            when not said.any_crossed
                then format('it is priced only above %s prompt tokens', to_char(said.lowest_above, 'FM999,999,999,999,999'))
            when not said.any_best then format(
                'it has no price at this time, only in %s%s', said.windows,
                case when wanted.unread then '; not every window could be read' else '' end
            )
            when said.answers > 1 then format('it is priced by size or quality (%s): say which', said.best_details)
        end as no_price,
        coalesce(nullif(concat_ws(', ',
            case when said.detail = '' then null when chosen.detail = said.detail then 'for ' || said.detail
                else 'it has no price of its own for ' || said.detail end,
            case when said.region = '' then null when chosen.in_region then 'in region ' || chosen.region
                else 'it has no price of its own in region ' || said.region end,
            case when said.tier = 'standard' then null when chosen.tier = said.tier then format('the %s price', said.tier)
                else format('a fee that has no %s price', said.tier) end,
            case when chosen.above > 0
                then format('above %s prompt tokens, for the whole request', to_char(chosen.above, 'FM999,999,999,999,999')) end,
            case when chosen.above < wanted.passed
                then format('it has no price of its own above %s prompt tokens', to_char(wanted.passed, 'FM999,999,999,999,999')) end,
            case when chosen.time_window <> '' then 'in ' || chosen.time_window end
        ), ''), 'the list price') as note
    from wanted
    left join said on said.base = wanted.base and said.meter = wanted.meter
    left join best as chosen on chosen.base = wanted.base and chosen.meter = wanted.meter and chosen.first = 1 and chosen.is_best
    where wanted.quantity > 0
),
line as (
    select
        judged.*,
        no_price is null and state in ('paid', 'free', 'included') as has_price,
        case when state = 'included' then 0 else judged.amount end as unit
    from judged
)
select
    coalesce(chosen_offer, base),
    line.meter,
    line.quantity,
    case when has_price then line.per end,
    case when has_price then unit end,
    case when has_price then line.currency end,
    -- a product is exact where a quotient of numerics is rounded
    case when has_price then trim_scale(unit * line.quantity * case split_part(line.per, ' ', 1) when '1M' then 0.000001 when '1k' then 0.001 else 1 end) end,
    case when no_price is null then line.state end,
    case when has_price then line.source end,
    has_price and line.held,
    has_price and line.disputed,
    has_price and line.unconfirmed,
    case
        when no_price is not null then no_price
        when has_price then note
        else format(
            '%s (%s)',
            case
                when line.state = 'dynamic' then 'its price depends on the route'
                when line.held then 'the price that ' || line.source || ' states is held'
                else 'its price is not stated by ' || line.source
            end,
            note
        )
    end
from line
$$
