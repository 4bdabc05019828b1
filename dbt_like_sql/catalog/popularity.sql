-- How often what is listed or mentioned was downloaded, liked, upvoted, commented on, as its source last said. Kept apart from the claims: these
-- numbers move on every look. Grain: one row per source, collection and entry.
select source, collection, entry, downloads, likes, points, comments, observed_at
from {{ ref("ops.popularity") }}
