"""Claims as the ledger keeps them: relations, keys and digests.

A claim is compared by the digest of its whole row, so that a night on which nothing changed costs one digest per row and one query.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import get_type_hints

from model_assets.contracts import KEY_WIDTH, Listing, Price

DIGEST_BYTES = 16
Row = tuple[object, ...]


@dataclass(frozen=True)
class Relation:
    """A temporal table of the ledger: its name, the columns of a row, and how many of the first columns are the key."""

    name: str
    columns: tuple[str, ...]
    key_width: int
    row_format: str

    @property
    def column_list(self) -> str:
        """The columns of a row, for SQL."""
        return ", ".join(self.columns)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that make the key."""
        return self.columns[: self.key_width]


def _row_format(row_type: type[Listing] | type[Price]) -> str:
    """A `%` format that gives different rows different texts: nullable texts and lists as ASCII literals, so that a None is not 'None';
    what cannot be mistaken as it is. An ASCII literal does not depend on which characters this Python calls printable."""
    hints = get_type_hints(row_type)
    return "\x1f".join("%a" if hints[name] in (str | None, tuple[str, ...]) else "%s" for name in row_type._fields)


def digest_all(relation: Relation, rows: Iterable[Row]) -> list[bytes]:
    """A digest of 16 bytes for each row, of all its columns."""
    form, hashed = relation.row_format, sha256
    return [hashed((form % row).encode("utf-8", "surrogatepass")).digest()[:DIGEST_BYTES] for row in rows]


def key_id(source: str, relation: Relation, row: Sequence[object]) -> int:
    """The integer key of a row's claim: the first 64 bits of a SHA-256 of source, relation and key columns, as a signed integer.

    Computed rather than handed out, so that it does not depend on the order of loading and no look-up is needed. At a million keys the
    chance of two falling together is below one in ten million.
    """
    text = "\x1f".join((source, relation.name, *map(str, row[: relation.key_width])))
    return int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True)


LISTING = Relation("listing", Listing._fields, KEY_WIDTH["listing"], _row_format(Listing))
PRICE = Relation("price", Price._fields, KEY_WIDTH["price"], _row_format(Price))
RELATIONS = (LISTING, PRICE)
