"""The grammar of ids: what an id says by its shape alone, without knowing which models there are.

An id is a path and a name. The path says way, region and author (`bedrock/us-east-1/anthropic.claude-...`, `accounts/fireworks/models/...`,
`@cf/meta/...`); the name holds words, versions and sizes, and between them marks that are none of the model: a date (snapshot), `-latest`
(alias), a plan or mode (variant), other weights (build). Words are compared without regard to order and separators: `claude-3-5-sonnet`,
`claude-sonnet-3.5` and `claude-v3p5-sonnet` have the same key. Numbers are never dropped here.
"""

import re
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from model_assets.identity.tables import Provider, author_names, authors, hosts, provider_of, repackers

#: Segments of a path that say nothing of the model.
PLUMBING = frozenset({
    "accounts", "models", "routers", "workers-ai", "publishers", "endpoints", "deployments", "chat-completion", "text-to-image", "completion",
    "foundation-model", "inference-profile", "application-inference-profile", "invoke", "converse", "hf", "image-generation", "embedding",
    "standard", "container", "pt", "text2image", "text-to-video", "image-to-video",
})  # fmt: skip
#: Regions that a path or a prefix may name; a geography before a vendor (`apac.anthropic.`) is read whatever it is.
_REGION = re.compile(r"(us|eu|apac|ap|jp|au|ca|us-gov|global|global-standard|datazone|[a-z]{2}-(gov-)?[a-z]+-\d|[a-z]+-[a-z]+\d|\*)")
_SIZE = re.compile(r"(\d+-x-\d+|\d+-month-commitment|max-x-max|\d+-steps|max-steps|hd|low|medium|high|standard)")
_VENDOR = re.compile(r"(?:([a-z][a-z-]{1,9})\.)?([a-z][a-z0-9]*)\.(?!\d)(.+)")
_BEDROCK = re.compile(r"-(?:v(\d+)(?::(\d+))?|(\d):(\d))(?::(\d+k))?$")

#: Marks of other weights of the same model.
BUILDS = frozenset({
    "fp8", "fp4", "fp16", "bf16", "nvfp4", "mxfp4", "int4", "int8", "w4a16", "w8a8", "awq", "gptq", "gguf", "mlx", "hf", "exl2", "bnb", "4bit",
    "8bit", "6bit", "tee", "paddle", "mixed", "ar", "quantized", "fp8dynamic", "marlin",
})  # fmt: skip
_QUANT = re.compile(r"[-_.](iq\d_[a-z]+|q\d_k(?:_[smlx]+)?|q\d_[01]|q\d)(?=$|[-_.:])", re.IGNORECASE)
#: What is told otherwise, or says nothing: the alias, and Vertex AI's mark of models that it hosts for others.
SILENT = frozenset({"latest", "maas"})
#: Plans and modes, whatever model they stand behind: a `-free` of anything is the same model.
PLANS = frozenset({
    "free", "batch", "nitro", "floor", "exacto", "online", "extended", "coding", "thinking", "think", "thought", "thinker", "nothink",
    "nothinking", "non-thinking", "no-thinking", "cheaper", "original", "official", "search", "web", "xhigh", "high", "low", "minimal", "tput",
    "cs", "fw", "el", "reasoner", "flex", "priority", "cloud", "deep",
})  # fmt: skip
#: Words that are a mode of some models and the name of others: read as a mode only where no model of the whole name is known.
SPEEDS = frozenset({
    "fast", "turbo", "highspeed", "ultraspeed", "lightning", "specdec", "versatile", "instant", "basic", "speed", "reasoning", "non-reasoning",
    "beta", "raw", "8192", "32768", "4096", "131072",
})  # fmt: skip
_CONTEXT = re.compile(r"\d+k|1m|2m")
#: Words of a derivative: a model of its own, made from another.
DERIVED = frozenset({
    "abliterated", "uncensored", "derestricted", "heretic", "distill", "distilled", "unshackled", "decensored", "lora", "ft", "finetune",
    "finetuned", "jailbreak", "unslop", "rpr", "rpmax", "rprmax",
})  # fmt: skip
#: What a name may hold of a model's build-up: sizes, active parameters, experts, and the number of a first version.
ARCHITECTURE = re.compile(r"\d+(\.\d+)?[bt]|a\d+(\.\d+)?b|\d+e|v1")
TOTAL = re.compile(r"\d+(\.\d+)?[bt]")
ACTIVE = re.compile(r"a\d+(\.\d+)?b")


