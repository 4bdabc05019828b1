"""LiteLLM: the price map that its gateway bills by, for the models of some hundred providers.

Source  https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json (public, no key, many changes a day)
Grain   one listing per key of the map, as it is spelled there; one price per listing, meter and condition
Units   quoted as USD per single unit (token, second, image, query), in JSON numbers with a float's noise; returned exact, per meter's unit
Past    not served: a missed day is loaded from a recording or stays missing

A price's key is a base (`input_cost_per_token`) with conditions behind it in any order (`_above_200k_tokens_batches`). The provider is
`litellm_provider`, never the prefix of the key. Multipliers (`provider_specific_entry`, `regional_*_uplift_multiplier`) are no prices: they
stay in `extra`. A 0 is free, as the source says it.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from model_assets.contracts import Listing
from model_assets.errors import BadPayload
from model_assets.sources.amounts import BadAmount, exact
from model_assets.sources.base import Parsed, Source, as_json, clean_text, day_of, id_problem, kind, mapping, tokens, words

#: Documentation in the shape of a model, and rules for naming models: neither is one.
NOT_MODELS = frozenset({"sample_spec", "fallback_generalizations"})
#: Modes in which text goes in and comes out, so that a model without such a price has an unknown one.
TEXT_MODES = frozenset({"chat", "completion", "responses"})


class Meaning(NamedTuple):
    """What a price's key says: the meter and the conditions. `scale` and `second_name`: see BASES."""

    meter: str
    detail: str = ""
    currency: str = "USD"
    scale: int | None = None
    second_name: bool = False
    service_tier: str = "standard"
    prompt_above_tokens: int = 0


