"""Statistics for admins, as one statement."""

from datetime import datetime

from pydantic import BaseModel, Field

from model_assets.api.asking import utc

STATISTICS = f"""
with syncs as (select * from catalog.sync_stats),
decided as materialized (
    select access.status, access.is_free, access.is_pro, access.is_enterprise from access.model_access as access
)
select json_build_object(
    'syncs', (select json_build_object(
        'runs_30_days', coalesce(sum(runs_30_days), 0), 'succeeded_30_days', coalesce(sum(succeeded_30_days), 0),
        'success_rate_30_days', round(100.0 * sum(succeeded_30_days) / nullif(sum(runs_30_days), 0), 2)::text,
        'average_seconds', round(sum(average_seconds * succeeded_30_days) / nullif(sum(succeeded_30_days), 0), 2)::text,
        'runs_24_hours', coalesce(sum(runs_24_hours), 0), 'failed_24_hours', coalesce(sum(failed_24_hours), 0),
        'last_success_at', {utc("max(last_success_at)")}) from syncs),
    'sources', (select coalesce(json_agg(json_build_object(
        'source', health.source, 'last_observed_at', {utc("health.last_observed_at")}, 'age_seconds', extract(epoch from health.age)::bigint,
        'listings', health.listings, 'prices', health.prices, 'scores', health.scores, 'mentions', health.mentions,
        'last_status', health.last_status, 'last_error', health.last_error, 'refused_since', health.refused_since,
        'quarantined', health.quarantined, 'runs_30_days', coalesce(syncs.runs_30_days, 0),
        'success_rate_30_days', round(100 * syncs.share_succeeded_30_days, 2)::text,
        'average_seconds', syncs.average_seconds::text, 'p95_seconds', syncs.p95_seconds::text
    ) order by health.source), '[]') from catalog.source_health as health left join syncs on syncs.source = health.source),
    'models', json_build_object(
        'total', (select count(*) from decided),
        'by_status', (select coalesce(json_object_agg(status, number order by status), '{{}}')
                      from (select status, count(*) as number from decided group by status) as counted),
        'by_tier', (select json_build_object(
            'free', count(*) filter (where is_free), 'pro', count(*) filter (where is_pro), 'enterprise', count(*) filter (where is_enterprise))
            from decided where status = 'active'),
        'by_provider', (select coalesce(json_agg(json_build_object('provider', provider, 'models', models, 'offers', offers)
                        order by models desc, provider), '[]') from catalog.provider_card where tier = 'admin')),
    'waiting', json_build_object(
        'new_models', (select count(*) from decided where status = 'new'),
        'held', (select count(*) from ops.held_change where outcome = 'open' and kind = 'held'),
        'unconfirmed', (select count(*) from ops.held_change where outcome = 'open' and kind = 'marked'),
        'open_disputes', (select count(*) from catalog.dispute where closed_at is null),
        'unresolved_listings', (select count(*) from history.link as link join history.listing as listing using (key_id)
                                where link.model is null and upper_inf(link.seen) and upper_inf(listing.seen)),
        'quarantined', (select count(*) from ops.quarantine)),
    'users', (select coalesce(json_object_agg(tier, number order by tier), '{{}}')
              from (select tier, count(*) as number from access.profile group by tier) as counted),
    'published', (select json_build_object('version', version, 'published_at', {utc("published_at")}) from catalog.published)
)::text
"""


class Syncs(BaseModel):
    """Attempts over all sources. Rates are per cent of those that ended, as exact text; null where there was none."""

    runs_30_days: int
    succeeded_30_days: int
    success_rate_30_days: str | None = Field(examples=["99.53"])
    average_seconds: str | None
    runs_24_hours: int
    failed_24_hours: int
    last_success_at: datetime | None


class SourceHealth(BaseModel):
    """How a source is doing."""

    source: str
    last_observed_at: datetime | None
    age_seconds: int | None
    listings: int
    prices: int
    scores: int
    mentions: int
    last_status: str | None
    last_error: str | None
    refused_since: int
    quarantined: int
    runs_30_days: int
    success_rate_30_days: str | None
    average_seconds: str | None
    p95_seconds: str | None


class ByProvider(BaseModel):
    """What a provider sells now."""

    provider: str
    models: int
    offers: int


class Models(BaseModel):
    """Models, plans of them with a price of their own, and offers of no known model; `by_tier` those that a tier may use."""

    total: int
    by_status: dict[str, int]
    by_tier: dict[str, int]
    by_provider: list[ByProvider]


class Waiting(BaseModel):
    """What waits for a person."""

    new_models: int
    held: int
    unconfirmed: int
    open_disputes: int
    unresolved_listings: int
    quarantined: int


class Published(BaseModel):
    """The number of what is published."""

    version: int
    published_at: datetime


class Statistics(BaseModel):
    """How everything is doing."""

    syncs: Syncs
    sources: list[SourceHealth]
    models: Models
    waiting: Waiting
    users: dict[str, int]
    published: Published
