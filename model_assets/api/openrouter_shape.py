"""OpenRouter's listings in the shape of OpenRouter's own list, with the prices that are served here: after the gate, exact, per token."""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from model_assets.contracts import METERS, PER_FACTOR
from model_assets.sources.openrouter import BOUND, CAPABILITY_OF, DAYS, END, METER_OF, REQUIRED_KEYS, START, WEEK

#: meter -> (the key that OpenRouter has for it, how many of its single units our amount is for)
KEY_OF = {meter: (key, PER_FACTOR[METERS[meter][0]]) for key, meter in METER_OF.items()}
PARAMETER_OF = {capability: parameter for parameter, capability in CAPABILITY_OF.items()}
#: in which order OpenRouter names modalities
MODALITIES = ("text", "image", "file", "audio", "video")
Prices = Sequence[Mapping[str, Any]]

# By the same rule as access.can_user_use_model with the provider openrouter: a person's word on the model, else the policy's on the offer.
LISTED = """
select json_build_object(
    'version', (select version from catalog.published),
    'listed', (select count(*) from catalog.openrouter_card),
    'models', coalesce((
        select json_agg(usable.said || jsonb_build_object('access', jsonb_build_object(
            'model_id', usable.model_id, 'status', usable.status, 'is_free', usable.is_free, 'is_pro', usable.is_pro,
            'is_enterprise', usable.is_enterprise, 'daily_limit', usable.daily_limit, 'monthly_limit', usable.monthly_limit
        )) order by usable.created desc nulls last, usable.listed_id)
        from (
            select card.listed_id, card.created, card.said, card.model_id, model.status, model.daily_limit, model.monthly_limit,
                   coalesce(model.said_free, card.is_free) as is_free,
                   coalesce(model.said_pro, card.is_pro) as is_pro,
                   coalesce(model.said_enterprise, card.is_enterprise) as is_enterprise
            from catalog.openrouter_card as card
            join access.model_access as model on model.model_id = card.model_id
        ) as usable
        where access.verdict(:tier, usable.status, usable.is_free, usable.is_pro, usable.is_enterprise) is null
    ), '[]')
)::text
"""

# A default may be said by any id; OpenRouter's own comes first.
DEFAULT = """
select link.listed_id
from access.profile as profile
join history.link as link on link.source = 'openrouter' and upper_inf(link.seen)
    and (link.listed_id = profile.default_model
         or link.model = profile.default_model and concat(link.snapshot, link.alias, link.variant, link.build, link.region) = ''
         or link.model || ':' || link.variant = profile.default_model)
where profile.user_id = :user_id
order by link.listed_id <> profile.default_model, link.listed_id
limit 1
"""


def in_shape(row: Mapping[str, Any], *, enhanced: bool = False) -> dict[str, Any]:
    """A listing as OpenRouter would list it; `enhanced`, also which tiers may use it here, within which limits."""
    extra = row["extra"]
    inputs, outputs = _ordered(row["input_modalities"]), _ordered(row["output_modalities"])
    shaped = {
        "id": row["id"],
        # what an alias stands for is said of its own
        "canonical_slug": row["id"] if "alias_target" in extra else row["canonical_slug"],
        "hugging_face_id": row["hugging_face_id"],
        "name": row["name"],
        "created": _whole(extra.get("created")),
        "description": row["description"],
        "context_length": row["context_length"],
        "architecture": {
            "modality": f"{'+'.join(inputs)}->{'+'.join(outputs)}",
            "input_modalities": inputs,
            "output_modalities": outputs,
            "tokenizer": extra.get("tokenizer"),
            "instruct_type": extra.get("instruct_type"),
        },
        "pricing": pricing(row["prices"]),
        "top_provider": {
            "context_length": _whole(extra.get("top_provider_context_length")) or row["context_length"],
            "max_completion_tokens": row["max_completion_tokens"],
            "is_moderated": bool(extra.get("is_moderated")),
        },
        "per_request_limits": None,
        "supported_parameters": sorted(
            {*extra.get("supported_parameters", []), *map(PARAMETER_OF.get, row["capabilities"] or [])} - {None}
        ),
        "default_parameters": {name: _number(found) for name, found in extra.get("default_parameters", {}).items()},
        "supported_voices": extra.get("supported_voices"),
        "knowledge_cutoff": row["knowledge_cutoff"],
        "expiration_date": row["expiration_date"],
    }
    shaped |= {key: extra[key] for key in ("reasoning", "alias_target") if key in extra}
    if enhanced:
        shaped["access"] = row["access"]
    return shaped


def pricing(prices: Prices) -> dict[str, Any]:
    """USD per token, image, request or search, as exact text. What is not known is left out, never 0; a price that depends on the route is -1.

    What holds only above a length of the prompt or at hours of the day is in `overrides`; where a price has no other value than those of hours,
    the dearest of them stands for it.
    """
    always = [price for price in prices if not price["above"] and not price["window"]]
    told = {price["meter"] for price in always}
    by_hour = [price for price in prices if not price["above"] and price["window"] and price["meter"] not in told]
    found = _quoted(always)
    for meter in {price["meter"] for price in by_hour}:
        hours = [price for price in by_hour if price["meter"] == meter]
        if all(price["state"] in ("paid", "free") for price in hours):
            found |= _quoted([max(hours, key=lambda price: Decimal(price["amount"]))])
    shaped: dict[str, Any] = {key: found[key] for key in METER_OF if key in found}
    conditions = dict.fromkeys((price["above"], price["window"]) for price in prices if price["above"] or price["window"])
    overrides = [_override(above, window, prices) for above, window in conditions]
    if overrides := [override for override in overrides if override.keys() & METER_OF.keys()]:
        shaped["overrides"] = overrides
    return shaped


def plain_text(amount: Decimal) -> str:
    """An exact amount, all digits written out: never 1E-7."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _quoted(prices: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """key -> amount per single unit."""
    found = {}
    for price in prices:
        key, units = KEY_OF.get(price["meter"], (None, 1))
        if key and price["state"] == "dynamic" and key in REQUIRED_KEYS:
            found[key] = "-1"
        elif key and price["state"] in ("paid", "free"):
            found[key] = plain_text(Decimal(price["amount"]) / units)
    return found


def _override(above: int, window: str | None, prices: Prices) -> dict[str, Any]:
    """What replaces the price list under a condition, as OpenRouter spells both."""
    condition: dict[str, Any] = {BOUND: above} if above else {}
    found = re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d) UTC(?: on ([a-z,]+) UTC)?", window or "")
    if found:
        start, end = int(found[1] + found[2]), int(found[3] + found[4])
        if (start, end) != (0, 0):
            condition |= {START: start, END: end}
        if found[5]:
            condition[DAYS] = [day for day in WEEK if day[:3] in found[5].split(",")]
    return condition | _quoted(price for price in prices if (price["above"], price["window"]) == (above, window))


def _ordered(modalities: Sequence[str] | None) -> list[str]:
    return sorted(modalities or [], key=lambda one: (MODALITIES.index(one) if one in MODALITIES else len(MODALITIES), one))


def _number(found: object) -> object:
    """A number that `extra` has as text; anything else as it is."""
    return float(found) if isinstance(found, str) and re.fullmatch(r"-?\d+\.?\d*([eE][-+]?\d{1,2})?", found, re.ASCII) else found


def _whole(found: object) -> int | None:
    """A number of `extra`, where decimals are text."""
    return int(str(found)) if found is not None and str(found).isdecimal() else None
