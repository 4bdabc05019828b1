"""Make the bundled recordings from `facts.yml`: each source's own wire shape, for each instant at which it was looked at.

Run `python -m model_assets.recordings.make` after a change of the facts. The same facts give the same bytes.
"""

import gzip
import json
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from model_assets.identity.tables import author_names, provider_of

HERE = Path(__file__).parent
#: every scalar is text, because a price must not pass through a binary float
FACTS: dict[str, Any] = yaml.load((HERE / "facts.yml").read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506 (makes no objects)
#: the sources that sell, in the order of the keys in `meters`
SOURCES = ("models_dev", "openrouter", "litellm", "genai_prices")
PRICED = (*FACTS["meters"], "above", "hours", "batch")
ABILITIES = {"tools": "tools tool_choice", "schema": "response_format structured_outputs", "reasoning": "reasoning include_reasoning"}
Wire = dict[str, Any]


def main(folder: Path = HERE) -> None:
    """Write every recording below `folder`. One that holds the same body already is left as it is, whichever zlib packed it."""
    for source, instants in FACTS["observed"].items():
        for instant in instants:
            path = folder / source / f"{instant}.json.gz"
            body = json.dumps(WIRE_SHAPE[source](instant), separators=(",", ":"), ensure_ascii=False).encode()
            if not path.exists() or gzip.decompress(path.read_bytes()) != body:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file, gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=9, mtime=0) as zipped:
                    zipped.write(body)  # its header has no name and no time


@dataclass
class Offer:
    """What one source says of one seller's id at one instant: the model, and the terms (prices by meter, and their conditions)."""

    seller: str
    id: str
    terms: Wire

    def __post_init__(self) -> None:
        row = FACTS["models"][self.terms["of"]]
        self.author, self.name, self.family, self.released, self.knowledge, tokens, modalities, self.can, self.weights = row
        self.context, self.output = (int(limit) for limit in tokens.split("/"))
        self.takes, self.gives = (side.split("+") for side in modalities.split("->"))


def offers(source: str, instant: str) -> Iterator[Offer]:
    """The offers that `source` lists at `instant`: of sellers it knows, that have appeared and have not vanished."""
    for seller in FACTS["offers"]:
        for listed_id, facts in FACTS["offers"][seller].items():
            doings = {(event.get("does"), event["at"] <= instant) for event in events(source, seller, listed_id)}
            is_there = ("appear", False) not in doings and ("vanish", True) not in doings
            if is_there and source in FACTS["sellers"][seller] and source in facts.get("in", SOURCES):
                yield Offer(seller, listed_id, stated(source, instant, seller, listed_id))


def events(source: str, seller: str, listed_id: str) -> list[Wire]:
    """What happens to an offer in `source`, in order of time."""
    return [e for e in FACTS["events"] if (e["seller"], e["id"]) == (seller, listed_id) and source in e.get("in", SOURCES)]


def stated(source: str, instant: str, seller: str, listed_id: str) -> Wire:
    """The terms of an offer: those of the offer it is priced like, its own, what this source says otherwise, what has changed since."""
    own = FACTS["offers"][seller][listed_id]
    terms = {"of": listed_id}
    if "like" in own:
        theirs = stated(source, instant, *own["like"].split("/", 1))
        terms = {name: theirs[name] for name in theirs if name == "of" or name in PRICED}
    terms |= own | own.get("says", {}).get(source, {})
    for event in events(source, seller, listed_id):
        if event["at"] <= instant:
            terms |= event.get("becomes", {})
    return terms


def quoted(source: str, terms: Wire, suffix: str = "") -> Wire:
    """The prices by meter as `source` quotes them: models.dev and genai-prices per 1M, LiteLLM per unit, OpenRouter per unit as text."""
    quotes: Wire = {}
    for meter, (units, *keys) in FACTS["meters"].items():
        key = keys[SOURCES.index(source)]
        if key and meter in terms:
            each = Decimal(terms[meter]) / int(units)
            if source == "openrouter":
                quotes[key] = f"{each.normalize():f}"  # 0.0000025, never 2.5E-6
            else:
                amount = each if source == "litellm" else Decimal(terms[meter])
                quotes[key + suffix] = int(amount) if amount == amount.to_integral_value() else float(amount)
    return quotes


def halved(terms: Wire) -> Wire:
    """The terms at half the price per token, in every tier; searches and images cost the same."""
    by_token = {meter: Decimal(terms[meter]) / 2 for meter, row in FACTS["meters"].items() if meter in terms and row[0] == "1000000"}
    return terms | by_token | {"above": {start: halved(tier) for start, tier in terms.get("above", {}).items()}}


