"""Hugging Face: which models are published there, under which licence, for which task, with which files.

Source  https://huggingface.co/api/models (public; with HF_TOKEN, more requests are let through; HF_FILTERS says which tags, litert if left out)
Grain   one listing per repository; no prices, since nobody sells here
Units   weights in bytes
Past    not served: a missed day is loaded from a recording or stays missing

Downloads and likes move on every look: they are kept apart (`ops.popularity`), and so a day on which only they moved writes no claim. Files and
revision are part of the claim; what the weights are is asked for by repository, a few hundred a run, so that a new README makes no new version.
"""

from collections import Counter

from model_assets.contracts import Listing, Popularity
from model_assets.errors import BadPayload
from model_assets.paged import PackedRows, PagedRows, without_collection
from model_assets.sources.base import Parsed, Source
from model_assets.sources.hugging_face.entries import PROVIDER, read_entry
from model_assets.sources.hugging_face.hub import gather
from model_assets.sources.hugging_face.payload import Payload


def parse(payload: Payload) -> Parsed:
    """One listing per repository, read a page at a time. An entry that is broken is rejected by itself.

    Where a limit cut the list, a note says so, and what the list does not name goes on as it was. Raises BadPayload where a filter finds
    nothing: it is more likely to be misspelt than empty.
    """
    listings: PagedRows[Listing] = PagedRows(lambda number: one_page(payload, number).listings)
    counters = PackedRows(Popularity)
    parsed = Parsed(paged=listings, packed=counters)
    found: Counter[str] = Counter()
    for number, page in enumerate(payload.about.pages):
        part = one_page(payload, number)
        listings.add_page(part.listings)
        counters.add_page(part.popularity)
        parsed.rejects += part.rejects
        parsed.oddities += part.oddities
        parsed.drift += part.drift
        found[page.filter] += len(part.listings) + len(part.rejects)
    for name in sorted(name for name, count in found.items() if not count):
        tag = f"tagged {name!r}" if name else "at all"
        raise BadPayload(f"Hugging Face lists no model {tag}. Check HF_FILTERS; an empty list never means that all models are gone.")
    for one in payload.about.filters:
        if one.cut:
            parsed.note("listing", PROVIDER, f"limit {one.limit} of filter {one.name} left out the rest")
    return parsed


def one_page(payload: Payload, number: int) -> Parsed:
    """What a page says, counted from 0. Raises BadPayload."""
    parsed = Parsed()
    with without_collection():
        weights = payload.weights(number)
        for entry in payload.entries(number):
            read_entry(parsed, entry, weights)
    return parsed


huggingface = SOURCE = Source(
    "huggingface",
    "https://huggingface.co/api/models",
    parse,
    about=__doc__ or "",
    extension="zip",
    kind="models",
    decode=Payload,
    gather=gather,
)
