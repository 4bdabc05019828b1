"""models.dev's list of models: what exists, whoever sells it.

Source  https://models.dev/models.json (public, no key, rebuilt on every merge into anomalyco/models.dev, since 2026-06)
Grain   one listing per model, and one score per benchmark result that it quotes; no prices, since nobody sells here
Units   limits in tokens; what a score counts is in its metric
Past    not served: a missed day is loaded from a recording or stays missing

The provider of every listing is `models.dev`, its id the canonical one, `author/name`.

Benchmark results are quoted from elsewhere, each with its source. models.dev names them in words (`SWE-Bench Pro`, `resolve rate`); a metric that
is a rate counts percent. A `variant` that is a level of effort is the effort; a `dataset` is the split.
"""

import json

from model_assets.contracts import Listing
from model_assets.errors import BadPayload
from model_assets.sources.base import Parsed, Source, as_json, clean_text, id_problem, kind, mapping
from model_assets.sources.models_dev import MODEL_KEYS, listing
from model_assets.sources.scores import benchmark_named, put, run_of

PROVIDER = "models.dev"
DOCS_URL = "https://models.dev"
HUGGING_FACE = "https://huggingface.co/"
#: Known besides those of a provider's model. `benchmarks` are scores, no attributes of the model.
OWN_KEYS = frozenset({"license", "links", "weights", "benchmarks"})
RESULT_KEYS = frozenset({"name", "score", "metric", "harness", "variant", "dataset", "version", "source", "date"})
#: metric -> unit; one that is not here counts points of the benchmark's own
UNITS = {
    "percent correct": "pct",
    "pass@1": "pct",
    "average pass@1": "pct",
    "success rate": "pct",
    "resolved": "pct",
    "resolve rate": "pct",
    "index": "index",
}
EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})


def parse(payload: object) -> Parsed:
    """One listing per canonical id, and no price. An entry that is broken is rejected by itself."""
    parsed = Parsed()
    for listed_id, entry in mapping(payload, "models.dev's models.json").items():
        problem = id_problem(listed_id) or (None if isinstance(entry, dict) else f"{kind(entry)} where a model belongs")
        if not problem and not all(listed_id.partition("/")):
            problem = "an id without an author before a slash"
        if problem or not isinstance(entry, dict):
            known = None if id_problem(listed_id) else listed_id
            parsed.reject("listing", PROVIDER, known, problem or "", entry)
            parsed.reject("score", None, known, problem or "", entry)
            continue
        parsed.listings.append(canonical(parsed, listed_id, entry))
        scores(parsed, listed_id, entry.get("benchmarks"))
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


def scores(parsed: Parsed, listed_id: str, found: object) -> None:
    """Append the results that an entry quotes. One that is broken is rejected by itself; without a name, all of the model's are in doubt."""
    if found is not None and not isinstance(found, list):
        parsed.reject("score", None, listed_id, f"benchmarks: {kind(found)} where a list belongs", found)
        return
    for result in found or []:
        name = result.get("name") if isinstance(result, dict) else None
        benchmark, version, split = benchmark_named(name) if isinstance(name, str) else ("", "", "")
        if not isinstance(result, dict) or id_problem(benchmark):
            parsed.reject("score", None, listed_id, "a benchmark result without the name of the benchmark", result)
            continue
        for key in result.keys() - RESULT_KEYS:
            parsed.drift[f"model.benchmarks.{key}"] += 1
        _result(parsed, listed_id, result, (benchmark, version, split))


def _result(parsed: Parsed, listed_id: str, result: dict[str, object], named: tuple[str, str, str]) -> None:
    benchmark, version, split = named
    metric, variant = result.get("metric") or "score", result.get("variant")
    stated = variant.lower() if isinstance(variant, str) and variant.lower() in EFFORTS else ""
    if problem := id_problem(metric):
        parsed.reject("score", benchmark, listed_id, f"metric: {problem}", result)
        return
    run = run_of(
        parsed,
        benchmark,
        listed_id,
        version=result.get("version") or version,
        split=result.get("dataset") or split,
        harness=result.get("harness"),
        effort=stated,
        variant=None if stated else variant,
        date=result.get("date"),
        url=result.get("source"),
        extra={"name": result["name"], **{key: result[key] for key in result.keys() - RESULT_KEYS}},
    )
    if run:
        put(parsed, run, str(metric), UNITS.get(str(metric), "score"), result.get("score"))


def weights(found: object) -> str | None:
    """The id on Hugging Face that the first link to weights there names; null where none does."""
    for link in found if isinstance(found, list) else []:
        url = link.get("url") if isinstance(link, dict) else None
        if isinstance(url, str) and url.startswith(HUGGING_FACE) and not id_problem(id := url.removeprefix(HUGGING_FACE).strip("/")):
            return id
    return None


models_dev_models = SOURCE = Source(
    "models_dev_models", "https://models.dev/models.json", parse, about=__doc__ or "", path=lambda _, listed_id: (listed_id,), kind="models"
)
