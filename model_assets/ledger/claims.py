"""Claims as the ledger keeps them: relations, keys and digests.

A claim is compared by the digest of its whole row, so that a night on which nothing changed costs one digest per row and one query.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from model_assets.contracts import KEY_WIDTH, Listing, Price

DIGEST_BYTES = 16
Row = tuple[object, ...]


@dataclass(frozen=True)
class Relation:
    """A temporal table of the ledger: its name, the columns of a row, and how many of the first columns are the key."""

    name: str
    columns: tuple[str, ...]
    key_width: int

    @property
    def column_list(self) -> str:
        """The columns of a row, for SQL."""
        return ", ".join(self.columns)


def digest_all(rows: Iterable[Row]) -> list[bytes]:
    """A digest of 16 bytes for each row, of all its columns.

    Rows are hashed as MessagePack, which is exact (a None is not 'None', a Decimal keeps its digits as text), the same in every version, and
    made in a tenth of the time that any text of a row takes.
    """
    encode, hashed = msgspec.msgpack.encode, sha256
    try:
        return [hashed(encode(row)).digest()[:DIGEST_BYTES] for row in rows]
    except UnicodeEncodeError:  # a lone surrogate: its row breaks the contract, and will be told so
        return [hashed(_encoded(row)).digest()[:DIGEST_BYTES] for row in rows]


def _encoded(row: Row) -> bytes:
    try:
        return msgspec.msgpack.encode(row)
    except UnicodeEncodeError:
        return ascii(tuple(row)).encode()


def key_id(source: str, relation: Relation, row: Sequence[object]) -> int:
    """The integer key of a row's claim: the first 64 bits of a SHA-256 of source, relation and key columns, as a signed integer.

    Computed rather than handed out, so that it does not depend on the order of loading and no look-up is needed. At a million keys the
    chance of two falling together is below one in ten million.
    """
    key = _encoded((source, relation.name, *row[: relation.key_width]))
    return int.from_bytes(sha256(key).digest()[:8], "big", signed=True)


LISTING = Relation("listing", Listing._fields, KEY_WIDTH["listing"])
PRICE = Relation("price", Price._fields, KEY_WIDTH["price"])
RELATIONS = (LISTING, PRICE)