#: `scale` is set where the key itself names another unit than a single one. A `second_name` says what another key says, which counts.
BASES = {
    "input_cost_per_token": Meaning("input"),
    "output_cost_per_token": Meaning("output"),
    "output_cost_per_reasoning_token": Meaning("reasoning"),
    "cache_read_input_token_cost": Meaning("cache_read"),
    "input_cost_per_token_cache_hit": Meaning("cache_read", second_name=True),
    "explicit_cache_read_input_token_cost": Meaning("cache_read", "explicit"),
    "cache_creation_input_token_cost": Meaning("cache_write_5m"),
    "cache_creation_input_audio_token_cost": Meaning("cache_write_audio"),
    "cache_read_input_audio_token_cost": Meaning("cache_read_audio"),
    "cache_read_input_token_cost_per_audio_token": Meaning("cache_read_audio", second_name=True),
    "cache_read_input_image_token_cost": Meaning("cache_read_image"),
    "input_cost_per_audio_token": Meaning("input_audio"),
    "output_cost_per_audio_token": Meaning("output_audio"),
    "input_cost_per_image_token": Meaning("input_image"),
    "output_cost_per_image_token": Meaning("output_image"),
    "input_cost_per_video_token": Meaning("input_video"),
    "output_cost_per_video_token": Meaning("output_video"),
    "citation_cost_per_token": Meaning("citation"),
    "input_cost_per_character": Meaning("input_character"),
    "output_cost_per_character": Meaning("output_character"),
    "input_cost_per_image": Meaning("input_image_unit"),
    "output_cost_per_image": Meaning("image"),
    "input_cost_per_pixel": Meaning("input_pixel"),
    "output_cost_per_pixel": Meaning("output_pixel"),
    "cost_per_second": Meaning("second"),
    "input_cost_per_second": Meaning("second", "input"),
    "output_cost_per_second": Meaning("second", "output"),
    "input_cost_per_audio_per_second": Meaning("input_audio_second"),
    "input_cost_per_video_per_second": Meaning("input_video_second"),
    "output_cost_per_video_per_second": Meaning("video_second"),
    "input_cost_per_query": Meaning("query"),
    "input_cost_per_request": Meaning("request"),
    "input_cost_per_text_message": Meaning("message"),
    "ocr_cost_per_page": Meaning("page"),
    "annotation_cost_per_page": Meaning("annotated_page"),
    "ocr_cost_per_credit": Meaning("credit"),
    "code_interpreter_cost_per_session": Meaning("session"),
    "google_maps_grounding_cost_per_query": Meaning("map_search"),
    "search_context_cost_per_query": Meaning("web_search"),
    "guardrail_cost_per_unit": Meaning("guardrail_unit"),
    "input_dbu_cost_per_token": Meaning("input", currency="DBU"),
    "output_dbu_cost_per_token": Meaning("output", currency="DBU"),
    "computer_use_input_cost_per_1k_tokens": Meaning("input", "computer use", scale=1_000),
    "computer_use_output_cost_per_1k_tokens": Meaning("output", "computer use", scale=1_000),
    "file_search_cost_per_1k_calls": Meaning("file_search", scale=1),
    "file_search_cost_per_gb_per_day": Meaning("gigabyte_day", "file search"),
    "vector_store_cost_per_gb_per_day": Meaning("gigabyte_day", "vector store"),
}
#: What lasts the second depends on what the model makes.
BASES_IN_MODE = {
    ("input_cost_per_second", "audio_transcription"): Meaning("input_audio_second"),
    ("output_cost_per_second", "video_generation"): Meaning("video_second"),
    ("output_cost_per_second", "audio_speech"): Meaning("audio_second"),
}
#: Where an image generator has no output price per image, LiteLLM charges its "input" price for each image made.
CHARGED_FOR_WHAT_IS_MADE = {"input_cost_per_image": "output_cost_per_image", "input_cost_per_pixel": "output_cost_per_pixel"}
CACHE_WRITES = {"1": "cache_write_1h", "12": "cache_write_12h"}
COME_IN_SIZES = frozenset({"image", "video_second", "second"})
CONDITION = re.compile(
    r"(?P<base>.+?)_(?:"
    r"above_(?P<thousands>\d{1,9})k_tokens|above_(?P<hours>1|12)hr|(?P<tier>batches|batch_requests|flex|priority|ultrafast|balanced|decisions)"
    r"|(?P<size>\d{3,4}p?|\d(?:\.\d)?[kK])|above_(?P<pixels>\d+_and_\d+)_pixels|above_(?P<interval>\d+)s_interval"
    r"|(?:and_)?(?P<premium>premium)_image)"
)
HOLDS_A_PRICE = re.compile("cost|price|pricing")
LONGEST_KEY = 200


@lru_cache(maxsize=8192)
def meaning(key: str, mode: str | None) -> Meaning | None:
    """What the key of a price says in an entry of that mode; null where the grammar does not know it: nothing is guessed."""
    base, said = key, dict[str, str]()
    while base not in BASES:
        condition = CONDITION.fullmatch(base) if len(base) <= LONGEST_KEY else None
        if condition is None:
            return None
        base = condition["base"]
        more = {name: value for name, value in condition.groupdict().items() if value and name != "base"}
        if said.keys() & more.keys():
            return None
        said |= more
    known = BASES_IN_MODE.get((base, mode or "")) or BASES[base]
    if ("hours" in said and known.meter != "cache_write_5m") or ("size" in said and known.meter not in COME_IN_SIZES):
        return None
    details = (
        known.detail,
        said.get("size"),
        "pixels" in said and f"above {said['pixels'].replace('_and_', 'x')} pixels",
        "interval" in said and f"above {said['interval']} s",
        said.get("premium"),
    )
    tier = said.get("tier", "standard")
    return known._replace(
        meter=CACHE_WRITES[said["hours"]] if "hours" in said else known.meter,
        detail=", ".join(detail for detail in details if detail),
        service_tier="batch" if tier in ("batches", "batch_requests") else tier,
        prompt_above_tokens=int(said.get("thousands", 0)) * 1_000,
        second_name=known.second_name or tier == "batch_requests",
    )


