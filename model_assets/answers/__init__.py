"""Questions that the command line answers from the database."""

from model_assets.answers.books import quarantined, status
from model_assets.answers.claims import claims
from model_assets.answers.differences import Difference, difference
from model_assets.answers.doubts import disputes, held
from model_assets.answers.identities import corrections, unresolved, unresolved_names
from model_assets.answers.mentions import mentions
from model_assets.answers.naming import Named, named, resolve
from model_assets.answers.past import history
from model_assets.answers.plain import Answer, plain, read_instant
from model_assets.answers.prices import amount_in_words, prices
from model_assets.answers.scores import benchmarks, frontier, scores
from model_assets.answers.why import payload_bytes, why
from model_assets.gate.held_changes import before_and_after

__all__ = [
    "Answer", "Difference", "Named", "amount_in_words", "before_and_after", "benchmarks", "claims", "corrections", "difference", "disputes",
    "frontier", "held", "history", "mentions", "named", "payload_bytes", "plain", "prices", "quarantined", "read_instant", "resolve", "scores", "status",
    "unresolved", "unresolved_names", "why",
]  # fmt: skip