class Reading(NamedTuple):
    """What an id says. `authors` are candidates in order; `explicit` is the author or organisation its path names.

    `repository` says that it is spelled as one of weights (`Qwen/Qwen2.5-Coder-7B`): such a name leaves no "Instruct" out.
    """

    authors: tuple[str, ...]
    explicit: str
    name: str
    words: tuple[str, ...]
    snapshot: str
    alias: str
    variant: tuple[str, ...]
    build: tuple[str, ...]
    region: str
    derived: str
    repository: bool
    vendor: bool


@lru_cache(maxsize=65_536)
def read(listed_id: str, sold_by: str = "") -> Reading:
    """What an id says by its shape, at a canonical provider. Never fails: what cannot be told apart stays in the words."""
    provider = provider_of(sold_by)
    path = read_path(listed_id, provider)
    name, tags, dated = split_tags(path.name, path.vendor or provider.name == "amazon-bedrock")
    name, quants = take_quants(name)
    tokens = [token for token in re.split(r"[-_\s/]+", name.replace("+", "-plus-").lower()) if token]
    tokens, snapshot = take_date(tokens)
    tokens, builds = take(tokens, BUILDS)
    alias = "latest" if "latest" in tokens or "latest" in tags else ""
    tokens = [part for part in tokens if part not in SILENT]
    variants = [tag for tag in tags if is_variant(tag)] + list(path.variant)
    tokens += [part for tag in tags if not is_variant(tag) and tag != "latest" for part in re.split(r"[-_]+", tag)]
    tokens, via = without_house(join_negations(tokens), provider)
    words = to_words(tokens)
    return Reading(
        authors=candidates(path.author, words, provider),
        explicit=path.author,
        name="-".join(tokens),
        words=words,
        snapshot=iso(dated or snapshot),
        alias=alias,
        variant=(*variants, *via),
        build=(*path.build, *builds, *quants),
        region=path.region,
        derived="ft" if path.tuned else next((word for word in words if word in DERIVED), ""),
        repository=bool(path.author) and name != name.lower(),
        vendor=path.vendor,
    )


class Path(NamedTuple):
    """An id taken apart before its name."""

    name: str
    author: str = ""
    region: str = ""
    variant: tuple[str, ...] = ()
    build: tuple[str, ...] = ()
    vendor: bool = False
    tuned: bool = False


def read_path(listed_id: str, provider: Provider) -> Path:
    """Way, region and author of an id, and the rest of it: the name. An organisation nobody knows is taken for the author as it is."""
    text, region = listed_id.strip().replace("%3A", ":"), ""
    if text.startswith("arn:") and text.count(":") >= 5:
        region, text = text.split(":", 5)[3], text.split("/", 1)[-1]
    tuned = text.lower().startswith("ft:")
    text = text.removeprefix("hf:").removeprefix("~")
    if tuned:
        text = text.split(":")[1]
    *before, name = [part for part in text.replace("--", "/").split("/") if part] or [text]
    known, unknown, variants, builds = "", "", [], []
    for part in before:
        low = part.lower()
        if low in author_names() and not (provider_of(low).name == provider.name and provider.kind != "maker"):
            known = author_names()[low]
        elif low in BUILDS:
            builds.append(low)
        elif low in hosts() and provider_of(low).name != provider.name:
            variants.append(f"via-{provider_of(low).name}")
        elif provider_of(low).name == provider.name or low in PLUMBING or low in repackers() or low.startswith("@"):
            continue
        elif _REGION.fullmatch(low):
            region = low.removesuffix("-standard")
        elif _SIZE.fullmatch(low) or low in PLANS or low in SPEEDS:
            variants.append(low)
        elif family_of(to_words(re.split(r"[-_\s]+", low))):
            name = f"{part}-{name}"
        else:
            unknown, _, again = low.partition(" ")  # a reseller's second way to the same organisation
            variants += [again] if again else []
    dotted = _VENDOR.fullmatch(name.lower())
    vendor = bool(dotted and (dotted[2] in author_names() or (provider.name == "amazon-bedrock" and dotted[2].isalpha())))
    if dotted and vendor:
        region = dotted[1] or region
        known = author_names().get(dotted[2], dotted[2])
        name = name[len(name) - len(dotted[3]) :]
    return Path(name, known or unknown, region, tuple(variants), tuple(builds), vendor, tuned)


def split_tags(name: str, bedrock: bool) -> tuple[str, list[str], str]:
    """A name without what stands behind `@` and `:`; the tags behind `:`; and the version behind `@` where it is one."""
    if bedrock and (found := _BEDROCK.search(name.lower())):
        major, minor, context = found[1] or found[3], found[2] or found[4], found[5]
        bare = name[: found.start()]
        if (major != "1" or minor not in (None, "0")) and not take_date(bare.lower().split("-"))[1]:
            bare += f"-v{major}" + (f".{minor}" if minor not in (None, "0") else "")
        elif minor is None:
            bare += f"-v{major}"
        name = bare + (f":{context}" if context else "")
    name, _, version = name.partition("@")
    name, *tags = name.split(":")
    if version in ("", "default"):
        return name, [tag.lower() for tag in tags if tag], ""
    if version == "latest":
        return f"{name}-latest", tags, ""
    dated = take_date(["", *version.lower().split("-")])[1] or version.lower()
    return name, [tag.lower() for tag in tags if tag], dated