#: Read by name in `listing`, or in `Quotes`.
READ = frozenset({
    "litellm_provider", "mode", "max_input_tokens", "max_output_tokens", "max_tokens", "deprecation_date", "source", "supported_modalities",
    "supported_output_modalities", "tiered_pricing", "off_peak_pricing", "guardrail_cost_per_unit", "search_context_cost_per_query",
})  # fmt: skip
#: Known, and kept in `extra` as they are.
KEPT = frozenset({
    "aliases", "audio_transcription_config", "bedrock_converse_supports_strict_tools", "bedrock_output_config_effort_ceiling", "comment",
    "default_reasoning_effort", "gemini_audio_only_live", "gemini_native_audio", "max_audio_length_hours", "max_audio_per_prompt",
    "max_document_chunks_per_query", "max_images_per_prompt", "max_pdf_size_mb", "max_query_tokens", "max_tokens_per_document_chunk",
    "max_video_length", "max_videos_per_prompt", "metadata", "output_vector_size", "prompt_cache_min_tokens", "provider_specific_entry",
    "reasoning_contexts", "reasoning_effort_levels", "reasoning_modes", "regional_endpoint_uplift_multiplier",
    "regional_processing_uplift_multiplier_eu", "regional_processing_uplift_multiplier_us", "rpd", "rpm", "search_free_requests",
    "supported_audio_formats", "supported_endpoints", "supported_regions", "supported_resolutions", "thinking_always_on",
    "token_count_framing", "token_count_model", "token_count_tokenizer", "tool_use_system_prompt_tokens", "tpm",
    "use_openai_responses_path", "uses_embed_content", "vertex_ai_audio_api", "web_search_billing_unit",
})  # fmt: skip
INPUTS = {
    "supports_vision": "image",
    "supports_image_input": "image",
    "supports_embedding_image_input": "image",
    "supports_audio_input": "audio",
    "supports_pdf_input": "pdf",
    "supports_video_input": "video",
}
OUTPUTS = {"supports_audio_output": "audio"}
CAPABILITIES = {"supports_function_calling": "tool_call", "supports_response_schema": "structured_output"}


def parse(payload: object) -> Parsed:
    """One listing per key of the map, and its prices. An entry that is broken is rejected by itself."""
    parsed = Parsed()
    for listed_id, entry in mapping(payload, "LiteLLM's price map").items():
        if listed_id in NOT_MODELS:
            continue
        provider = entry.get("litellm_provider") if isinstance(entry, dict) else None
        named = listed_id if id_problem(listed_id) is None else None
        if not isinstance(entry, dict) or not isinstance(provider, str) or id_problem(provider):
            why = f"litellm_provider: {id_problem(provider)}" if isinstance(entry, dict) else f"{kind(entry)} where a model belongs"
            parsed.reject("listing", None, named, why, {listed_id: entry})
            continue
        if named is None:
            parsed.reject("listing", provider, None, str(id_problem(listed_id)), {listed_id: entry})
            continue
        mode = clean_text(parsed, listed_id, "mode", entry.get("mode"), 100)
        parsed.listings.append(listing(parsed, provider, listed_id, entry, mode))
        Quotes(parsed, provider, listed_id, mode).read(entry)
    if not parsed.listings:
        raise BadPayload("LiteLLM's price map lists no model. Look at the payload in raw; an empty map never means that all are gone.")
    return parsed


