"""The table of licences."""

import pytest

from model_assets.sources.licences import CLASSES, CUSTOM, RESTRICTED, SAFE, classify


@pytest.mark.parametrize(
    ("licence", "found"),
    [
        ("apache-2.0", "safe"), ("Apache-2.0", "safe"), ("mit", "safe"), ("bsd-3-clause", "safe"), ("cc0-1.0", "safe"), ("cc-by-4.0", "safe"),
        ("gpl-3.0", "restricted"), ("agpl-3.0", "restricted"), ("lgpl-3.0", "restricted"), ("cc-by-nc-4.0", "restricted"),
        ("cc-by-nc-sa-4.0", "restricted"), ("cc-by-sa-4.0", "restricted"), ("creativeml-openrail-m", "restricted"), ("openrail++", "restricted"),
        ("apple-amlr", "restricted"), ("llama2", "custom"), ("llama3.1", "custom"), ("llama3.3", "custom"), ("llama4", "custom"), ("llama5", "custom"),
        ("gemma", "custom"), ("other", "custom"), (None, "unknown"), ("", "unknown"), ("unknown", "unknown"), ("my-own-2.0", "unknown"),
    ],
)  # fmt: skip
def test_a_licence_has_a_class_and_a_reason(licence: str | None, found: str) -> None:
    verdict = classify(licence)
    assert verdict.licence_class == found
    assert verdict.why


@pytest.mark.parametrize("gated", ["auto", "manual", "yes", "unclear"])
def test_a_gate_counts_before_the_licence_and_tells_of_it(gated: str) -> None:
    verdict = classify("apache-2.0", gated=gated)
    assert verdict.licence_class == "gated"
    assert "the licence itself is safe: apache-2.0" in verdict.why


def test_terms_of_the_authors_own_are_named() -> None:
    assert classify("other", "lfm1.0").why == "terms of the author's own: lfm1.0"
    assert classify("other").licence_class == "custom"


def test_no_licence_is_in_two_classes() -> None:
    assert not SAFE & RESTRICTED.keys()
    assert not SAFE & CUSTOM
    assert not CUSTOM & RESTRICTED.keys()
    assert {classify(one).licence_class for one in (*SAFE, *RESTRICTED, *CUSTOM, None)} | {"gated"} == set(CLASSES)
