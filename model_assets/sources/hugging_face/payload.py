"""The payload of several pages: a zip file, since 200,000 models are 300 MB of JSON and 30 MB so, and can be read a page at a time.

    about.json         what was asked for: filters with their limits and what they cut, each page's URL, ETag and next page
    pages/0001.json    a page, byte for byte as it came
    weights/0001.json  of its models, what their weights are: {id: [revision it was seen at, digest, files, bytes]}

Equal answers give equal bytes: nothing in it is dated. A recording may also be one page by itself, a JSON array as the address returns it.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from model_assets.errors import BadPayload
from model_assets.fetching import strict_json
from model_assets.sources.base import mapping, sequence

LARGEST_PAGE = 64 * 2**20
MOST_PAGES = 5_000
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that zip knows


@dataclass(frozen=True)
class Filter:
    """A tag that was asked for, with the most models wanted of it (null: all). `cut`: there were more."""

    name: str
    limit: int | None = None
    cut: bool = False


@dataclass(frozen=True)
class Page:
    """Where a page came from, of which filter, its ETag, and the URL of the next one."""

    url: str
    filter: str
    etag: str | None
    next: str | None


@dataclass(frozen=True)
class About:
    """What the payload says of itself. `waiting`: of how many models it was not asked yet what their weights are."""

    filters: list[Filter] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    waiting: int = 0


#: (revision at which the weights were seen, digest of them, how many files, bytes)
Weights = tuple[str, str, int, int]


class Writer:
    """Makes a payload, page by page. As a context it lets go of what it began, where it comes to no end."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._zip = zipfile.ZipFile(self._bytes, "w")
        self.pages: list[Page] = []

    def page(self, page: Page, body: bytes) -> None:
        """Add a page as it came."""
        self.pages.append(page)
        self._write(f"pages/{len(self.pages):04}.json", body)

    def weights(self, number: int, found: Mapping[str, Weights]) -> None:
        """Add what is known of the weights of the models of a page, counted from 0."""
        if found:
            self._write(f"weights/{number + 1:04}.json", _json(found))

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def finish(self, filters: list[Filter], waiting: int) -> bytes:
        """The payload's bytes."""
        self._write("about.json", _json(asdict(About(filters, self.pages, waiting))))
        self._zip.close()
        return self._bytes.getvalue()

    def _write(self, name: str, body: bytes) -> None:
        info = zipfile.ZipInfo(name, _DATE)
        info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, 3
        self._zip.writestr(info, body)


def _json(found: object) -> bytes:
    return json.dumps(found, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


class Payload:
    """A payload to read. Raises BadPayload where it is none, at once or when a page turns out to be broken."""

    def __init__(self, body: bytes) -> None:
        self._alone = None if body.startswith(b"PK") else body
        self.about = About(pages=[Page("", "", None, None)])
        if self._alone is None:
            try:
                self._zip = zipfile.ZipFile(io.BytesIO(body))
            except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
                raise BadPayload(f"the payload begins like a zip file and is none ({error}). Fetch it again.") from None
            self.about = _about(strict_json.loads(self._read("about.json")))

    def __len__(self) -> int:
        return len(self.about.pages)

    def body(self, number: int) -> bytes:
        """The bytes of a page, counted from 0."""
        return self._read(f"pages/{number + 1:04}.json") if self._alone is None else self._alone

    def weights(self, number: int) -> dict[str, Weights]:
        """What is known of the weights of the models of a page, by id."""
        name = f"weights/{number + 1:04}.json"
        if self._alone is not None or name not in self._zip.NameToInfo:
            return {}
        found = mapping(strict_json.loads_fast(self._read(name)), name)
        return {id: _weights(said, name) for id, said in found.items()}

    def entries(self, number: int) -> list[object]:
        """The entries of a page."""
        return sequence(strict_json.loads_fast(self.body(number)), f"page {number + 1} of Hugging Face's list")

    def _read(self, name: str) -> bytes:
        try:
            info = self._zip.getinfo(name)
            if info.file_size > LARGEST_PAGE:
                raise BadPayload(
                    f"{name} of the payload is {info.file_size:,} bytes; at most {LARGEST_PAGE:,} are read. Look at it in raw."
                )
            return self._zip.read(info)
        except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError) as error:
            raise BadPayload(f"{name} of the payload cannot be read ({' '.join(str(error).split())[:80]}). Fetch it again.") from None


def _about(found: object) -> About:
    said = mapping(found, "about.json of the payload")
    filters, pages, waiting = (said.get(key) for key in ("filters", "pages", "waiting"))
    try:
        about = About(
            [Filter(**one) for one in sequence(filters, "`filters` of about.json")],  # type: ignore[arg-type]
            [Page(**one) for one in sequence(pages, "`pages` of about.json")],  # type: ignore[arg-type]
            waiting if isinstance(waiting, int) else 0,
        )
    except TypeError:
        raise BadPayload("about.json of the payload is of another version. Fetch it again.") from None
    texts = [*(one.name for one in about.filters), *(page.url for page in about.pages), *(page.filter for page in about.pages)]
    if len(about.pages) > MOST_PAGES or not all(isinstance(text, str) for text in texts):
        raise BadPayload(f"about.json of the payload names {len(about.pages)} pages, or things that are no text. Look at it in raw.")
    return about


def _weights(said: object, where: str) -> Weights:
    kinds = [type(one) for one in said] if isinstance(said, list) else []
    if kinds != [str, str, int, int]:
        raise BadPayload(f"{where} of the payload does not say what it should of a model's weights. Fetch it again.")
    return tuple(said)  # type: ignore[arg-type, return-value]
