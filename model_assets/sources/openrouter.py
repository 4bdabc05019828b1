"""OpenRouter: what one reseller charges for the models of many authors.

Source  https://openrouter.ai/api/v1/models (public, no key, changes during the day)
Grain   one listing per model id; one price per id, meter, prompt bound and time of day
Units   quoted as USD per token, image, request or search, in text; returned as USD per the meter's unit, exact
Past    not served: a missed day is loaded from a recording or stays missing

A quoted -1 means "depends on the route": its amount is null, its state dynamic. A price key that is optional and 0 or null says no more
than one that is absent, and makes no row. Where prices follow the time of day, the price list repeats the one that holds at the moment of
looking: such a price is told by its windows alone, or it would "change" several times a day.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import date

from model_assets.contracts import Listing, Price, Reject
from model_assets.errors import BadPayload
from model_assets.sources.amounts import BadAmount, exact
from model_assets.sources.base import (
    NAME_LIMIT,
    ORIGINAL_LIMIT,
    Parsed,
    Source,
    as_json,
    clean_text,
    day_of,
    id_problem,
    kind,
    mapping,
    part,
    sequence,
    tokens,
    words,
)

PROVIDER = "openrouter"
#: Units are those of openrouter.ai/docs (guides/overview/models, "Pricing Object") and of its OpenAPI schema (`PublicPricing`).
METER_OF = {
    "prompt": "input",
    "completion": "output",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write_5m",  # the default lifetime: the other one has a key of its own
    "input_cache_write_1h": "cache_write_1h",
    "internal_reasoning": "reasoning",
    "audio": "input_audio",
    "audio_output": "output_audio",
    "input_audio_cache": "cache_read_audio",
    # "Price in USD per input image". Many values equal `prompt` and are surely per token; but no page says so, and a size is no unit.
    "image": "input_image_unit",
    "image_token": "input_image",  # "Price in USD per image token"; not seen in a payload so far
    # The schema says "per output image", but OpenRouter's own record of the same prices (/api/v1/images/models/{id}/endpoints) gives
    # {"billable": "output_image", "unit": "token"}: the more exact statement counts, and it agrees with what the makers charge.
    "image_output": "output_image",
    "request": "request",
    "web_search": "web_search",
}
REQUIRED_KEYS = ("prompt", "completion")
BOUND, START, END, DAYS = "min_prompt_tokens", "utc_start", "utc_end", "utc_days"
CONDITIONS = frozenset({BOUND, START, END, DAYS})
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY_MINUTES = 24 * 60
WEEK_MINUTES = DAY_MINUTES * len(WEEK)

KNOWN_ENVELOPE = frozenset({"data", "total_count", "links"})
#: Left in the raw payload: it changes on every look (`benchmarks` are ranks among the models of the day) or says nothing (`links` repeats
#: the id; `per_request_limits` has always been null).
UNREAD = frozenset({"benchmarks", "links", "per_request_limits"})
MODEL_KEYS = UNREAD | {
    "id", "canonical_slug", "hugging_face_id", "name", "created", "description", "context_length", "architecture", "pricing",
    "top_provider", "supported_parameters", "default_parameters", "supported_voices", "expiration_date", "knowledge_cutoff", "reasoning",
    "alias_target",
}  # fmt: skip
#: `modality` repeats the two lists.
ARCHITECTURE_KEYS = frozenset({"modality", "input_modalities", "output_modalities", "tokenizer", "instruct_type"})
TOP_PROVIDER_KEYS = frozenset({"context_length", "max_completion_tokens", "is_moderated"})
CAPABILITY_OF = {"tools": "tool_call", "structured_outputs": "structured_output", "reasoning": "reasoning", "temperature": "temperature"}
NO_EXPIRATION = "2098-12-31"


def parse(payload: object) -> Parsed:
    """One listing per model id, and its prices. An entry that is broken is rejected by itself."""
    envelope = mapping(payload, "OpenRouter's list of models")
    data = sequence(envelope.get("data"), "`data` of OpenRouter's list of models")
    if not data:
        raise BadPayload("OpenRouter lists no model. Look at the payload in raw; an empty list never means that all models are gone.")
    links = envelope.get("links")
    if isinstance(links, dict) and links.get("next"):
        raise BadPayload(
            "OpenRouter served one page of a longer list: `links.next` is set. The other models are not gone: ask for all pages."
        )
    parsed = Parsed()
    for key in envelope.keys() - KNOWN_ENVELOPE:
        parsed.drift[f"envelope.{key}"] += 1
    for entry in data:
        listed_id = entry.get("id") if isinstance(entry, dict) else None
        problem = id_problem(listed_id) if isinstance(entry, dict) else f"{kind(entry)} where a model belongs"
        if problem or not isinstance(entry, dict) or not isinstance(listed_id, str):
            parsed.reject("listing", PROVIDER, None, problem or "", entry)
            continue
        parsed.listings.append(listing(parsed, listed_id, entry))
        read_prices(parsed, listed_id, entry.get("pricing"))
    return parsed


def listing(parsed: Parsed, listed_id: str, entry: dict[str, object]) -> Listing:
    """What OpenRouter says about one model id. `created` is when it was listed there, not when it was released."""
    say = entry.get
    extra: dict[str, object] = {}
    architecture = part(parsed, listed_id, "architecture", say("architecture"), ARCHITECTURE_KEYS, extra)
    top_provider = part(parsed, listed_id, "top_provider", say("top_provider"), TOP_PROVIDER_KEYS, extra)
    cutoff, cutoff_precision = day_of(parsed, listed_id, "knowledge_cutoff", say("knowledge_cutoff"))
    parameters = words(parsed, listed_id, "supported_parameters", say("supported_parameters"))
    author, slash, _ = listed_id.partition("/")
    return Listing(
        provider=PROVIDER,
        listed_id=listed_id,
        name=clean_text(parsed, listed_id, "name", say("name"), NAME_LIMIT),
        author=(author.removeprefix("~") or None) if slash else None,
        description=clean_text(parsed, listed_id, "description", say("description")),
        knowledge_cutoff=cutoff,
        knowledge_cutoff_precision=cutoff_precision,
        context_tokens=tokens(parsed, listed_id, "context_length", say("context_length")),
        max_output_tokens=tokens(parsed, listed_id, "top_provider.max_completion_tokens", top_provider.get("max_completion_tokens")),
        input_modalities=words(parsed, listed_id, "architecture.input_modalities", architecture.get("input_modalities")),
        output_modalities=words(parsed, listed_id, "architecture.output_modalities", architecture.get("output_modalities")),
        capabilities=tuple(sorted(CAPABILITY_OF[word] for word in parameters if word in CAPABILITY_OF)),
        retires_on=retires_on(parsed, listed_id, say("expiration_date")),
        hugging_face_id=clean_text(parsed, listed_id, "hugging_face_id", say("hugging_face_id"), NAME_LIMIT),
        canonical_hint=clean_text(parsed, listed_id, "canonical_slug", alias_target(entry) or say("canonical_slug"), NAME_LIMIT),
        extra=rest(parsed, listed_id, entry, architecture, top_provider, parameters, extra),
    )


def alias_target(entry: dict[str, object]) -> object:
    """The id that an alias (`~lab/m-latest`) stands for at the moment of looking; null where none is named."""
    target = entry.get("alias_target")
    return target.get("slug") if isinstance(target, dict) else None


def retires_on(parsed: Parsed, listed_id: str, found: object) -> date | None:
    """The day on which the model goes; null where none is set, which OpenRouter also spells 2098-12-31."""
    if found is None or found == NO_EXPIRATION:
        return None
    day, precision = day_of(parsed, listed_id, "expiration_date", found)
    if day and precision != "day":
        parsed.odd(listed_id, "expiration_date", found, "not a day")
        return None
    return day


def rest(
    parsed: Parsed,
    listed_id: str,
    entry: dict[str, object],
    architecture: Mapping[str, object],
    top_provider: Mapping[str, object],
    parameters: tuple[str, ...],
    extra: dict[str, object],
) -> str:
    """The text of `extra`: what has no column, and what is not known (which is drift as well). What says nothing is left out."""
    for key in entry.keys() - MODEL_KEYS:
        parsed.drift[f"model.{key}"] += 1
        extra[key] = entry[key]
    pricing = entry.get("pricing")
    said = {
        "alias": listed_id.startswith("~"),
        "alias_target": entry.get("alias_target"),
        "created": entry.get("created"),
        "discount": pricing.get("discount") if isinstance(pricing, dict) else None,
        "instruct_type": architecture.get("instruct_type"),
        "is_moderated": top_provider.get("is_moderated"),
        "reasoning": entry.get("reasoning"),
        "supported_parameters": [word for word in parameters if word not in CAPABILITY_OF],
        "supported_voices": entry.get("supported_voices"),
        "tokenizer": architecture.get("tokenizer"),
    }
    extra.update((key, found) for key, found in said.items() if found)
    if (found := top_provider.get("context_length")) is not None and found != entry.get("context_length"):
        extra["top_provider_context_length"] = found
    defaults = entry.get("default_parameters")
    if isinstance(defaults, dict):
        defaults = {key: found for key, found in defaults.items() if found is not None}
    if defaults:
        extra["default_parameters"] = defaults
    return as_json(extra)


def read_prices(parsed: Parsed, listed_id: str, pricing: object) -> None:
    """Append the prices of one listing: the price list, and what replaces it under a condition."""
    if not isinstance(pricing, dict):
        parsed.reject("price", PROVIDER, listed_id, f"pricing is {kind(pricing)} where an object belongs", pricing)
        return
    for key in REQUIRED_KEYS:
        if key not in pricing:
            unclear = Price(PROVIDER, listed_id, METER_OF[key], "standard", 0, "", "", "", "USD", None, "unknown", None, None)
            parsed.rejects.append(Reject("price", PROVIDER, listed_id, f"pricing has no {key}", as_json(pricing)[:ORIGINAL_LIMIT], unclear))
    overrides = pricing.get("overrides")
    timed = told_by_windows(overrides) if overrides else frozenset()
    for key, found in pricing.items():
        if key in METER_OF:
            if key in timed:
                parsed.price_values += 1
            else:
                quote(parsed, listed_id, key, found)
        elif key not in ("overrides", "discount"):
            parsed.unmap(f"pricing.{key}", found)
    if overrides is None:
        return
    if not isinstance(overrides, list):
        parsed.reject("price", PROVIDER, listed_id, f"pricing.overrides is {kind(overrides)} where an array belongs", overrides)
        return
    for override in overrides:
        read_override(parsed, listed_id, override)


def quote(parsed: Parsed, listed_id: str, key: str, found: object, above: int = 0, window: str = "") -> None:
    """Append the price row of one quoted value, where it says something: -1 is dynamic, an optional 0 or null is nothing."""
    if key in REQUIRED_KEYS:
        if found in ("-1", -1):
            parsed.price_values += 1
            parsed.prices.append(
                Price(PROVIDER, listed_id, METER_OF[key], "standard", above, window, "", "", "USD", None, "dynamic", None, None)
            )
            return
    elif found is None or is_zero(found):
        parsed.price_values += 1
        return
    parsed.quote(PROVIDER, listed_id, METER_OF[key], found, prompt_above_tokens=above, time_window=window)


def is_zero(found: object) -> bool:
    """Whether a quoted value is 0, however it is spelled."""
    try:
        return not exact(found)
    except BadAmount:
        return False


def read_override(parsed: Parsed, listed_id: str, override: object) -> None:
    """Append the prices of one override. It holds where all its conditions do, so one that names an unknown condition has no rule yet."""
    prices = {key: found for key, found in override.items() if key not in CONDITIONS} if isinstance(override, dict) else {}
    strange = sorted(key for key, found in prices.items() if key not in METER_OF and not is_quoted(found))
    if strange:
        parsed.unmap(f"pricing.overrides[{','.join(strange)}]", prices)
        return
    try:
        above, window = conditions(override)
    except ValueError as bad:
        parsed.reject("price", PROVIDER, listed_id, f"an item of pricing.overrides: {bad}", override)
        return
    for key, found in prices.items():
        if key in METER_OF:
            quote(parsed, listed_id, key, found, above, window)
        else:
            parsed.unmap(f"pricing.overrides[].{key}", found)


def is_quoted(found: object) -> bool:
    """Whether a value is spelled as OpenRouter spells prices, a number in text; the values of conditions are numbers and lists."""
    try:
        return isinstance(found, str) and exact(found) is not None
    except BadAmount:
        return False


def conditions(override: object) -> tuple[int, str]:
    """(prompt bound, time window as `HH:MM-HH:MM UTC[ on DAYS UTC]`) of an override: 0 or '' where it has no such condition.

    Documented: the bound is strictly exceeded; the window is daily, UTC, in HHMM, its start inclusive and its end exclusive, past midnight
    where the end is not after the start; the days are those of the request itself, not of the window's start.

    Raises ValueError saying what is wrong: a price whose condition cannot be read must not hold always.
    """
    if not isinstance(override, dict):
        raise ValueError(f"{kind(override)} where an object belongs")
    above, start, end, days = (override.get(key) for key in (BOUND, START, END, DAYS))
    if above is None and start is None and end is None and days is None:
        raise ValueError("no condition that is known")
    if above is None:
        above = 0
    elif isinstance(above, bool) or not isinstance(above, int) or not 0 < above < 2**53:
        raise ValueError(f"{BOUND} {str(above)[:40]!r} is no number of tokens")
    if days is not None and (not isinstance(days, list) or not days or any(day not in WEEK for day in days)):
        raise ValueError(f"{DAYS} {str(days)[:80]!r} are no days of the week")
    window = f"{clock(start)}-{clock(end)} UTC" if start is not None or end is not None else ""
    if days and len(set(days)) < len(WEEK):
        window = f"{window or '00:00-00:00 UTC'} on {','.join(day[:3] for day in WEEK if day in days)} UTC"
    return above, window


def clock(found: object) -> str:
    """`10:00` of 1000. Raises ValueError where it is no time of day."""
    if isinstance(found, bool) or not isinstance(found, int) or not (0 <= found < 2400 and found % 100 < 60):
        raise ValueError(f"{str(found)[:40]!r} is no time of day as HHMM")
    return f"{found // 100:02}:{found % 100:02}"


def told_by_windows(overrides: object) -> frozenset[str]:
    """The price keys whose windows cover the whole week, so that the price list only repeats the one that holds now.

    OpenRouter documents that they do not overlap; what they cover is counted all the same, so that a gap leaves the price list in force.
    """
    covered: Counter[str] = Counter()
    for override in overrides if isinstance(overrides, list) else ():
        if not isinstance(override, dict) or override.keys() - CONDITIONS - METER_OF.keys() or override.get(BOUND) is not None:
            continue
        try:
            _, window = conditions(override)
        except ValueError:
            continue
        minutes = minutes_of(window)
        covered.update({key: minutes for key in override if key in METER_OF})
    return frozenset(key for key, minutes in covered.items() if minutes == WEEK_MINUTES)


def minutes_of(window: str) -> int:
    """How many minutes of a week a window holds; one that ends as it starts lasts the day, and so does none."""
    if not window:
        return WEEK_MINUTES
    times, _, days = window.partition(" on ")
    start, end = (int(time[:2]) * 60 + int(time[3:5]) for time in times.split("-"))
    return ((end - start) % DAY_MINUTES or DAY_MINUTES) * (days.count(",") + 1 if days else len(WEEK))


openrouter = SOURCE = Source(
    PROVIDER,
    "https://openrouter.ai/api/v1/models",
    parse,
    about=__doc__ or "",
    path=lambda _, listed_id: ("data", ("id", listed_id)),
)
