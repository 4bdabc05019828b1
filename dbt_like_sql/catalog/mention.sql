-- News, discussions and jobs that name a model, with the words that do: by the names of known models, never by nearness. What is published is
-- untrusted text, kept as it came. Items that name no model are in history.mention.
-- Grain: one row per source, feed, item and model.
select
    link.source,
    link.feed,
    link.item,
    newest.kind,
    newest.title,
    newest.url,
    newest.author,
    newest.published_at,
    newest.first_seen,
    link.model,
    link.words,
    link.place,
    link.begins_at,
    counted.points,
    counted.comments
from {{ ref("history.mention_link") }} as link
join lateral (
    select kind, title, url, author, published_at, min(lower(seen)) over () as first_seen
    from {{ ref("history.mention") }} as mention
    where mention.key_id = link.key_id
    order by lower(seen) desc
    limit 1
) as newest on true
left join {{ ref("ops.popularity") }} as counted
    on counted.source = link.source and counted.collection = link.feed and counted.entry = link.item
where link.model is not null
