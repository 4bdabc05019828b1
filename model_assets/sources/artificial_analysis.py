"""Artificial Analysis: indices and benchmark results of models, measured by one house in one way. Off without a key.

Source  https://artificialanalysis.ai/api/v2/data/llms/models (key in ARTIFICIAL_ANALYSIS_API_KEY; asks to be named)
Grain   one score per model, level of reasoning and evaluation
Units   indices from 0 to 100, and fractions from 0 to 1, side by side in one object; dollars that an index took to run
Past    not served: a missed day is loaded from a recording or stays missing

Each level of reasoning is an entry by itself, its name ending in brackets: `GPT-5.5 (xhigh)` is the model GPT-5.5 at the effort xhigh. Prices are
left in the payload: a 0 there may mean unknown. So is speed, which differs on every look. Where the answer comes in pages, the payload is
gathered from all of them; one page alone is refused.
"""

import re
from collections.abc import Mapping, Sequence

from model_assets.contracts import Score
from model_assets.errors import BadPayload
from model_assets.fetching import strict_json
from model_assets.settings import read_settings
from model_assets.sources.base import Ask, Parsed, Source, id_problem, kind, mapping, sequence
from model_assets.sources.gathered import Part, Request, known_parts, pack, part_of, parts
from model_assets.sources.scores import benchmark_named, put, run_of, split_mode

URL = "https://artificialanalysis.ai/api/v2/data/llms/models"
MOST_PAGES = 100
INDEX = "artificial_analysis_"
#: the evaluations that are fractions; those that begin with `artificial_analysis_` and end with `_index` are indices
FRACTIONS = frozenset(
    {
        "mmlu_pro", "gpqa", "hle", "livecodebench", "scicode", "math_500", "aime", "aime_25", "ifbench", "lcr", "terminalbench_hard",
        "terminalbench_v2_1", "tau2", "tau_banking",
    }
)  # fmt: skip
COST = "artificial_analysis_intelligence_index_cost"
#: families whose reasoning models are weights of their own beside those for instructions, where others only have a mode of one model
_OWN_WEIGHTS = re.compile(r"Qwen3 (?:VL|Next|Omni)\b.*|Qwen3 .* 2507")
#: prices and what was measured of speed
LEFT_OUT = frozenset(
    {
        "pricing", "performance", "median_output_tokens_per_second", "median_time_to_first_token_seconds", "median_time_to_first_answer_token",
    }
)  # fmt: skip
KNOWN = LEFT_OUT | {"id", "name", "slug", "release_date", "model_creator", "evaluations", "metadata", COST}


def key() -> str | None:
    """The key for the API; null where none is set."""
    return read_settings().artificial_analysis_api_key


def why_off() -> str | None:
    """Why it is not read: for want of a key."""
    return None if key() else "it needs a key. Set ARTIFICIAL_ANALYSIS_API_KEY to one of artificialanalysis.ai."


def collect(ask: Ask, kept: bytes | None, url: str = URL) -> bytes:
    """The payload of all pages; most keys get all models in one. The key is sent as a header and kept nowhere. Raises FetchFailed."""
    headers, known, pages = {"x-api-key": key() or ""}, known_parts(kept), 1
    found: list[Part] = []
    while len(found) < pages:
        page = url if not found else f"{url}?page={len(found) + 1}"
        found.append(part_of(ask, known, Request(page, headers), f"page {len(found) + 1}"))
        try:
            pages = _pages(mapping(strict_json.loads(found[-1].body.encode()), "Artificial Analysis's answer"))
        except BadPayload:  # kept as it came: the audit refuses it and says why, and it can be looked at
            break
    return pack(found)


def _pages(payload: Mapping[str, object]) -> int:
    """How many pages the answer has. Raises BadPayload where it says something else than a number of pages."""
    pagination = payload.get("pagination")
    if pagination is None:
        return 1
    pages = mapping(pagination, "`pagination`").get("total_pages")
    if not isinstance(pages, int) or isinstance(pages, bool) or not 1 <= pages <= MOST_PAGES:
        raise BadPayload(f"Artificial Analysis's answer has {str(pages)[:20]!a} pages; 1 to {MOST_PAGES} are read. Look at the payload.")
    return pages


def decode(body: bytes) -> list[Mapping[str, object]]:
    """The pages of a payload; a bare answer is one. Raises BadPayload, also where pages are missing."""
    pages = [mapping(strict_json.loads(part.body.encode()), "Artificial Analysis's answer") for part in parts(body, alone=URL)]
    if any(_pages(page) != len(pages) for page in pages):
        raise BadPayload(
            f"Artificial Analysis's answer has {_pages(pages[0])} pages, and {len(pages)} are here. Look at the payload in raw."
        )
    return pages


def parse(pages: Sequence[Mapping[str, object]]) -> Parsed:
    """The scores of all entries. An entry that is broken is rejected by itself. The envelope is the API's (`data`) or an archive's (`models`)."""
    parsed = Parsed()
    for page in pages:
        entries = page.get("data", page.get("models"))
        for entry in sequence(entries, "`data` of Artificial Analysis's answer"):
            if isinstance(entry, dict):
                _scores(parsed, page.get("intelligence_index_version"), entry)
            else:
                parsed.reject("score", None, None, f"{kind(entry)} where a model belongs", entry)
    return parsed


def _scores(parsed: Parsed, index_version: object, entry: Mapping[str, object]) -> None:
    for unknown in entry.keys() - KNOWN:
        parsed.drift[f"model.{unknown}"] += 1
    name, creator = entry.get("name"), entry.get("model_creator")
    model, effort, variant = split_mode(name) if isinstance(name, str) else (name, "", "")
    if variant == "Reasoning" and _OWN_WEIGHTS.fullmatch(str(model)):
        model, variant = f"{model} Thinking", ""
    evaluations = entry.get("evaluations")
    if not isinstance(evaluations, dict):
        if evaluations is not None:
            known = None if id_problem(model) else str(model)
            parsed.reject("score", None, known, f"evaluations: {kind(evaluations)} where an object belongs", entry)
        return
    about = {
        "listed_as": name,
        "id": entry.get("id"),
        "creator": creator.get("name") if isinstance(creator, dict) else creator,
        "released": entry.get("release_date"),
        **{key: entry[key] for key in entry.keys() - KNOWN},
    }

    def run(benchmark: str, version: object, split: str) -> Score | None:
        return run_of(
            parsed, benchmark, model, version=version, split=split, effort=effort, variant=variant, runner="Artificial Analysis",
            run=entry.get("slug"), url="https://artificialanalysis.ai/models", extra=about,
        )  # fmt: skip

    for evaluation, found in evaluations.items():
        index = evaluation.startswith(INDEX) and evaluation.endswith("_index")
        benchmark, version, split = benchmark_named(evaluation)
        if evaluation not in FRACTIONS and not index:
            parsed.drift[f"model.evaluations.{evaluation}"] += 1
        elif found is not None and (one := run(benchmark, index_version if index else version, split)):
            put(parsed, one, "index" if index else "score", "index" if index else "fraction", found)
    cost = entry.get(COST)
    if isinstance(cost, dict) and (one := run(f"{INDEX}intelligence_index", index_version, "")):
        put(parsed, one, "cost", "usd", cost.get("total_cost"))


artificial_analysis = SOURCE = Source(
    "artificial_analysis", URL, parse, about=__doc__ or "", kind="scores", decode=decode, gather=collect, why_off=why_off
)