def listing(parsed: Parsed, provider: str, listed_id: str, entry: dict[str, object], mode: str | None) -> Listing:
    """What LiteLLM says about one model besides its prices. It has no names and no authors, and the prompt's limit, not the context's."""
    say = entry.get
    extra: dict[str, object] = {"mode": mode} if mode else {}
    inputs, outputs, capabilities = set[str](), set[str](), set[str]()
    for key, found in entry.items():
        if key in READ or meaning(key, mode):
            continue
        if key.startswith("supports_"):
            if found is True:
                supported(parsed, listed_id, key, inputs, outputs, capabilities)
            elif found is False:
                extra[key] = False
            elif found is not None:
                parsed.odd(listed_id, key, found, f"{kind(found)} where yes or no belongs")
        elif found is not None:
            extra[key] = found
            if key not in KEPT:
                parsed.drift[key[:LONGEST_KEY]] += 1
    if mode in TEXT_MODES:  # the flags name only what is special: a chat model that "supports vision" reads text too
        inputs |= {"text"} if inputs else set()
        outputs |= {"text"} if outputs else set()
    inputs.update(words(parsed, listed_id, "supported_modalities", say("supported_modalities")))
    outputs.update(words(parsed, listed_id, "supported_output_modalities", say("supported_output_modalities")))
    retires_on, precision = day_of(parsed, listed_id, "deprecation_date", say("deprecation_date"))
    if retires_on and precision != "day":
        parsed.odd(listed_id, "deprecation_date", say("deprecation_date"), "not a day")
        retires_on = None
    return Listing(
        provider=provider,
        listed_id=listed_id,
        max_input_tokens=tokens(parsed, listed_id, "max_input_tokens", say("max_input_tokens")),
        max_output_tokens=longest_answer(parsed, listed_id, entry, mode, extra),
        input_modalities=tuple(sorted(inputs)),
        output_modalities=tuple(sorted(outputs)),
        capabilities=tuple(sorted(capabilities)),
        retires_on=retires_on,
        docs_url=web_address(parsed, listed_id, say("source"), extra),
        extra=as_json(extra),
    )


def supported(parsed: Parsed, listed_id: str, key: str, inputs: set[str], outputs: set[str], capabilities: set[str]) -> None:
    """Sort one `supports_...: true` into what goes in, what comes out, and what else the model can do."""
    if key in INPUTS:
        inputs.add(INPUTS[key])
    elif key in OUTPUTS:
        outputs.add(OUTPUTS[key])
    elif id_problem(key) or len(key) > LONGEST_KEY or key == "supports_":
        parsed.odd(listed_id, "supports_", ascii(key[:LONGEST_KEY]), "not the name of a capability")
    else:
        capabilities.add(CAPABILITIES.get(key) or key.removeprefix("supports_"))


def longest_answer(parsed: Parsed, listed_id: str, entry: dict[str, object], mode: str | None, extra: dict[str, object]) -> int | None:
    """`max_output_tokens`, or for text models the older `max_tokens`, which is kept in `extra` where it says something else."""
    legacy, answer = entry.get("max_tokens"), entry.get("max_output_tokens")
    if answer is None and mode in ("chat", "completion"):
        return tokens(parsed, listed_id, "max_tokens", legacy)
    if legacy is not None and legacy != answer:
        extra["max_tokens"] = legacy
    return tokens(parsed, listed_id, "max_output_tokens", answer)


def web_address(parsed: Parsed, listed_id: str, found: object, extra: dict[str, object]) -> str | None:
    """Where LiteLLM has its numbers from; prose ("As of Jun, 2024 ...") goes to `extra`."""
    text = clean_text(parsed, listed_id, "source", found, 2_000)
    if text is None or (text.startswith(("https://", "http://")) and not any(sign in text for sign in ' \n\r\t"<>')):
        return text
    extra["source"] = text
    return None