def take_quants(name: str) -> tuple[str, list[str]]:
    """A name without marks like `Q4_K_M`, and these."""
    quants = [found.lower() for found in _QUANT.findall(name)]
    return (_QUANT.sub("", name), quants) if quants else (name, quants)


def take(tokens: list[str], marks: frozenset[str]) -> tuple[list[str], list[str]]:
    """The tokens without the marks, and the marks among them. What would leave nothing is left alone."""
    rest = [token for token in tokens if token not in marks]
    return (rest, [token for token in tokens if token in marks]) if rest else (tokens, [])


def is_variant(tag: str) -> bool:
    """Whether a tag behind a colon is a plan, mode, effort or budget (and not a size, as `gpt-oss:120b`)."""
    words = tag.split("-")
    return all(word in PLANS or word in SPEEDS or word in ("max", "medium", "none") or _CONTEXT.fullmatch(word) for word in words) or (
        tag.isdecimal() and int(tag) >= 1000
    )


def take_date(tokens: list[str]) -> tuple[list[str], str]:
    """The tokens without the date among them, and that date: only a real day or month of the calendar is one, and never the first token."""
    for at in range(1, len(tokens)):
        for length in (3, 2, 1):
            part = tokens[at : at + length]
            if len(part) == length and all(token.isdecimal() for token in part) and (found := calendar(part, tokens[at - 1])):
                return tokens[:at] + tokens[at + length :], found
    if len(tokens) > 1 and tokens[0] == "gemini" and "embedding" not in tokens and re.fullmatch(r"00\d", tokens[-1]):
        return tokens[:-1], tokens[-1]
    return tokens, ""


def calendar(digits: list[str], before: str) -> str:
    """A date as `YYYY-MM-DD`, `YYYY-MM` or `MMDD`, whatever way it was written; '' where the digits are none."""
    match [(part, len(part)) for part in digits]:
        case [(year, 4), (month, 2), (day, 2)]:
            return full(year, month, day)
        case [(year, 4), (day, 4)]:
            return full(year, day[:2], day[2:])
        case [(month, 2), (year, 4)]:
            return full(year, month, "01")[:7]
        case [(month, 2), (day, 2)] if before in ("preview", "exp") or month[0] == "0":
            return month + day if full("2024", month, day) else ""
        case [(text, 8)]:
            return full(text[:4], text[4:6], text[6:])
        case [(text, 6)]:
            return full("20" + text[:2], text[2:4], text[4:])
        case [(text, 4)] if text not in ("1024",):
            if full("2024", text[:2], text[2:]):
                return text
            return full("20" + text[:2], text[2:], "01")[:7] if "22" <= text[:2] <= "35" else ""
    return ""


def full(year: str, month: str, day: str) -> str:
    """`YYYY-MM-DD` where it is a day from 2020 to 2039; else ''."""
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return ""
    return found.isoformat() if 2020 <= found.year < 2040 else ""


def iso(snapshot: str) -> str:
    """A snapshot in the one way it is written: dates with hyphens, anything else as it is."""
    return calendar([snapshot], "") or snapshot if snapshot.isdecimal() else snapshot


def same_snapshot(one: str, other: str) -> bool:
    """Whether two snapshots can be the same: equal as far as both say, `0528` and `2025-05-28` too; one that says nothing agrees."""
    if not one or not other or one == other:
        return True
    long, short = sorted((one, other), key=len, reverse=True)
    if len(long) != 10:
        return False
    return long.startswith(short) if len(short) == 7 else long[5:].replace("-", "") == short


def join_negations(tokens: list[str]) -> list[str]:
    """`non-reasoning` as one token, so that it is not told from `reasoning` by a stray `non`."""
    joined: list[str] = []
    for token in tokens:
        if joined and joined[-1] in ("non", "no") and token in ("reasoning", "thinking"):
            joined[-1] = f"{joined[-1]}-{token}"
        else:
            joined.append(token)
    return joined


