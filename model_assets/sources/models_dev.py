"""models.dev: a curated list of what each provider serves and charges.

Source  https://models.dev/api.json (public, no key, rebuilt on every merge into anomalyco/models.dev)
Grain   one listing per provider and model id; one price per listing, meter, prompt bound and service tier
Units   quoted as USD per million tokens, in JSON numbers, some with a float's noise; returned as they are, exact
Past    not served: a missed day is loaded from a recording or stays missing

A listing without `cost` has a price that nobody stated: unknown. A 0 is free, unless the provider is a subscription: then it is included.
"""

from decimal import Decimal
from typing import TypeGuard

from model_assets.contracts import LIFECYCLES, Listing, Price, Reject
from model_assets.errors import BadPayload
from model_assets.sources.base import (
    NAME_LIMIT,
    ORIGINAL_LIMIT,
    Parsed,
    Source,
    as_json,
    clean_text,
    day_of,
    flag,
    id_problem,
    kind,
    mapping,
    part,
    tokens,
    words,
)

METER_OF = {
    "input": "input",
    "output": "output",
    "cache_read": "cache_read",
    "cache_write": "cache_write_5m",  # the schema has one write price and names no lifetime: the default one
    "reasoning": "reasoning",
    "input_audio": "input_audio",
    "output_audio": "output_audio",
}
#: The schema of models.dev requires these in every `cost`: where one is missing, the key was renamed or the entry is broken.
REQUIRED_METERS = ("input", "output")

#: Providers whose 0 says "covered by the plan one pays for", besides those with `plan` in their id (`zai-coding-plan`,
#: `xiaomi-token-plan-cn`): each is reached with a subscription only. Not here, since nobody pays a fee there: local runners (`lmstudio`,
#: `atomic-chat`) and free or trial endpoints (`github-models`, `nvidia`, `modelscope`, `iflowcn`, `llama`, `nova`, `opencode`, `poolside`).
SUBSCRIPTIONS = frozenset({"firepass", "github-copilot", "gitlab", "kimi-for-coding", "opencode-go"})

#: Said of the provider, not of a listing: left in the raw payload, or a new npm package would touch each of its listings.
PROVIDER_KEYS = frozenset({"id", "env", "npm", "api", "name", "doc", "models"})
MODEL_KEYS = frozenset({
    "id", "name", "family", "attachment", "reasoning", "reasoning_options", "tool_call", "structured_output", "temperature", "interleaved",
    "knowledge", "release_date", "last_updated", "modalities", "open_weights", "limit", "cost", "status", "experimental", "provider",
})  # fmt: skip
LIMIT_KEYS = frozenset({"context", "input", "output"})
MODALITY_KEYS = frozenset({"input", "output"})
CAPABILITIES = ("attachment", "reasoning", "structured_output", "temperature", "tool_call")
#: "No" to these is worth keeping; to the others it is the same as saying nothing.
WORTH_A_NO = frozenset({"structured_output", "temperature"})


def parse(payload: object) -> Parsed:
    """One listing per provider and model id, and its prices. An entry that is broken is rejected by itself."""
    parsed = Parsed()
    for provider, about in mapping(payload, "models.dev's api.json").items():
        models = about.get("models") if isinstance(about, dict) else None
        problem = id_problem(provider) or (None if isinstance(models, dict) else "a provider without an object `models`")
        if problem or not isinstance(about, dict) or not isinstance(models, dict):
            parsed.reject("listing", None if id_problem(provider) else provider, None, problem or "", about)
            continue
        for key in about.keys() - PROVIDER_KEYS:
            parsed.drift[f"provider.{key}"] += 1
        docs_url = web_address(parsed, provider, about.get("doc"))
        zero = "included" if is_subscription(provider) else "free"
        for listed_id, entry in models.items():
            problem = id_problem(listed_id) or (None if isinstance(entry, dict) else f"{kind(entry)} where a model belongs")
            if problem:
                parsed.reject("listing", provider, None if id_problem(listed_id) else listed_id, problem, entry)
                continue
            parsed.listings.append(listing(parsed, provider, listed_id, entry, docs_url))
            read_prices(parsed, provider, listed_id, entry, zero)
    if not parsed.listings:
        raise BadPayload("models.dev's api.json lists no model. Look at it in raw; an empty list never means that all models are gone.")
    return parsed


def is_subscription(provider: str) -> bool:
    """Whether a provider is a plan that one subscribes to, so that what it quotes as 0 is included and not free."""
    return provider in SUBSCRIPTIONS or "plan" in provider.split("-")


def web_address(parsed: Parsed, provider: str, found: object) -> str | None:
    """The address of a provider's documentation; null and an oddity where it is no http(s) address."""
    text = clean_text(parsed, provider, "doc", found, 2_000)
    if text is None or (text.startswith(("https://", "http://")) and not any(sign in text for sign in ' \n\r\t"<>')):
        return text
    parsed.odd(provider, "doc", text, "not an http(s) address")
    return None


