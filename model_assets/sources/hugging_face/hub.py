"""Asking Hugging Face: the pages of each filter in the order of creation, then what the weights of changed repositories are."""

import hashlib
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urljoin, urlsplit

from model_assets.errors import BadPayload, FetchFailed
from model_assets.fetching import strict_json
from model_assets.settings import read_settings
from model_assets.sources.base import Answer, Ask, as_json, id_problem, sequence
from model_assets.sources.gathered import Part
from model_assets.sources.hugging_face.entries import is_weights
from model_assets.sources.hugging_face.payload import MOST_PAGES, Filter, Page, Payload, Weights, Writer

HUB = "https://huggingface.co"
PAGE = 1_000
#: an anonymous caller has 500 requests in five minutes; what is left of them is for the pages
MOST_DETAILS = 400
#: seconds that a run may wait in all because it is asked to, and at most at once: a window of the limit is 300; how often for one answer
PATIENCE, LONGEST_WAIT, MOST_WAITS = 1_500.0, 310.0, 5
_SHA = re.compile(r"[0-9a-f]{6,64}")


def gather(ask: Ask, kept: bytes | None) -> bytes:
    """The payload of all filters that are set, as `payload` has it. Raises FetchFailed, BadPayload, SettingsError."""
    settings = read_settings()
    wanted = [Filter(name, limit) for name, limit in settings.hf_filters]
    return collect(Hub(ask, HUB, settings.hf_token), wanted, kept)


class Hub:
    """Hugging Face, or a server like it: waits where it is asked to, and shows the token to nobody else."""

    def __init__(self, ask: Ask, address: str, token: str | None, patience: float = PATIENCE) -> None:
        self.address = address
        self._ask, self._patience = ask, patience
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    def ask(self, url: str, etag: str | None = None) -> Answer | None:
        """The answer to a request; null where what bore that ETag has not changed. Raises FetchFailed."""
        if urlsplit(url)[:2] != urlsplit(self.address)[:2]:
            raise FetchFailed(f"{self.address} leads on to another host, {urlsplit(url).netloc[:80]!a}: that is not followed.", "redirect")
        for left in reversed(range(MOST_WAITS)):
            try:
                return self._ask(url, headers=self._headers, etag=etag)
            except FetchFailed as failed:
                wait = failed.wait
                if not left or failed.kind != "throttled" or wait is None or wait > min(LONGEST_WAIT, self._patience):
                    raise
                self._patience -= wait
                time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def first(self, wanted: Filter) -> str:
        """The URL of a filter's first page. The order of creation does not change while pages are turned."""
        asked = {"filter": wanted.name, "full": "true", "cardData": "true", "config": "true", "sort": "createdAt", "direction": "-1"}
        return f"{self.address}/api/models?{urlencode(asked | {'limit': str(min(PAGE, wanted.limit or PAGE))})}"

    def revision(self, id: str, sha: str) -> str:
        """The URL of what is known of the files of a repository at a revision."""
        return f"{self.address}/api/models/{quote(id)}/revision/{sha}?blobs=true"


class Revision(NamedTuple):
    """A repository at a revision."""

    id: str
    sha: str


def collect(hub: Hub, wanted: Sequence[Filter], kept: bytes | None, most_details: int = MOST_DETAILS) -> bytes:
    """The payload of some filters. A page that has not changed since the payload `kept` is taken from there, as is what is known of weights.

    Raises FetchFailed where a page cannot be had: half a list would look as if the rest were gone.
    """
    before = _readable(kept)
    known = _known_weights(before)
    waiting = _Waiting(known, most_details)
    filters: list[Filter] = []
    listed: list[list[str]] = []
    with Writer() as writer:
        for one in wanted:
            more = False
            for page, body in _pages(hub, one, before):
                revisions = _revisions(body, len(listed) + 1)
                writer.page(page, body)
                listed.append([revision.id for revision in revisions])
                waiting.add(revisions)
                more = page.next is not None
            filters.append(replace(one, cut=more))
        answered = _ask_details(hub, waiting.first(), known)
        for number, ids in enumerate(listed):
            writer.weights(number, {id: known[id] for id in ids if id in known})
        return writer.finish(filters, waiting.count - answered)


class _Waiting:
    """Repositories of whose weights it is not known what they are at their revision: how many, and those to ask first."""

    def __init__(self, known: Mapping[str, Weights], most: int) -> None:
        self._known, self._most = known, most
        self._changed: dict[Revision, None] = {}
        self._new: dict[Revision, None] = {}
        self.count = 0

    def add(self, revisions: Iterable[Revision]) -> None:
        """Take note of those of a page."""
        for revision in revisions:
            before = self._known.get(revision.id)
            kept = self._changed if before else self._new
            if (before and before[0] == revision.sha) or revision in kept:
                continue  # known, or on two pages
            self.count += 1
            if len(kept) < self._most:
                kept[revision] = None

    def first(self) -> list[Revision]:
        """Those to ask in this run, changed ones before new ones."""
        return [*self._changed, *self._new][: self._most]


