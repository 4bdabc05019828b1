"""Claims as the ledger keeps them: relations, keys and digests.

A claim is compared by the digest of its whole row, so that a night on which nothing changed costs one digest per row and one query.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from model_assets.contracts import KEY_WIDTH, Listing, Mention, Price, Score
from model_assets.paged import encoded

Row = tuple[object, ...]


@dataclass(frozen=True)
class Relation:
    """A temporal table of the ledger: its name, the columns of a row, and how many of the first columns are the key.

    The first two columns name the entry of the payload that a row belongs to: provider and listed_id, benchmark and model, feed and item.
    """

    name: str
    columns: tuple[str, ...]
    key_width: int

    @property
    def entry(self) -> tuple[str, str]:
        """The two columns that name the entry."""
        return self.columns[0], self.columns[1]

    @property
    def column_list(self) -> str:
        """The columns of a row, for SQL."""
        return ", ".join(self.columns)


def key_id(source: str, relation: Relation, row: Sequence[object]) -> int:
    """The integer key of a row's claim: the first 64 bits of a SHA-256 of source, relation and key columns, as a signed integer.

    Computed rather than handed out, so that it does not depend on the order of loading and no look-up is needed. At a million keys the
    chance of two falling together is below one in ten million.
    """
    key = encoded((source, relation.name, *row[: relation.key_width]))
    return int.from_bytes(sha256(key).digest()[:8], "big", signed=True)


LISTING = Relation("listing", Listing._fields, KEY_WIDTH["listing"])
PRICE = Relation("price", Price._fields, KEY_WIDTH["price"])
SCORE = Relation("score", Score._fields, KEY_WIDTH["score"])
MENTION = Relation("mention", Mention._fields, KEY_WIDTH["mention"])
RELATIONS = (LISTING, PRICE, SCORE, MENTION)