def listing(parsed: Parsed, provider: str, listed_id: str, entry: dict[str, object], docs_url: str | None) -> Listing:
    """What models.dev says about one model at one provider. Who trained it is not said, so `author` stays null."""
    say = entry.get
    released_on, released_precision = day_of(parsed, listed_id, "release_date", say("release_date"))
    cutoff, cutoff_precision = day_of(parsed, listed_id, "knowledge", say("knowledge"))
    extra: dict[str, object] = {}
    limit = part(parsed, listed_id, "limit", say("limit"), LIMIT_KEYS, extra)
    modalities = part(parsed, listed_id, "modalities", say("modalities"), MODALITY_KEYS, extra)
    if say("id", listed_id) != listed_id:
        parsed.odd(listed_id, "id", say("id"), "differs from the key it stands under, which counts")
    return Listing(
        provider=provider,
        listed_id=listed_id,
        name=clean_text(parsed, listed_id, "name", say("name"), NAME_LIMIT),
        family=clean_text(parsed, listed_id, "family", say("family"), NAME_LIMIT),
        released_on=released_on,
        released_on_precision=released_precision,
        knowledge_cutoff=cutoff,
        knowledge_cutoff_precision=cutoff_precision,
        context_tokens=tokens(parsed, listed_id, "limit.context", limit.get("context")),
        max_input_tokens=tokens(parsed, listed_id, "limit.input", limit.get("input")),
        max_output_tokens=tokens(parsed, listed_id, "limit.output", limit.get("output")),
        input_modalities=words(parsed, listed_id, "modalities.input", modalities.get("input")),
        output_modalities=words(parsed, listed_id, "modalities.output", modalities.get("output")),
        capabilities=capabilities(parsed, listed_id, entry, extra),
        open_weights=flag(parsed, listed_id, "open_weights", say("open_weights")),
        lifecycle=lifecycle(parsed, listed_id, say("status")),
        docs_url=docs_url,
        extra=rest(parsed, listed_id, entry, extra),
    )


def capabilities(parsed: Parsed, listed_id: str, entry: dict[str, object], extra: dict[str, object]) -> tuple[str, ...]:
    """What the model can do, sorted. A "no" that is worth keeping, and how it interleaves, go to `extra`."""
    can = []
    for name in CAPABILITIES:
        found = entry.get(name)
        if found is True:
            can.append(name)
        elif found is False:
            if name in WORTH_A_NO:
                extra[name] = False
        elif found is not None:
            flag(parsed, listed_id, name, found)
    interleaved = entry.get("interleaved")
    if isinstance(interleaved, dict):
        extra["interleaved"] = interleaved
    if interleaved is True or isinstance(interleaved, dict):
        can.insert(1 if "attachment" in can else 0, "interleaved")
    elif interleaved not in (None, False):
        parsed.odd(listed_id, "interleaved", interleaved, f"{kind(interleaved)} where yes, no or an object belongs")
    return tuple(can)


def lifecycle(parsed: Parsed, listed_id: str, found: object) -> str | None:
    """`alpha`, `beta`, `deprecated`: the only ones models.dev states. Nothing said is null, not stable."""
    if found is None:
        return None
    if isinstance(found, str) and found in LIFECYCLES:
        return found
    parsed.odd(listed_id, "status", found, f"none of {', '.join(LIFECYCLES)}")
    return None


def rest(parsed: Parsed, listed_id: str, entry: dict[str, object], extra: dict[str, object]) -> str:
    """The text of `extra`: what is known but has no column, and what is not known (which is drift as well)."""
    for key in entry.keys() - MODEL_KEYS:
        parsed.drift[f"model.{key}"] += 1
        extra[key] = entry[key]
    for key in ("last_updated", "provider", "reasoning_options"):
        if found := entry.get(key):
            extra[key] = found
    experimental = entry.get("experimental")
    if isinstance(experimental, dict) and isinstance(modes := experimental.get("modes"), dict):
        extra["experimental"] = experimental | {"modes": {name: without_cost(mode) for name, mode in modes.items()}}
    elif experimental:
        extra["experimental"] = experimental
    if experimental is not None and not isinstance(experimental, bool | dict):
        parsed.odd(listed_id, "experimental", experimental, f"{kind(experimental)} where yes, no or an object belongs")
    return as_json(extra)


def without_cost(mode: object) -> object:
    """A mode as `extra` keeps it: its prices are price rows."""
    return {key: found for key, found in mode.items() if key != "cost"} if isinstance(mode, dict) else mode