def _pages(hub: Hub, wanted: Filter, before: Payload | None) -> Iterator[tuple[Page, bytes]]:
    """The pages of a filter, up to its limit."""
    places = {page.url: (number, page) for number, page in enumerate(before.about.pages)} if before else {}
    url: str | None = hub.first(wanted)
    seen: set[str] = set()
    left = wanted.limit
    while url is not None and (left is None or left > 0):
        if url in seen or len(seen) >= MOST_PAGES:
            raise FetchFailed(
                f"Hugging Face's list of {wanted.name!r} does not end: page {len(seen) + 1} leads back. Try again later.", "protocol"
            )
        seen.add(url)
        number, old = places.get(url, (0, None))
        answer = hub.ask(url, old.etag if old else None)
        if answer is not None:
            page, body = Page(url, wanted.name, answer.headers.get("etag"), _next(url, answer)), answer.body
        elif old is not None and before is not None:
            page, body = replace(old, filter=wanted.name), before.body(number)
        else:
            raise FetchFailed(f"{hub.address} answered 304 to a request without a condition; try again later.", "protocol")
        left = None if left is None else left - len(sequence(strict_json.loads_fast(body), f"page {len(seen)} of Hugging Face's list"))
        yield page, body
        url = page.next


def _next(url: str, answer: Answer) -> str | None:
    found = Part(url, None, "", answer.headers.get("link")).next_url()
    return urljoin(url, found) if found else None


def _revisions(body: bytes, number: int) -> list[Revision]:
    """The repositories of a page whose id and revision are what they should be: of others nothing is asked."""
    found = []
    for entry in sequence(strict_json.loads_fast(body), f"page {number} of Hugging Face's list"):
        id, sha = (entry.get("id", entry.get("modelId")), entry.get("sha")) if isinstance(entry, dict) else (None, None)
        if isinstance(id, str) and not id_problem(id) and isinstance(sha, str) and _SHA.fullmatch(sha):
            found.append(Revision(id, sha))
    return found


def _ask_details(hub: Hub, asked: Sequence[Revision], known: dict[str, Weights]) -> int:
    """Put what the weights of some repositories are into `known`; returns of how many. One that fails waits for the next run, and so do all
    that are left once the server has had enough."""
    answered = 0
    for revision in asked:
        try:
            answer = hub.ask(hub.revision(*revision))
            if answer is not None:
                known[revision.id] = weights_of(revision, strict_json.loads(answer.body))
                answered += 1
        except FetchFailed as failed:
            if failed.kind != "status":
                break
        except BadPayload:
            continue  # what cannot be read stays unconfirmed, and is counted as waiting
    return answered


def weights_of(revision: Revision, found: object) -> Weights:
    """What the weights of a repository are: a digest of the contents of its weight files, whatever they are called. Raises BadPayload."""
    siblings = sequence(found.get("siblings") if isinstance(found, dict) else None, f"`siblings` of {revision.id}")
    files = [
        file for file in siblings if isinstance(file, dict) and isinstance(file.get("rfilename"), str) and is_weights(file["rfilename"])
    ]
    contents = sorted(_content(file) for file in files)
    if "" in contents:
        raise BadPayload(f"Hugging Face does not say what is in some weights of {revision.id}. They stay unconfirmed.")
    sizes = [size for file in files if type(size := file.get("size")) is int and 0 <= size < 2**60]
    return revision.sha, hashlib.sha256(as_json(contents).encode()).hexdigest()[:32], len(files), sum(sizes)


def _content(file: Mapping[str, Any]) -> str:
    """The SHA-256 of a large file, the git hash of a small one; '' where neither is said."""
    large = file.get("lfs")
    said = large.get("sha256", large.get("oid")) if isinstance(large, dict) else file.get("blobId")
    return said if isinstance(said, str) else ""


def _readable(kept: bytes | None) -> Payload | None:
    """The payload kept last; null where there is none, or none that this version reads: then all is asked for anew."""
    try:
        return Payload(kept) if kept and kept.startswith(b"PK") else None
    except BadPayload:
        return None


def _known_weights(before: Payload | None) -> dict[str, Weights]:
    try:
        return {id: said for number in range(len(before)) for id, said in before.weights(number).items()} if before else {}
    except BadPayload:
        return {}