def models_dev(instant: str) -> Wire:
    """`https://models.dev/api.json`: providers by id, each with its models by id."""
    providers: Wire = {}
    for offer in offers("models_dev", instant):
        about = FACTS["sellers"][offer.seller]["models_dev"]
        providers.setdefault(offer.seller, {"id": offer.seller, **about, "models": {}})["models"][offer.id] = models_dev_model(offer)
    return providers


def models_dev_model(offer: Offer) -> Wire:
    cost = quoted("models_dev", offer.terms)
    tiers = [(int(start), quoted("models_dev", tier)) for start, tier in offer.terms.get("above", {}).items()]
    if tiers:
        cost["tiers"] = [prices | {"tier": {"type": "context", "size": start}} for start, prices in tiers]
        cost["context_over_200k"] = tiers[0][1]
    return {
        "id": offer.id, "name": offer.name, "family": offer.family,
        "attachment": offer.takes != ["text"], "reasoning": "reasoning" in offer.can, "tool_call": "tools" in offer.can,
        **({"structured_output": True} if "schema" in offer.can else {}),
        **({"knowledge": offer.knowledge} if offer.knowledge else {}), "release_date": offer.released, "last_updated": offer.released,
        "modalities": {"input": offer.takes, "output": offer.gives}, "open_weights": bool(offer.weights),
        "limit": {"context": offer.context, "output": offer.output},
        **({"status": offer.terms["status"]} if "status" in offer.terms else {}),
        **({"cost": cost} if {"input", "output"} <= cost.keys() else {}),
    }  # fmt: skip


def models_dev_models(instant: str) -> Wire:
    """`https://models.dev/models.json`: what those sell who made it, by canonical id and without a price."""
    models: Wire = {}
    for offer in offers("models_dev", instant):
        author = author_names().get(offer.author)
        seller = provider_of(offer.seller)
        if author and seller.kind == "maker" and seller.author == author:
            id = f"{author}/{offer.id}"
            weights = {"weights": [{"label": "Hugging Face", "url": f"https://huggingface.co/{offer.weights}"}]} if offer.weights else {}
            models[id] = {key: value for key, value in models_dev_model(offer).items() if key != "cost"} | {"id": id} | weights
    return models


def openrouter(instant: str) -> Wire:
    """`https://openrouter.ai/api/v1/models`: one list, in which a batch price is a twin with an id of its own."""
    data = []
    for offer in offers("openrouter", instant):
        data.append(openrouter_model(offer))
        if "batch" in offer.terms:
            data.append(openrouter_model(Offer(offer.seller, f"{offer.id}:batch", halved(offer.terms))))
    return {"data": data}


def openrouter_model(offer: Offer) -> Wire:
    slug, _, variant = offer.id.partition(":")
    author, tokenizer = FACTS["authors"][offer.author]
    takes = ["file" if kind == "pdf" else kind for kind in offer.takes]
    abilities = [parameter for ability in offer.can.split("+") if ability for parameter in ABILITIES[ability].split()]
    return {
        "id": offer.id, "canonical_slug": slug, "hugging_face_id": offer.weights or None,
        "name": f"{author}: {offer.name}" + (f" ({variant})" if variant else ""),
        "created": int(datetime.fromisoformat(whole_day(offer.released)).replace(tzinfo=UTC).timestamp()), "context_length": offer.context,
        "architecture": {
            "modality": f"{'+'.join(takes)}->{'+'.join(offer.gives)}", "input_modalities": takes, "output_modalities": offer.gives,
            "tokenizer": tokenizer, "instruct_type": None,
        },
        "pricing": openrouter_pricing(offer.terms),
        "top_provider": {"context_length": offer.context, "max_completion_tokens": offer.output or None, "is_moderated": False},
        "per_request_limits": None, "supported_parameters": sorted(["max_tokens", "seed", "stop", "temperature", "top_p", *abilities]),
        "default_parameters": {}, "supported_voices": None, "knowledge_cutoff": whole_day(offer.knowledge) if offer.knowledge else None,
        "expiration_date": offer.terms.get("expiration_date"), "links": {"details": f"/api/v1/models/{slug}/endpoints"},
        **({"reasoning": {"mandatory": False}} if "reasoning" in offer.can else {}),
    }  # fmt: skip