def without_house(tokens: list[str], provider: Provider) -> tuple[list[str], list[str]]:
    """The tokens without a seller's or author's name before a model's name that does not need it (`nvidia-nemotron-...`, `zai-glm-4.6`).

    And what such a name says of the way: `azure-gpt-4o` at a reseller goes by Azure.
    """
    for length in (3, 2, 1):
        first, rest = "-".join(tokens[:length]), tokens[length:]
        if not rest:
            continue
        if first in provider.house:
            shorter, via = without_house(rest, provider)
            return ([*shorter, first], via) if first in PLANS else (shorter, via)
        is_host = first in hosts() and provider_of(first).name != provider.name
        if is_host or first in author_names() or first in repackers() or first == provider.name:
            whose, before = family_of(to_words(rest)), family_of(to_words(tokens[:length]))
            if whose and (not before or before == whose):
                shorter, via = without_house(rest, provider)
                return shorter, via + ([f"via-{provider_of(first).name}"] if is_host else [])
    return tokens, []


_LETTERS_DIGITS = re.compile(r"([a-z]{2,})(\d.*)")
_P_DECIMAL = re.compile(r"([a-z]*?)(\d+)p(\d+)")
_BARE = re.compile(r"\d|[1-9]\d")
_LETTER_NUMBER = re.compile(r"[a-z]?\d{1,2}")


def to_words(tokens: list[str]) -> tuple[str, ...]:
    """The words of a name: letters and numbers apart, versions joined (`3`, `5` is `3.5`; `v3p1` is `3.1`), without a trailing `.0`."""
    words: list[str] = []
    for position, raw in enumerate(tokens):
        token = _P_DECIMAL.sub(r"\1\2.\3", raw) if _P_DECIMAL.fullmatch(raw) else raw
        if token in DERIVED or token in SPEEDS or token in PLANS:
            parts = [token]
        elif split := _LETTERS_DIGITS.fullmatch(token):
            parts = [split[1].rstrip("-"), split[2]]
        else:
            parts = [token]
        for part in parts:
            if words and _BARE.fullmatch(part) and _LETTER_NUMBER.fullmatch(words[-1]):
                words[-1] += f".{part}"
            elif position and re.fullmatch(r"v\d+(\.\d+)*", part) and part not in ("v1", "v1.0"):
                words.append(f"v{part[1:]}")
            else:
                words.append(part)
    return tuple(tidy(word) for word in words)


def tidy(word: str) -> str:
    """A word as it is compared: `v3.1` as `3.1`, `4.0` as `4`; a first version stays `v1`."""
    if re.fullmatch(r"v\d+(\.\d+)*", word):
        word = word if word in ("v1", "v0") else "v1" if word == "v1.0" else word[1:]
    return re.sub(r"^([a-z]?\d+)\.0$", r"\1", word)


@lru_cache(maxsize=1)
def _families() -> dict[tuple[str, ...], str]:
    return {to_words(family.split("-")): author.name for author in authors().values() for family in author.families}


@lru_cache(maxsize=1)
def _contained() -> dict[str, str]:
    return {word: author.name for author in authors().values() for word in author.contains}


def maker_in(words: tuple[str, ...]) -> str:
    """The author whose models alone bear one of these words, wherever it stands; '' where none does."""
    return next((_contained()[word] for word in words if word in _contained()), "")


def family_of(words: tuple[str, ...]) -> str:
    """The author whose family of names these words belong to; '' where no family is known."""
    if maker := maker_in(words):
        return maker
    for length in (4, 3, 2, 1):
        if len(words) >= length and (found := _families().get(words[:length])):
            return found
    return ""


def candidates(explicit: str, words: tuple[str, ...], provider: Provider) -> tuple[str, ...]:
    """Whose model this may be, the likeliest first: whom the path names, whose family the name is of, who makes what is sold here."""
    family = family_of(words)
    order = [maker_in(words) if explicit in author_names().values() else "", explicit, family]
    if not explicit and not family:
        order += [author.name for author in authors().values() if words and words[0] in author.bare] or [provider.author]
    return tuple(dict.fromkeys(author for author in order if author))


def key_of(words: tuple[str, ...]) -> tuple[str, ...]:
    """What names are compared by: their words in an order of our own."""
    return tuple(sorted(words))


def unglued(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words with a two-digit number read as a version (`qwen35` as `qwen 3.5`, `m21` as `m2.1`): another reading, never the first."""
    return tuple(re.sub(r"^([a-z]?)(\d)(\d)$", r"\1\2.\3", word) for word in words)


def bare_words(words: tuple[str, ...], author: str) -> tuple[str, ...]:
    """The words with the author's brand before them where the name began without it; the words themselves where it did not."""
    about = authors().get(author)
    return (about.brand, *words) if about and words and words[0] in about.bare else words


def is_context(word: str) -> bool:
    """Whether a word says how long a context is sold (`128k`)."""
    return bool(_CONTEXT.fullmatch(word))
