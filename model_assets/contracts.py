"""What a row may be, with units. One place for columns, meters and states.

A parsed payload is lists of `Listing`, `Price`, `Score` and `Mention` tuples, of which most sources fill one or two. Tuples, because a night
brings tens of thousands of rows of which hardly any differs from the ledger: they are compared by digest, and only those that differ
become a frame that pandera validates.
The text columns of a key are never null: `''` (and 0 for a prompt bound) says "no such condition".
"""

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

STATES = ("paid", "free", "unknown", "dynamic", "included")
LIFECYCLES = ("alpha", "beta", "stable", "deprecated", "retired")
PRECISIONS = ("year", "month", "day")

#: meter -> (what one amount is for, what the meter counts)
METERS: dict[str, tuple[str, str]] = {
    "input": ("1M tokens", "text tokens of the prompt that were not read from a cache"),
    "output": ("1M tokens", "text tokens of the answer"),
    "reasoning": ("1M tokens", "tokens the model thinks in, where they have a price of their own"),
    "cache_read": ("1M tokens", "prompt tokens read from a cache"),
    "cache_write_5m": ("1M tokens", "prompt tokens written to a cache of the default lifetime (five minutes at Anthropic)"),
    "cache_write_1h": ("1M tokens", "prompt tokens written to a cache that lives an hour"),
    "cache_write_12h": ("1M tokens", "prompt tokens written to a cache that lives twelve hours or more"),
    "input_audio": ("1M tokens", "audio tokens of the prompt"),
    "output_audio": ("1M tokens", "audio tokens of the answer"),
    "input_image": ("1M tokens", "image tokens of the prompt"),
    "output_image": ("1M tokens", "image tokens of the answer"),
    "input_video": ("1M tokens", "video tokens of the prompt"),
    "output_video": ("1M tokens", "video tokens of the answer"),
    "cache_read_audio": ("1M tokens", "audio tokens read from a cache"),
    "cache_write_audio": ("1M tokens", "audio tokens written to a cache"),
    "cache_read_image": ("1M tokens", "image tokens read from a cache"),
    "citation": ("1M tokens", "tokens of cited sources"),
    "input_character": ("1M characters", "characters of the prompt"),
    "output_character": ("1M characters", "characters of the answer"),
    "input_image_unit": ("image", "images in the prompt"),
    "image": ("image", "images made"),
    "input_pixel": ("1M pixels", "pixels of images in the prompt"),
    "output_pixel": ("1M pixels", "pixels of images made"),
    "second": ("second", "seconds of use, whatever they hold (dedicated capacity, or a medium not named)"),
    "input_audio_second": ("second", "seconds of audio in the prompt"),
    "audio_second": ("second", "seconds of audio made"),
    "input_video_second": ("second", "seconds of video in the prompt"),
    "video_second": ("second", "seconds of video made"),
    "request": ("1k requests", "calls, whatever their size"),
    "web_search": ("1k searches", "web searches made for an answer"),
    "map_search": ("1k searches", "map look-ups made for an answer"),
    "query": ("1k queries", "search or rerank queries"),
    "message": ("1k messages", "text messages of a voice session"),
    "page": ("page", "pages read"),
    "annotated_page": ("page", "pages annotated"),
    "credit": ("credit", "credits of the provider's own"),
    "session": ("session", "sessions of a tool, such as a code interpreter"),
    "guardrail_unit": ("unit", "text or image units checked by a guardrail"),
    "file_search": ("1k searches", "searches of the files given to a model"),
    "gigabyte_day": ("gigabyte day", "gigabytes kept in a store of files or vectors, for a day"),
}
#: how many of the source's single units one published amount is for
PER_FACTOR = {per: {"1M": 1_000_000, "1k": 1_000}.get(per.split()[0], 1) for per, _ in METERS.values()}


class Listing(NamedTuple):
    """What one source says about one id at one provider. Key: provider, listed_id."""

    provider: str
    listed_id: str
    name: str | None = None
    author: str | None = None
    description: str | None = None
    family: str | None = None
    released_on: date | None = None
    released_on_precision: str | None = None
    knowledge_cutoff: date | None = None
    knowledge_cutoff_precision: str | None = None
    context_tokens: int | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    open_weights: bool | None = None
    license: str | None = None
    lifecycle: str | None = None
    retires_on: date | None = None
    replaced_by: str | None = None
    hugging_face_id: str | None = None
    canonical_hint: str | None = None
    docs_url: str | None = None
    extra: str = "{}"


class Price(NamedTuple):
    """What one source says one meter of a listing costs under one condition. Key: all up to effective_from."""

    provider: str
    listed_id: str
    meter: str
    service_tier: str
    prompt_above_tokens: int
    time_window: str
    region: str
    detail: str
    currency: str
    effective_from: datetime | None
    state: str
    amount: Decimal | None
    effective_to: datetime | None


class Score(NamedTuple):
    """How well one run of a benchmark went. Key: all up to run, so that what cannot be compared is never mixed.

    `model` is spelled as the source spells it. `version` is the benchmark's own (a release of its questions), `split` the part of it,
    `harness` what drove the model, `effort` how long it was let think, `variant` any other mode, `runner` who ran it, `run` the source's name
    for this one run where it has several of one kind.
    """

    benchmark: str
    model: str
    version: str
    split: str
    metric: str
    harness: str
    effort: str
    variant: str
    runner: str
    run: str
    value: Decimal
    unit: str
    lower: Decimal | None = None
    upper: Decimal | None = None
    measured_on: date | None = None
    measured_on_precision: str | None = None
    url: str | None = None
    extra: str = "{}"


class Mention(NamedTuple):
    """What somebody published: an item of a feed, a discussion, a job. Key: feed, item. Its words are kept as they came: untrusted text."""

    feed: str
    item: str
    kind: str
    title: str | None = None
    url: str | None = None
    author: str | None = None
    published_at: datetime | None = None
    text: str | None = None
    extra: str = "{}"


class Popularity(NamedTuple):
    """What changes on every look without meaning: kept apart from the claims, and only as it was last seen.

    `collection` and `entry` are the first two columns of the claim it belongs to: provider and listed_id, or feed and item.
    """

    collection: str
    entry: str
    downloads: int | None = None
    likes: int | None = None
    points: int | None = None
    comments: int | None = None


UNITS = ("pct", "fraction", "elo", "index", "score", "usd", "seconds", "tokens_per_second", "count")
MENTION_KINDS = ("news", "discussion", "job")

KEY_WIDTH = {"listing": 2, "price": 10, "score": 10, "mention": 2}


class Reject(NamedTuple):
    """A part of a payload that breaks the contract. It says nothing about its key: what held before goes on.

    `relation` is "listing" (then the whole entry is in doubt: the listing and all its prices), or "price", "score", "mention". `row` is the
    offending row where one could be made: then only that row's key is in doubt; with `row` None and relation "price", all prices of the listing
    are. `provider` and `listed_id` name the entry, null for any: for a score benchmark and model, for a mention feed and item.
    With `broken` false nothing is wrong: the payload does not speak of the entry, and says so itself, such as beyond a limit.
    """

    relation: str
    provider: str | None
    listed_id: str | None
    reason: str
    original: str
    row: "Listing | Price | Score | Mention | None" = None
    broken: bool = True


class Oddity(NamedTuple):
    """A value of an optional field that could not be used and was left out (null), or cleaned. Reported, never fatal."""

    listed_id: str
    field: str
    found: str
    why: str
