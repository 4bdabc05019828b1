"""What one entry of Hugging Face's list says: its listing, and its counters, which are kept apart."""

from collections.abc import Mapping
from typing import Any

import msgspec

from model_assets.contracts import Listing, Popularity
from model_assets.sources.base import NAME_LIMIT, Parsed, as_json, clean_text, flag, id_problem, kind
from model_assets.sources.hugging_face.payload import Weights
from model_assets.sources.hugging_face.tasks import task_of
from model_assets.sources.licences import classify

PROVIDER = "huggingface"
ADDRESS = "https://huggingface.co/"
#: Read, or known and left in the raw payload: what moves on every look, and what other keys say too. `lastModified` moves with the README as
#: with the weights, and with some changes that are neither: since when a revision is listed, the claim itself says.
KNOWN = frozenset(
    """
    _id id modelId author sha lastModified private gated disabled pipeline_tag tags downloads downloadsAllTime likes trendingScore
    library_name createdAt siblings cardData config key transformersInfo widgetData mask_token model-index spaces usedStorage gguf
    safetensors
    baseModels childrenModelCount evalResults inference inferenceProviderMapping resourceGroup gitalyUid xetEnabled
    """.split()  # noqa: SIM905
)
WEIGHT_ENDINGS = (
    ".tflite", ".litertlm", ".task", ".safetensors", ".gguf", ".ggml", ".bin", ".onnx", ".onnx_data", ".pt", ".pth", ".ckpt", ".h5", ".keras",
    ".pb", ".msgpack", ".mlpackage", ".mlmodel", ".pte", ".nemo", ".npz",
)  # fmt: skip
#: end like weights, and are none
NOT_WEIGHTS = ("training_args.bin", "optimizer.bin", "scheduler.bin", "optimizer.pt", "scheduler.pt")


def is_weights(file: str) -> bool:
    """Whether a file of that name holds weights."""
    return (file.endswith(WEIGHT_ENDINGS) or file.lower().endswith(WEIGHT_ENDINGS)) and not file.endswith(NOT_WEIGHTS)


def read_entry(parsed: Parsed, entry: object, weights: Mapping[str, Weights]) -> None:
    """Append the listing and the counters of an entry, or the reject where it has no id."""
    id = entry.get("id", entry.get("modelId")) if isinstance(entry, dict) else None
    problem = id_problem(id) if isinstance(entry, dict) else f"{kind(entry)} where a model belongs"
    if problem or not isinstance(entry, dict) or not isinstance(id, str):
        parsed.reject("listing", PROVIDER, None, problem or "", entry)
        return
    parsed.listings.append(_listing(parsed, id, entry, weights.get(id)))
    downloads, likes = (_count(parsed, id, name, entry.get(name)) for name in ("downloads", "likes"))
    parsed.popularity.append(Popularity(PROVIDER, id, downloads, likes))


def _listing(parsed: Parsed, id: str, entry: dict[str, Any], weights: Weights | None) -> Listing:
    get = entry.get
    tags = _texts(parsed, id, "tags", get("tags"))
    card = _object(parsed, id, "cardData", get("cardData"))
    files = None if get("siblings") is None else _files(parsed, id, get("siblings"))
    gated = _gated(parsed, id, get("gated"))
    licence = _licence(parsed, id, tags, card)
    named = _text(parsed, id, "cardData.license_name", card.get("license_name")) if licence == "other" else None
    verdict = classify(licence, named, gated)
    stated = _text(parsed, id, "pipeline_tag", get("pipeline_tag"))
    task = task_of(stated, tags, () if stated else _architectures(parsed, id, get("config")), id)
    extra: dict[str, object] = {
        "task": task.task,
        "task_source": task.source,
        "licence_class": verdict.licence_class,
        "licence_why": verdict.why,
        "library": _text(parsed, id, "library_name", get("library_name")),
        "sha": _text(parsed, id, "sha", get("sha")),
        "created_at": _text(parsed, id, "createdAt", get("createdAt")),
        "gated": gated,
        "private": flag(parsed, id, "private", get("private")) or None,
        "disabled": flag(parsed, id, "disabled", get("disabled")) or None,
        "tags": tags or None,
        "files": files,
        "weights": {"sha": weights[0], "digest": weights[1], "files": weights[2], "bytes": weights[3]} if weights else None,
        "license_link": _text(parsed, id, "cardData.license_link", card.get("license_link")),
        "base_model": card.get("base_model"),
    }
    for key in entry.keys() - KNOWN:
        parsed.drift[f"model.{key}"] += 1
        extra[key] = entry[key]
    owner, slash, name = id.partition("/")
    return Listing(
        PROVIDER,
        id,
        name=name or id,
        author=_text(parsed, id, "author", get("author")) or (owner if slash else None),
        description=_description(parsed, id, card),
        open_weights=any(map(is_weights, files)) if files else None,
        license=named or licence,
        hugging_face_id=id,
        docs_url=ADDRESS + id,
        extra=_json({key: value for key, value in extra.items() if value is not None}),
    )