def read_prices(parsed: Parsed, provider: str, listed_id: str, entry: dict[str, object], zero: str) -> None:
    """Append the prices of one listing: its price list, and the second ones of its modes."""
    cost = entry.get("cost")
    if cost is None or cost == {}:
        parsed.state_only(provider, listed_id, REQUIRED_METERS, "unknown")
    elif not isinstance(cost, dict):
        parsed.reject("price", provider, listed_id, f"cost is {kind(cost)} where an object belongs", cost)
    else:
        for meter in REQUIRED_METERS:
            if meter not in cost:
                unclear = Price(provider, listed_id, meter, "standard", 0, "", "", "", "USD", None, "unknown", None, None)
                original = as_json(cost)[:ORIGINAL_LIMIT]
                parsed.rejects.append(Reject("price", provider, listed_id, f"cost has no {meter}", original, unclear))
        price_list(parsed, provider, listed_id, cost, zero, "standard", "cost")
    experimental = entry.get("experimental")
    if isinstance(experimental, dict):
        read_modes(parsed, provider, listed_id, experimental.get("modes"), zero)


def read_modes(parsed: Parsed, provider: str, listed_id: str, modes: object, zero: str) -> None:
    """Append the second price lists, such as that of a fast mode, each under the service tier that the provider calls it by."""
    if modes is None:
        return
    if not isinstance(modes, dict):
        parsed.reject("price", provider, listed_id, f"experimental.modes is {kind(modes)} where an object belongs", modes)
        return
    for name, mode in modes.items():
        cost = mode.get("cost") if isinstance(mode, dict) else mode
        tier = service_tier(name, mode)
        if isinstance(mode, dict) and cost is None:
            continue
        if not isinstance(cost, dict) or id_problem(tier) or tier == "standard":
            parsed.reject("price", provider, listed_id, "a mode without a name of its own, or with a cost that is no object", modes)
        else:
            price_list(parsed, provider, listed_id, cost, zero, tier, "experimental.modes.cost")


def service_tier(name: str, mode: object) -> str:
    """What a request must ask for to get a mode: `service_tier` of the body that models.dev gives for it, else the mode's name."""
    found = mode
    for key in ("provider", "body", "service_tier"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) and not id_problem(found) else name


def price_list(parsed: Parsed, provider: str, listed_id: str, cost: dict[str, object], zero: str, tier: str, path: str) -> None:
    """Append the prices of one price list, with those above a prompt bound."""
    tiers = cost.get("tiers")
    for key, found in cost.items():
        meter = METER_OF.get(key)
        if meter is not None:
            parsed.quote(provider, listed_id, meter, found, 1, service_tier=tier, zero=zero)
        elif key == "tiers":
            read_tiers(parsed, provider, listed_id, found, zero, tier, path)
        elif key != "context_over_200k":
            parsed.unmap(f"{path}.{key}", found)
        elif not tiers and found is not None:
            bounded(parsed, provider, listed_id, found, zero, tier, 200_000, f"{path}.{key}")
        elif isinstance(found, dict):
            # It repeats the single tier for older readers, whatever the tier's size is: understood, and no row of its own.
            parsed.price_values += sum(isinstance(amount, int | Decimal) for amount in found.values())


def read_tiers(parsed: Parsed, provider: str, listed_id: str, tiers: object, zero: str, service_tier: str, path: str) -> None:
    """Append the prices that hold above a prompt bound. A tier by anything else than the length of the prompt has no rule yet."""
    if tiers is None:
        return
    if not isinstance(tiers, list):
        parsed.reject("price", provider, listed_id, f"{path}.tiers is {kind(tiers)} where an array belongs", tiers)
        return
    for one in tiers:
        about = one.get("tier") if isinstance(one, dict) else None
        what, size = (about.get("type"), about.get("size")) if isinstance(about, dict) else (None, None)
        if isinstance(what, str) and what != "context":
            parsed.unmap(f"{path}.tiers[other type]", {key: found for key, found in one.items() if key != "tier"})
        elif what is None or not is_bound(size):
            parsed.reject("price", provider, listed_id, f"an item of {path}.tiers that does not say from how many tokens it holds", one)
        else:
            prices = {key: found for key, found in one.items() if key != "tier"}
            bounded(parsed, provider, listed_id, prices, zero, service_tier, int(size), f"{path}.tiers[]")


def is_bound(found: object) -> TypeGuard[int | Decimal]:
    """Whether `found` is a number of tokens that a tier can start at."""
    return isinstance(found, int | Decimal) and not isinstance(found, bool) and 0 < found < 2**53 and found == int(found)


def bounded(parsed: Parsed, provider: str, listed_id: str, prices: object, zero: str, service_tier: str, above: int, path: str) -> None:
    """Append the prices that hold above `above` tokens of prompt."""
    if not isinstance(prices, dict):
        parsed.reject("price", provider, listed_id, f"{path} is {kind(prices)} where an object belongs", prices)
        return
    for key, found in prices.items():
        if meter := METER_OF.get(key):
            parsed.quote(provider, listed_id, meter, found, 1, service_tier=service_tier, prompt_above_tokens=above, zero=zero)
        else:
            parsed.unmap(f"{path}.{key}", found)


models_dev = SOURCE = Source(
    "models_dev",
    "https://models.dev/api.json",
    parse,
    about=__doc__ or "",
    path=lambda provider, listed_id: (provider, "models", listed_id),
)
