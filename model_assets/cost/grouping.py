"""Rows that belong together, found by numbers."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd


def split(keys: np.ndarray, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each key of some rows, with those of them that have it."""
    if not len(rows):
        return
    ordered = rows[np.argsort(keys[rows], kind="stable")]
    sorted_keys = keys[ordered]
    starts = np.flatnonzero(np.diff(sorted_keys, prepend=sorted_keys[0] - 1))
    yield from zip(sorted_keys[starts].tolist(), np.split(ordered, starts[1:]), strict=True)


def distinct(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A number for each distinct combination of some columns of numbers, and the place of its first row."""
    key = np.zeros(len(parts[0]), dtype=np.int64)
    for part in parts:
        low = int(part.min())
        key = key * (int(part.max()) - low + 1) + (part.astype(np.int64) - low)
    places, found = pd.factorize(key)
    first = np.zeros(len(found), dtype=np.int64)
    first[places[::-1]] = np.arange(len(key))[::-1]
    return places, first
