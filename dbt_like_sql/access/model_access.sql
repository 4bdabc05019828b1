-- Who may use each model: its status (new: it waits to be admitted; active; disabled; inactive: no source lists it any more), the tiers, and who
-- decided. A person's word counts before the policy's, column by column, until its end; a model whose base was disabled by a person is disabled
-- with it. Grain: one row per model, variant of a model, or unresolved offer that is or was sold.
select
    decision.model_id,
    decision.base_model_id,
    case
        when decision.gone then 'inactive'
        when base.said_status = 'disabled' and coalesce(base.decided_until > now(), true) then 'disabled'
        else coalesce(word.said_status, decision.rule_status)
    end as status,
    case
        when base.said_status = 'disabled' and coalesce(base.decided_until > now(), true) then 'disabled'
        else coalesce(word.said_status, decision.rule_status)
    end as decided_status,
    coalesce(word.said_free, decision.rule_free) as is_free,
    coalesce(word.said_pro, decision.rule_pro) as is_pro,
    coalesce(word.said_enterprise, decision.rule_enterprise) as is_enterprise,
    word.said_free,
    word.said_pro,
    word.said_enterprise,
    word.daily_limit,
    word.monthly_limit,
    word.note,
    coalesce(word.decided_by, 'policy') as decided_by,
    word.decided_at,
    word.decided_until,
    decision.rule_status,
    decision.rule_free,
    decision.rule_pro,
    decision.rule_enterprise,
    decision.rule_why as why,
    decision.first_seen_at,
    decision.version
from {{ ref("access.decision") }} as decision
left join {{ ref("access.decision") }} as word on word.model_id = decision.model_id and coalesce(word.decided_until > now(), true)
left join {{ ref("access.decision") }} as base on base.model_id = decision.base_model_id
