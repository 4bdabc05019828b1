"""The gate on a payload as a whole: a list that shrank, or that is broken in too many places, is refused, and the ledger does not move."""

from model_assets.ledger.changes import ChangeSet
from model_assets.ledger.observations import Counts, Judged, instant_text

LEAST_SHARE_OF_EARLIER = 0.8
MOST_BROKEN = 0.05


def judge(changes: ChangeSet, earlier: Judged | None) -> list[str]:
    """Why a payload must be refused; empty where it may enter. A pure function of its counts and those of the nearest earlier accepted one.

    An empty list never means that all models are gone. A list with less than four fifths of the earlier listings has probably lost a part on
    the way. One of which more than 5 % breaks the contract has probably changed its shape.
    """
    reasons = []
    if not changes.counts.entries:
        reasons.append("the payload lists no model; an empty list never means that all models are gone")
    else:
        reasons += judge_size(changes.counts, earlier)
    broken_parts = [reject for reject, _ in changes.rejects if reject.broken]
    entries = sum(reject.relation == "listing" for reject in broken_parts)
    for broken, kept, what in (
        (entries, changes.counts.listings, "entries"),
        (len(broken_parts), changes.counts.rows, "rows"),
    ):
        if broken > MOST_BROKEN * (broken + kept):
            reasons.append(
                f"{broken} of {broken + kept} {what} break the contract, more than {MOST_BROKEN:.0%}; the source may have changed its shape"
            )
    return reasons


def judge_size(counts: Counts, earlier: Judged | None) -> list[str]:
    """Why a list is too short after the nearest earlier accepted one; empty where it is not. What is only mentioned comes and goes."""
    what = "models" if counts.listings else "scores"
    if earlier is None or counts.entries == counts.mentions or counts.entries >= LEAST_SHARE_OF_EARLIER * earlier.counts.entries:
        return []
    share = 1 - counts.entries / earlier.counts.entries
    since = instant_text(earlier.observation.observed_at)
    said = f"the payload lists {counts.entries} {what}, {share:.0%} fewer than the {earlier.counts.entries} of {since}"
    return [f"{said}; more than 20 % at once is taken for a cut list"]
