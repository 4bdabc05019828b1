"""models.dev's list of models: what exists, whoever sells it.

Source  https://models.dev/models.json (public, no key, rebuilt on every merge into anomalyco/models.dev, since 2026-06)
Grain   one listing per model; no prices, since nobody sells here
Units   limits in tokens
Past    not served: a missed day is loaded from a recording or stays missing

The provider of every listing is `models.dev`, its id the canonical one, `author/name`. Benchmarks stand in the payload and are left there.
"""

import json

from model_assets.contracts import Listing
from model_assets.errors import BadPayload
from model_assets.sources.base import Parsed, Source, as_json, clean_text, id_problem, kind, mapping
from model_assets.sources.models_dev import MODEL_KEYS, listing

PROVIDER = "models.dev"
DOCS_URL = "https://models.dev"
HUGGING_FACE = "https://huggingface.co/"
#: Known besides those of a provider's model. `benchmarks` are scores, no attributes of the model: they stay in the raw payload.
OWN_KEYS = frozenset({"license", "links", "weights", "benchmarks"})


def parse(payload: object) -> Parsed:
    """One listing per canonical id, and no price. An entry that is broken is rejected by itself."""
    parsed = Parsed()
    for listed_id, entry in mapping(payload, "models.dev's models.json").items():
        problem = id_problem(listed_id) or (None if isinstance(entry, dict) else f"{kind(entry)} where a model belongs")
        if not problem and not all(listed_id.partition("/")):
            problem = "an id without an author before a slash"
        if problem or not isinstance(entry, dict):
            parsed.reject("listing", PROVIDER, None if id_problem(listed_id) else listed_id, problem or "", entry)
            continue
        parsed.listings.append(canonical(parsed, listed_id, entry))
    if not parsed.listings:
        raise BadPayload("models.dev's models.json lists no model. Look at it in raw; an empty list never means that all models are gone.")
    return parsed


def canonical(parsed: Parsed, listed_id: str, entry: dict[str, object]) -> Listing:
    """What models.dev says of a model, whoever sells it: as of a provider's model, with author, licence and weights.

    A price would be nobody's: it is reported, as a price key that no rule maps.
    """
    if "cost" in entry:
        parsed.unmap("model.cost", entry["cost"])
    extra = {key: entry[key] for key in ("links", "weights") if entry.get(key)}
    common = listing(parsed, PROVIDER, listed_id, {key: entry[key] for key in entry.keys() & MODEL_KEYS}, DOCS_URL)
    for key in entry.keys() - MODEL_KEYS - OWN_KEYS:
        parsed.drift[f"model.{key}"] += 1
        extra[key] = entry[key]
    return common._replace(
        author=listed_id.partition("/")[0],
        license=clean_text(parsed, listed_id, "license", entry.get("license")),
        hugging_face_id=weights(entry.get("weights")),
        extra=as_json(json.loads(common.extra) | extra),
    )


def weights(found: object) -> str | None:
    """The id on Hugging Face that the first link to weights there names; null where none does."""
    for link in found if isinstance(found, list) else []:
        url = link.get("url") if isinstance(link, dict) else None
        if isinstance(url, str) and url.startswith(HUGGING_FACE) and not id_problem(id := url.removeprefix(HUGGING_FACE).strip("/")):
            return id
    return None


models_dev_models = SOURCE = Source(
    "models_dev_models", "https://models.dev/models.json", parse, about=__doc__ or "", path=lambda _, listed_id: (listed_id,)
)
