"""Well-known models in words: what each is good for and not, kept with this project or in a file of one's own.

Source  model_assets/sources/curated.yml, or the file that MODEL_CURATED_FILE names (read from disk, not from the network)
Grain   one listing per model, by its slug; its maker's base prices where they are given
Units   USD per million tokens; limits in tokens
Past    the file as it was on the days it was read

What it says is there to be checked: it sells nothing, its prices never win, and catalog.curated_contradiction lists what others contradict.
"""

from collections.abc import Mapping

from model_assets.contracts import LIFECYCLES, Listing
from model_assets.errors import BadPayload, SettingsError
from model_assets.settings import read_settings
from model_assets.sources.base import Ask, Parsed, Source, as_json, clean_text, day_of, id_problem, kind, mapping, sequence, words
from model_assets.sources.plain_yaml import load

CATEGORIES = ("commercial", "open_source", "specialized")
NEEDED = frozenset({"slug", "name", "provider", "listed_id", "category", "best_for", "not_for", "url", "docs_url"})
KNOWN = NEEDED | {
    "status", "released_on", "size", "context_tokens", "max_output_tokens", "input_modalities", "output_modalities", "open_weights", "license",
    "hugging_face_id", "usd_per_mtok", "description",
}  # fmt: skip
DETAILS = ("slug", "category", "size", "url")
METERS = ("input", "output", "cache_read")


def collect(ask: Ask, kept: bytes | None) -> bytes:
    """The file as it is now; the network is not asked. Raises SettingsError where it cannot be read."""
    path = read_settings().model_curated_file
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"the curated models {path} cannot be read ({error.strerror}). Correct MODEL_CURATED_FILE.") from None


def decode(body: bytes) -> object:
    """The file's tables, every scalar as text. Raises BadPayload."""
    try:
        return load(body.decode("utf-8"))
    except UnicodeDecodeError as broken:
        raise BadPayload(f"the curated models are not UTF-8 at byte {broken.start:,}. Save the file as UTF-8.") from None


def parse(payload: object) -> Parsed:
    """One listing per model, and its maker's prices. An entry that is broken is rejected by itself."""
    parsed = Parsed()
    top = mapping(payload, "the file of curated models")
    for entry in sequence(top.get("models"), "its `models`"):
        if isinstance(entry, dict) and not (problem := _problem(entry)):
            _model(parsed, entry, str(top.get("checked_on") or ""))
        else:
            _reject(parsed, entry, problem if isinstance(entry, dict) else f"{kind(entry)} where a model belongs")
    if not parsed.listings:
        raise BadPayload("the file of curated models lists none that can be used. Look at MODEL_CURATED_FILE.")
    return parsed


def _reject(parsed: Parsed, entry: object, problem: str) -> None:
    """Put an entry aside: only it is in doubt where it says which one it is, or else any."""
    found = entry if isinstance(entry, dict) else {}
    provider, listed_id = found.get("provider"), found.get("listed_id")
    named = isinstance(provider, str) and isinstance(listed_id, str)
    parsed.reject("listing", provider if named else None, listed_id if named else None, problem, entry)


def _problem(entry: Mapping[str, object]) -> str:
    """What keeps an entry from being a model; '' where nothing does."""
    if missing := sorted(NEEDED - {key for key, value in entry.items() if value}):
        return f"without {', '.join(missing)}"
    if entry["category"] not in CATEGORIES:
        return f"category is none of {', '.join(CATEGORIES)}"
    if (status := entry.get("status")) and status not in LIFECYCLES:
        return f"status is none of {', '.join(LIFECYCLES)}"
    for key in ("provider", "listed_id"):
        if problem := id_problem(entry[key]):
            return f"{key}: {problem}"
    if not all(str(entry[key]).startswith("https://") for key in ("url", "docs_url")):
        return "a link that is no https URL"
    return ""


def _model(parsed: Parsed, entry: Mapping[str, object], checked_on: str) -> None:
    provider, id = str(entry["provider"]), str(entry["listed_id"])
    released, precision = day_of(parsed, id, "released_on", entry.get("released_on"))
    extra: dict[str, object] = {key: entry[key] for key in DETAILS if entry.get(key)}
    extra |= {key: list(words(parsed, id, key, entry[key])) for key in ("best_for", "not_for")}
    for key in sorted(entry.keys() - KNOWN):
        parsed.drift[f"model.{key}"] += 1
        extra[key] = entry[key]
    prices = entry.get("usd_per_mtok")
    for meter, quoted in prices.items() if isinstance(prices, dict) else ():
        if meter in METERS:
            parsed.quote(provider, id, meter, quoted, 1)
        else:
            parsed.unmap(f"model.usd_per_mtok.{meter}", quoted)
    if isinstance(prices, dict) and checked_on:
        extra["checked_on"] = checked_on
    parsed.listings.append(
        Listing(
            provider,
            id,
            name=clean_text(parsed, id, "name", entry["name"]),
            description=clean_text(parsed, id, "description", entry.get("description")),
            released_on=released,
            released_on_precision=precision,
            context_tokens=_tokens(parsed, id, "context_tokens", entry.get("context_tokens")),
            max_output_tokens=_tokens(parsed, id, "max_output_tokens", entry.get("max_output_tokens")),
            input_modalities=words(parsed, id, "input_modalities", entry.get("input_modalities")),
            output_modalities=words(parsed, id, "output_modalities", entry.get("output_modalities")),
            open_weights={"true": True, "false": False}.get(str(entry.get("open_weights"))),
            license=clean_text(parsed, id, "license", entry.get("license")),
            lifecycle=clean_text(parsed, id, "status", entry.get("status")),
            hugging_face_id=clean_text(parsed, id, "hugging_face_id", entry.get("hugging_face_id")),
            docs_url=str(entry["docs_url"]),
            extra=as_json(extra),
        )
    )


def _tokens(parsed: Parsed, id: str, name: str, found: object) -> int | None:
    if found is None:
        return None
    if isinstance(found, str) and found.isascii() and found.isdecimal() and len(found) < 12 and int(found):
        return int(found)
    parsed.odd(id, name, found, "not a whole number of tokens")
    return None


curated = SOURCE = Source(
    "curated",
    "file:model_assets/sources/curated.yml",
    parse,
    about=__doc__ or "",
    kind="models",
    extension="yml",
    decode=decode,
    gather=collect,
)