class Quotes:
    """The prices of one entry. `said` holds each condition that has a price already, with the value it was given first."""

    def __init__(self, parsed: Parsed, provider: str, listed_id: str, mode: str | None) -> None:
        self.parsed, self.provider, self.listed_id, self.mode = parsed, provider, listed_id, mode
        self.said: dict[tuple[object, ...], object] = {}

    def read(self, entry: dict[str, object]) -> None:
        """Append the rows of all prices of an entry, and say `unknown` where a price must exist and is not there."""
        rejected = len(self.parsed.rejects)
        second_names = []
        for key, found in entry.items():
            if key in READ:
                continue
            means = meaning(self._read_as(key, entry), self.mode)
            if means is not None and means.second_name:
                second_names.append((key, means, found))
            elif means is not None:
                self._say(key, means, found)
            elif key not in KEPT and not isinstance(found, bool) and HOLDS_A_PRICE.search(key):
                self.parsed.unmap(key[:LONGEST_KEY], found)
        for key, means, found in second_names:
            self._say(key, means, found)
        self._read_tables(entry)
        if not any(reject.row is None for reject in self.parsed.rejects[rejected:]):  # else all its prices are in doubt
            self._say_unknown()

    def _read_as(self, key: str, entry: dict[str, object]) -> str:
        if self.mode == "image_generation" and key in CHARGED_FOR_WHAT_IS_MADE and CHARGED_FOR_WHAT_IS_MADE[key] not in entry:
            return CHARGED_FOR_WHAT_IS_MADE[key]
        return key

    def _say(self, path: str, means: Meaning, found: object, above: int = 0, detail: str = "", window: str = "") -> None:
        above, detail = above or means.prompt_above_tokens, detail or means.detail
        condition = (means.meter, means.service_tier, above, window, detail, means.currency)
        if condition in self.said:
            self.parsed.price_values += 1
            if not same_amount(self.said[condition], found):
                self.parsed.odd(self.listed_id, path, found, "another key says something else of the same price, which is kept")
            return
        self.said[condition] = found
        self.parsed.quote(
            self.provider, self.listed_id, means.meter, found, means.scale, service_tier=means.service_tier, prompt_above_tokens=above,
            time_window=window, detail=detail, currency=means.currency,
        )  # fmt: skip

    def _say_unknown(self) -> None:
        if not self.said:
            self.parsed.state_only(self.provider, self.listed_id, ("input", "output"), "unknown")
        elif self.mode in TEXT_MODES:
            missing = [meter for meter in ("input", "output") if (meter, "standard", 0, "", "", "USD") not in self.said]
            self.parsed.state_only(self.provider, self.listed_id, missing, "unknown")

    def _reject(self, reason: str, found: object) -> None:
        self.parsed.reject("price", self.provider, self.listed_id, reason, found)

    def _read_tables(self, entry: dict[str, object]) -> None:
        if entry.get("search_context_cost_per_query") is not None:
            self._read_details("search_context_cost_per_query", entry["search_context_cost_per_query"], "search_context_size_")
        if entry.get("guardrail_cost_per_unit") is not None:
            self._read_details("guardrail_cost_per_unit", entry["guardrail_cost_per_unit"], "")
        if entry.get("tiered_pricing") is not None:
            self._read_tiers(entry["tiered_pricing"])
        if entry.get("off_peak_pricing") is not None:
            self._read_off_peak(entry["off_peak_pricing"])

    def _read_details(self, path: str, found: object, prefix: str) -> None:
        """One price per key of an object; the key, without its prefix, is the detail."""
        if not isinstance(found, dict):
            self._say(path, BASES[path], found)
            return
        for key, amount in found.items():
            detail = key.removeprefix(prefix)
            if not key.startswith(prefix) or id_problem(detail) or len(detail) > LONGEST_KEY:
                self.parsed.unmap(f"{path}.{key[:LONGEST_KEY]}", amount)
            else:
                self._say(f"{path}.{key}", BASES[path], amount, detail=detail)

    def _read_tiers(self, tiers: object) -> None:
        """`[{range: [from, to], ...prices}]`: from so many tokens of prompt on; `max_results_range`: for so many results of a search."""
        for tier in tiers if isinstance(tiers, list) else [tiers]:
            if not isinstance(tier, dict):
                self._reject(f"tiered_pricing holds {kind(tier)} where a tier belongs", tiers)
                continue
            limits = tier.keys() & {"range", "max_results_range"}
            if len(limits) != 1:
                self.parsed.unmap("tiered_pricing[]", tier)
                continue
            limit = limits.pop()
            bounds = whole_bounds(tier[limit])
            if bounds is None:
                self._reject(f"tiered_pricing has a {limit} that is no pair of whole numbers", tier)
                continue
            above, detail = (bounds[0], "") if limit == "range" else (0, f"results {bounds[0]}-{bounds[1]}")
            for key, found in tier.items():
                means = meaning(key, self.mode)
                if means is not None and not (above and means.prompt_above_tokens) and not (detail and means.detail):
                    self._say(f"tiered_pricing[].{key}", means, found, above=above, detail=detail)
                elif key != limit:
                    self.parsed.unmap(f"tiered_pricing[].{key[:LONGEST_KEY]}", found)

    def _read_off_peak(self, block: object) -> None:
        """Prices that hold in each of some windows of the day, instead of the others."""
        if not isinstance(block, dict):
            self._reject(f"off_peak_pricing is {kind(block)} where an object belongs", block)
            return
        windows = list(time_windows(block))
        for key, found in block.items():
            if key in ("hours_utc", "weekdays", "weekday_timezone", "windows"):
                continue
            means = meaning(key, self.mode)
            if means is None or not windows or None in windows:
                self.parsed.unmap(f"off_peak_pricing.{key[:LONGEST_KEY]}", found)
                continue
            for window in windows:
                self._say(f"off_peak_pricing.{key}", means, found, window=window or "")