def openrouter_pricing(terms: Wire) -> Wire:
    """Texts per single unit; -1 for a router. Tiers are overrides, and so are windows (HHMM as a number), which cover the whole day."""
    if "dynamic" in terms:
        return {"prompt": "-1", "completion": "-1"}
    overrides: list[Wire] = []
    for start, tier in terms.get("above", {}).items():
        overrides.append({"min_prompt_tokens": int(start), **quoted("openrouter", tier)})
    for window, prices in terms.get("hours", {}).items():
        start, end = (int(time.replace(":", "")) for time in window.split("-"))
        overrides.append({"utc_start": start, "utc_end": end, **quoted("openrouter", prices)})
        overrides.append({"utc_start": end, "utc_end": start, **quoted("openrouter", terms)})
    return quoted("openrouter", terms) | ({"overrides": overrides} if overrides else {})


def whole_day(month: str) -> str:
    """2023-09-30 for 2023-09, since OpenRouter knows only days; a day is itself."""
    return month if len(month) == 10 else f"{month}-{monthrange(int(month[:4]), int(month[5:]))[1]}"


def litellm(instant: str) -> Wire:
    """`model_prices_and_context_window.json`: a specimen, then one row per key."""
    rows: Wire = {"sample_spec": FACTS["sample_spec"]}
    for offer in offers("litellm", instant):
        provider, prefix = FACTS["sellers"][offer.seller]["litellm"]
        rows[prefix + offer.id] = litellm_prices(offer.terms) | {"litellm_provider": provider} | litellm_attributes(offer)
    return rows


def litellm_prices(terms: Wire) -> Wire:
    """Tiers and the batch tier are suffixes of the keys."""
    prices = quoted("litellm", terms)
    for start, tier in terms.get("above", {}).items():
        prices |= quoted("litellm", tier, f"_above_{int(start) // 1000}k_tokens")
    half = halved(terms) if "batch" in terms else {}
    return prices | quoted("litellm", {meter: half[meter] for meter in ("input", "output") if half}, "_batches")


def litellm_attributes(offer: Offer) -> Wire:
    supports = {
        "function_calling": "tools" in offer.can, "response_schema": "schema" in offer.can, "reasoning": "reasoning" in offer.can,
        "vision": "image" in offer.takes, "pdf_input": "pdf" in offer.takes, "audio_input": "audio" in offer.takes,
        "audio_output": "audio" in offer.gives, "prompt_caching": "cache_read" in offer.terms,
    }  # fmt: skip
    limits = {"max_input_tokens": offer.context, "max_output_tokens": offer.output, "max_tokens": offer.output} if offer.context else {}
    ends = {name: offer.terms[name] for name in offer.terms if name == "deprecation_date"}
    mode = {"mode": "image_generation" if offer.gives == ["image"] else "chat"}
    return mode | limits | ends | {f"supports_{what}": True for what in supports if supports[what]}


def genai_prices(instant: str) -> list[Wire]:
    """genai-prices' `data.json`: a list of providers, each with its list of models."""
    providers: Wire = {}
    for offer in offers("genai_prices", instant):
        models = providers.setdefault(offer.seller, FACTS["sellers"][offer.seller]["genai_prices"] | {"models": []})["models"]
        about = {"id": offer.id, "name": offer.name, "match": {"equals": offer.id}, "context_window": offer.context}
        models.append(about | {"prices": dated_and_timed(offer.terms)})
    return list(providers.values())


def dated_and_timed(terms: Wire) -> Wire | list[Wire]:
    """One object of prices, or a list of them, of which the last whose constraint holds is meant. The first has none: it is the
    price before all dates, or outside of the other's window (so the cheap hours come first, and the standard price is timed)."""
    entries: list[Wire] = [{"prices": tiered(terms)}]
    for day, prices in terms.get("before", {}).items():
        entries = [{"prices": tiered(prices)}, {"constraint": {"start_date": day}, **entries[0]}]
    for window, prices in terms.get("hours", {}).items():
        start, end = window.split("-")
        entries = [{"prices": tiered(prices)}, {"constraint": {"start_time": f"{end}:00Z", "end_time": f"{start}:00Z"}, **entries[0]}]
    for day, prices in terms.get("from", {}).items():
        entries.append({"constraint": {"start_date": day}, "prices": tiered(prices)})
    return entries if len(entries) > 1 else entries[0]["prices"]


def tiered(terms: Wire) -> Wire:
    """Each price a number, or its base and the tiers that replace it."""
    prices = quoted("genai_prices", terms)
    for start, tier in terms.get("above", {}).items():
        for key, price in quoted("genai_prices", tier).items():
            prices[key] = {"base": prices[key], "tiers": [{"start": int(start), "price": price}]}
    return prices


WIRE_SHAPE: dict[str, Callable[[str], object]] = {
    "models_dev_models": models_dev_models,
    **dict(zip(SOURCES, (models_dev, openrouter, litellm, genai_prices), strict=True)),
}

if __name__ == "__main__":
    main()