_encode = msgspec.json.Encoder(order="sorted").encode


def _json(found: dict[str, object]) -> str:
    """As `as_json`, in a fifth of the time where there is nothing to leave out."""
    try:
        text = _encode(found).decode()
    except UnicodeEncodeError:
        return as_json(found)
    return text if text.isprintable() and "\\u00" not in text else as_json(found)


def _text(parsed: Parsed, id: str, name: str, found: object) -> str | None:
    """A short text; most are clean, and two hundred thousand models have a million of them."""
    if found is None or (
        type(found) is str and found and len(found) <= NAME_LIMIT and found.isprintable() and found[0] != " " != found[-1]
    ):
        return found
    return clean_text(parsed, id, name, found, NAME_LIMIT)


def _licence(parsed: Parsed, id: str, tags: list[str], card: Mapping[str, object]) -> str | None:
    """The id of the licence: of the tag, or else of the card, where a list may stand."""
    for tag in tags:
        if tag.startswith("license:"):
            return tag[8:] or None
    found = card.get("license")
    return _text(parsed, id, "cardData.license", found[0] if isinstance(found, list) and found else found)


def _description(parsed: Parsed, id: str, card: Mapping[str, object]) -> str | None:
    """What the card's head says in words, where it does: the text below it is not in the list."""
    words = next((card[key] for key in ("description", "summary", "model_description") if card.get(key)), None)
    return clean_text(parsed, id, "cardData.description", words) if words is not None else None


def _gated(parsed: Parsed, id: str, found: object) -> str | None:
    """How access is given where it has to be asked for; null where it has not. True, or a word that is new, is taken for a gate."""
    if found is None or found is False:
        return None
    if found is True:
        return "yes"
    if not isinstance(found, str):
        parsed.odd(id, "gated", found, f"{kind(found)} where false, auto or manual belongs")
        return "unclear"
    word = clean_text(parsed, id, "gated", found, 40)
    if word not in ("auto", "manual"):
        parsed.odd(id, "gated", found, "neither false nor auto nor manual: taken for a gate")
    return word or "unclear"


def _texts(parsed: Parsed, id: str, name: str, found: object) -> list[str]:
    """A list of texts, each once, in the order of the alphabet: theirs means nothing, and need not be kept by the source."""
    if found is None:
        return []
    if not isinstance(found, list):
        parsed.odd(id, name, found, f"{kind(found)} where an array belongs")
        return []
    try:
        if "".join(found).isprintable():
            return sorted(set(found))
    except TypeError:
        parsed.odd(id, name, found, "an array with other things than texts")
    words = (clean_text(parsed, id, name, one, 2_000) for one in found if isinstance(one, str))
    return sorted({word for word in words if word})


def _files(parsed: Parsed, id: str, found: object) -> list[str]:
    """The names of a repository's files."""
    try:
        return _texts(parsed, id, "siblings", [one["rfilename"] for one in found])  # type: ignore[attr-defined]
    except (TypeError, KeyError):
        names = [one.get("rfilename") for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        parsed.odd(id, "siblings", found, "not an array of files with names")
        return _texts(parsed, id, "siblings", [name for name in names if isinstance(name, str)])


def _object(parsed: Parsed, id: str, name: str, found: object) -> Mapping[str, object]:
    if found is None or isinstance(found, dict):
        return found or {}
    parsed.odd(id, name, found, f"{kind(found)} where an object belongs")
    return {}


def _architectures(parsed: Parsed, id: str, config: object) -> list[str]:
    found = _object(parsed, id, "config", config).get("architectures")
    return _texts(parsed, id, "config.architectures", found)


def _count(parsed: Parsed, id: str, name: str, found: object) -> int | None:
    if found is None or (type(found) is int and 0 <= found < 2**63):
        return found
    parsed.odd(id, name, found, "not a count")
    return None
