"""Digests and keys: exact, and the same in every process and version, since the ledger keeps them."""

from datetime import UTC, date, datetime
from decimal import Decimal

from model_assets.contracts import Listing, Price
from model_assets.ledger.claims import LISTING, PRICE, key_id
from model_assets.paged import digest_all

PRICED = Price(
    "host", "lab/a", "input", "standard", 0, "", "", "", "USD", datetime(2026, 9, 1, tzinfo=UTC), "paid", Decimal("0.0375"), None
)  # fmt: skip

DIGESTS = ["ccda017647c6c3a3d0d6176031a1151e", "a1294010f3a991be96020c28712fe47f"]
KEYS = (5321541230861781347, -7763734617075864493)


def test_a_digest_is_the_same_as_it_was_when_the_ledger_was_written() -> None:
    listing = Listing(
        "host", "lab/a", name="Ä", released_on=date(2026, 1, 2), input_modalities=("text",), open_weights=True, context_tokens=5
    )
    assert [digest.hex() for digest in digest_all([PRICED, listing])] == DIGESTS
    assert (key_id("src", PRICE, PRICED), key_id("src", LISTING, listing)) == KEYS


def test_rows_that_differ_in_kind_only_have_different_digests() -> None:
    rows = [
        Listing("host", "a"),
        Listing("host", "a", name="None"),
        Listing("host", "a", description="None"),
        Listing("host", "a", capabilities=("a,b",)),
        Listing("host", "a", capabilities=("a", "b")),
        Listing("host", "a", open_weights=False),
        Listing("host", "a", context_tokens=1),
        Listing("host", "a", open_weights=True),
    ]
    assert len(set(digest_all(rows))) == len(rows)


def test_a_key_does_not_depend_on_the_values_but_on_source_and_relation() -> None:
    assert key_id("src", PRICE, PRICED) == key_id("src", PRICE, PRICED._replace(amount=Decimal(7), state="paid", effective_to=None))
    others = {key_id("other", PRICE, PRICED), key_id("src", LISTING, PRICED), key_id("src", PRICE, PRICED._replace(meter="output"))}
    assert key_id("src", PRICE, PRICED) not in others
    assert len(others) == 3


def test_a_lone_surrogate_has_a_digest_too() -> None:
    broken = [Listing("host", "a", name="\ud800"), Listing("host", "a", name="\\ud800"), Listing("host", "a")]
    digests = digest_all(broken)
    assert len(set(digests)) == 3
    assert digests[2] == digest_all(broken[2:])[0]
