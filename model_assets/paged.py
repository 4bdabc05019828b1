"""Rows that are many and looked at rarely: a page of them is made anew from the payload where one is asked for.

200,000 listings with their files and tags take 400 MB as tuples. Kept here is a digest of each: that is all that a night needs on which
nothing changed, and a first load reads them once more, in order.
"""

import gc
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, Generic, TypeVar, overload

import msgspec

DIGEST_BYTES = 16
Row = TypeVar("Row", bound=tuple[Any, ...])


def digest_all(rows: Iterable[tuple[Any, ...]]) -> list[bytes]:
    """A digest of 16 bytes for each row, of all its columns.

    Rows are hashed as MessagePack, which is exact (a None is not 'None', a Decimal keeps its digits as text), the same in every version, and
    made in a tenth of the time that any text of a row takes.
    """
    encode, hashed = msgspec.msgpack.encode, sha256
    try:
        return [hashed(encode(row)).digest()[:DIGEST_BYTES] for row in rows]
    except UnicodeEncodeError:  # a lone surrogate: its row breaks the contract, and will be told so
        return [hashed(encoded(row)).digest()[:DIGEST_BYTES] for row in rows]


def encoded(row: tuple[Any, ...]) -> bytes:
    """A row as MessagePack; as text where that cannot be."""
    try:
        return msgspec.msgpack.encode(row)
    except UnicodeEncodeError:
        return ascii(tuple(row)).encode()


@contextmanager
def without_collection() -> Iterator[None]:
    """No search for circles of garbage during the block: rows and decoded JSON make none, and looking for them takes a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class PagedRows(Sequence[Row], Generic[Row]):
    """Rows by their page, counted from 0. Reading them in order makes each page once; here and there, each read may make one."""

    def __init__(self, make: Callable[[int], list[Row]]) -> None:
        self._make = make
        self._digests = bytearray()
        self._starts = [0]
        self._last: tuple[int, list[Row]] = (-1, [])

    def add_page(self, rows: Sequence[Row]) -> None:
        """Take note of the rows that the next page makes."""
        self._digests += b"".join(digest_all(rows))
        self._starts.append(self._starts[-1] + len(rows))

    def digests(self) -> list[bytes]:
        """The digest of each row."""
        return [bytes(self._digests[at : at + DIGEST_BYTES]) for at in range(0, len(self._digests), DIGEST_BYTES)]

    def __len__(self) -> int:
        return self._starts[-1]

    def __iter__(self) -> Iterator[Row]:
        for page in range(len(self._starts) - 1):
            yield from self._page(page)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        if isinstance(place, slice):
            return [self[at] for at in range(len(self))[place]]
        at = range(len(self))[place]
        page = bisect_right(self._starts, at) - 1
        return self._page(page)[at - self._starts[page]]

    def _page(self, page: int) -> list[Row]:
        if self._last[0] != page:
            self._last = (page, self._make(page))
        return self._last[1]


class PackedRows(PagedRows[Row]):
    """Small rows, kept as MessagePack: a fifth of the memory that they take as tuples. They have no digests."""

    def __init__(self, kind: type[Row]) -> None:
        self._kept: list[bytes] = []
        read = msgspec.msgpack.Decoder(list[kind])  # type: ignore[valid-type]
        super().__init__(lambda page: read.decode(self._kept[page]))

    def add_page(self, rows: Sequence[Row]) -> None:
        """Keep the rows of the next page."""
        self._kept.append(msgspec.msgpack.encode(rows))
        self._starts.append(self._starts[-1] + len(rows))
