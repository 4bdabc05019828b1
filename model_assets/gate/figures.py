"""The figures of the gate's bench: what was counted, its shares, and how they are told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

from model_assets.gate.types import Held, Verdict

#: what "soon" means of a value that the gate lets go by itself
SOON = timedelta(days=3)
FLAPPING = "flapping"
#: the least share held of each class that is asked for
GOALS = {
    "unit": 0.99, "decimal by 10": 0.9, "decimal by 100": 0.97, "zero": 0.97, "zeroed provider": 0.99, "swapped": 0.7, "shifted": 0.99,
    "currency": 0.7, "stale": 0.9, FLAPPING: 0.7,
}  # fmt: skip
THRESHOLDS = (0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)


@dataclass
class ClassScore:
    """How one class of mistakes fared: prices changed wrongly, how many of them were held, and (followed in time) let go."""

    name: str
    changes: int = 0
    held: int = 0
    followed: int = 0
    hours: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    @property
    def share(self) -> float | None:
        """The share held, 0 to 1; null where no mistake could be made."""
        return self.held / self.changes if self.changes else None

    @property
    def let_go_soon(self) -> float | None:
        """Of the held mistakes that were followed, the share that the gate let go by itself within three days; null where none were."""
        return sum(hours <= SOON.total_seconds() / 3600 for hours in self.hours) / self.followed if self.followed else None

    @property
    def hours_held(self) -> float | None:
        """The median time until one was let go, of those that were; null where none was."""
        return median(self.hours) if self.hours else None


@dataclass
class RealScore:
    """How true changes fared: from one number to another; how many were held, marked, let go, or taken back by their source."""

    name: str
    changes: int = 0
    held: int = 0
    marked: int = 0
    #: of the held ones, those whose three days are over
    followed: int = 0
    let_go_soon: int = 0
    taken_back: int = 0
    hours: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    @property
    def share(self) -> float | None:
        """The share held, 0 to 1; null where nothing changed."""
        return self.held / self.changes if self.changes else None

    @property
    def share_let_go_soon(self) -> float | None:
        """Of those held, the share that the gate let go by itself within three days; null where none is old enough."""
        return self.let_go_soon / self.followed if self.followed else None

    @property
    def hours_held(self) -> float | None:
        """The median time until one was let go, of those that were; null where none was."""
        return median(self.hours) if self.hours else None

    def count(self, verdict: Verdict | None) -> None:
        """Count one real change from a number to another; null where it went back to the last good value, which needs no verdict."""
        self.changes += 1
        if verdict is None:
            self.scores.append(0.0)
            return
        self.held += verdict.outcome == "hold"
        self.marked += verdict.outcome == "mark"
        if verdict.outcome != "mark":
            self.scores.append(verdict.score)

    def follow(self, held: Held, until: datetime) -> None:
        """Count how one that was held ended, known up to an instant."""
        took = held.held_until - held.held_from if held.held_until else None
        if took is None and until - held.held_from < SOON:
            return
        self.followed += 1
        self.taken_back += held.outcome == "withdrawn"
        if took is not None and held.outcome == "released":
            self.let_go_soon += took <= SOON
            self.hours.append(took.total_seconds() / 3600)


@dataclass(frozen=True)
class Point:
    """One point of the curve: with this threshold, the mean share of mistakes held over the classes, and the share of true changes held."""

    threshold: float
    mistakes_held: float
    true_held: float


@dataclass
class RecordingsScore:
    """The measure on recordings."""

    seed: int
    looks: int
    classes: list[ClassScore]
    real: RealScore

    @property
    def curve(self) -> list[Point]:
        """Mistakes held against true changes held, for each threshold."""
        scored = [one.scores for one in self.classes if one.scores]
        return [
            Point(
                threshold,
                _mean([_share_from(scores, threshold) for scores in scored]),
                _share_from(self.real.scores, threshold, self.real.changes),
            )
            for threshold in THRESHOLDS
        ]


@dataclass
class ChangesScore:
    """The measure on a file of changes: of input and output, and of all keys."""

    input_output: RealScore
    every_key: RealScore


def rows(score: RecordingsScore | ChangesScore) -> list[dict[str, object]]:
    """The figures as plain values: one row per class of mistakes and per set of true changes. Shares are 0 to 1, times in hours."""
    if isinstance(score, ChangesScore):
        return [_real_row(one) for one in (score.input_output, score.every_key)]
    return [_class_row(one) for one in score.classes] + [_real_row(score.real)]


def curve_rows(score: RecordingsScore) -> list[dict[str, object]]:
    """The curve as plain values: threshold, share of mistakes held (mean of the classes), share of true changes held."""
    return [
        {"threshold": one.threshold, "mistakes_held": round(one.mistakes_held, 4), "true_held": round(one.true_held, 4)}
        for one in score.curve
    ]


def _class_row(one: ClassScore) -> dict[str, object]:
    return {
        "what": one.name, "changes": one.changes, "held": one.held, "share_held": _rounded(one.share), "goal": GOALS.get(one.name),
        "followed": one.followed, "let_go_in_3_days": _rounded(one.let_go_soon), "hours_held": _rounded(one.hours_held),
    }  # fmt: skip


def _real_row(one: RealScore) -> dict[str, object]:
    return {
        "what": one.name, "changes": one.changes, "held": one.held, "share_held": _rounded(one.share), "marked": one.marked,
        "followed": one.followed, "let_go_in_3_days": _rounded(one.share_let_go_soon), "taken_back": one.taken_back,
        "hours_held": _rounded(one.hours_held),
    }  # fmt: skip


def text(score: RecordingsScore | ChangesScore) -> list[str]:
    """The figures as sentences, one a line, for people."""
    if isinstance(score, ChangesScore):
        return [_real_sentence(one) for one in (score.input_output, score.every_key)]
    lines = [f"seed {score.seed}, {score.looks} daily looks"]
    lines += [_class_sentence(one) for one in score.classes]
    lines.append(_real_sentence(score.real))
    return lines + [
        f"threshold {one.threshold:.2f}: {one.mistakes_held:.1%} of mistakes held, {one.true_held:.1%} of true changes"
        for one in score.curve
    ]


def _class_sentence(one: ClassScore) -> str:
    if one.share is None:
        return f"{one.name}: no mistake of this class could be made"
    goal = f" (goal {GOALS[one.name]:.0%})" if one.name in GOALS else ""
    said = f"{one.name}: {one.held:,} of {one.changes:,} wrong prices held, {one.share:.2%}{goal}"
    if one.let_go_soon is None:
        return said
    after = f", half of them within {one.hours_held:.0f} hours" if one.hours_held else ""
    return f"{said}; said for a fortnight, {len(one.hours)} of {one.followed} were let go{after}, {one.let_go_soon:.0%} within three days"


def _real_sentence(one: RealScore) -> str:
    if one.share is None:
        return f"{one.name}: nothing changed from one number to another"
    said = f"{one.name}: {one.held:,} of {one.changes:,} changes held, {one.share:.2%}; {one.marked:,} marked as unconfirmed"
    if one.share_let_go_soon is None:
        return said
    after = f", half of those let go within {one.hours_held:.0f} hours" if one.hours_held else ""
    return (
        f"{said}; of {one.followed} held ones {one.share_let_go_soon:.0%} were let go without a person within three days{after},"
        f" {one.taken_back} were taken back by their source"
    )


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _share_from(scores: Sequence[float], threshold: float, of: int | None = None) -> float:
    total = len(scores) if of is None else of
    return sum(score >= threshold for score in scores) / total if total else 0.0


def _mean(shares: Sequence[float]) -> float:
    return sum(shares) / len(shares) if shares else 0.0