def same_amount(one: object, other: object) -> bool:
    """Whether two quotes say the same, whatever their spelling and a float's noise."""
    try:
        return one == other or exact(one) == exact(other)
    except BadAmount:
        return False


def whole_bounds(found: object) -> tuple[int, int] | None:
    """`[from, to]` as whole numbers; null where they are not a range."""
    if not isinstance(found, list) or len(found) != 2:
        return None
    for bound in found:
        if isinstance(bound, bool) or not isinstance(bound, int | Decimal) or not 0 <= bound < 2**53 or bound != int(bound):
            return None
    low, high = int(found[0]), int(found[1])
    return (low, high) if low < high else None


HOURS = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d-(?:[01]\d|2[0-3]):[0-5]\d")
ZONE = re.compile(r"[A-Za-z0-9_/+-]{1,40}")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def time_windows(block: dict[str, object]) -> Iterator[str | None]:
    """Each window of an `off_peak_pricing` as `HH:MM-HH:MM UTC[ on DAYS ZONE]`; null for one that cannot be read.

    A window that ends where it starts lasts all day. The hours are UTC; in which zone a weekday begins is `weekday_timezone`, else UTC too.
    """
    zone = block.get("weekday_timezone", "UTC")
    zone_is_one = isinstance(zone, str) and ZONE.fullmatch(zone)
    listed = block.get("windows", [])
    for window in [*([block] if "hours_utc" in block else []), *(listed if isinstance(listed, list) else [listed])]:
        hours = window.get("hours_utc") if isinstance(window, dict) else None
        days = weekdays(window.get("weekdays")) if isinstance(window, dict) else None
        for hour in hours if isinstance(hours, list) else [hours]:
            if days is None or not zone_is_one or not isinstance(hour, str) or not HOURS.fullmatch(hour):
                yield None
            else:
                yield f"{hour} UTC on {days} {zone}" if days else f"{hour} UTC"


def weekdays(found: object) -> str | None:
    """`1` (Monday) to `7`, or names of days, as `mon,tue`; empty for every day, null where something else stands there."""
    if found is None:
        return ""
    days = set()
    for day in found if isinstance(found, list) else [None]:
        if isinstance(day, int) and not isinstance(day, bool) and 1 <= day <= 7:
            days.add(day)
        elif isinstance(day, str) and day.lower()[:3] in WEEKDAYS:
            days.add(WEEKDAYS.index(day.lower()[:3]) + 1)
        else:
            return None
    if not days:
        return None
    return ",".join(WEEKDAYS[day - 1] for day in sorted(days)) if len(days) < 7 else ""


URL = "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json"
SOURCE = Source("litellm", URL, parse, about=__doc__ or "", path=lambda _, listed_id: (listed_id,))
