"""Rows that are made page by page."""

import gc
from collections.abc import Callable

import pytest

from model_assets.contracts import Popularity
from model_assets.paged import PackedRows, PagedRows, digest_all, without_collection


def counters(page: int) -> list[Popularity]:
    """The rows of a page: as many as its number."""
    return [Popularity("hub", f"{page}/{number}", downloads=number) for number in range(page)]


def paged() -> tuple[PagedRows[Popularity], list[int]]:
    """Four pages of rows, and which of them were made since."""
    made: list[int] = []
    rows: PagedRows[Popularity] = PagedRows(lambda page: made.append(page) or counters(page))  # type: ignore[func-returns-value]
    for page in range(4):
        rows.add_page(counters(page))
    return rows, made


def packed() -> tuple[PagedRows[Popularity], list[int]]:
    """The same, packed."""
    rows = PackedRows(Popularity)
    for page in range(4):
        rows.add_page(counters(page))
    return rows, []


@pytest.mark.parametrize("kept", [paged, packed])
def test_rows_are_those_of_the_pages_in_order(kept: Callable[[], tuple[PagedRows[Popularity], list[int]]]) -> None:
    rows, _ = kept()
    plain = [row for page in range(4) for row in counters(page)]
    assert (list(rows), len(rows), rows[2:5]) == (plain, len(plain), plain[2:5])
    assert [rows[place] for place in (5, 0, -1, 3)] == [plain[place] for place in (5, 0, -1, 3)]
    with pytest.raises(IndexError):
        rows[len(plain)]


def test_reading_in_order_makes_each_page_once_and_digests_make_none() -> None:
    rows, made = paged()
    assert rows.digests() == digest_all(row for page in range(4) for row in counters(page))
    assert made == []
    for place in range(len(rows)):
        assert rows[place]
    assert made == [1, 2, 3]


def test_the_search_for_garbage_is_as_it_was_after_the_block() -> None:
    for was in (True, False):
        (gc.enable if was else gc.disable)()
        try:
            with without_collection():
                assert not gc.isenabled()
            assert gc.isenabled() == was
        finally:
            gc.enable()
