"""The gate's bench: how many mistakes it holds, how many true changes it holds for nothing, and how soon it lets those go.

Two measures. On recordings: mistakes of each class are put into the real change sets of every daily look, one at a time, and judged with what
was known then; the real changes of the same looks are judged as they are. On a file of changes that really happened: all of it is replayed in
order of time. A mistake that goes on being said is followed in a replay of its own, to see how long it stays held.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median

from model_assets.errors import BadRecording
from model_assets.gate import inject
from model_assets.gate.changes import judge
from model_assets.gate.events import (
    CHANGES_SOURCE,
    Snapshot,
    merged,
    of_changes,
    of_snapshots,
    read_changes,
)
from model_assets.gate.inject import CLASSES, Claim, Truth, Wrong
from model_assets.gate.memory import ModelOf
from model_assets.gate.models import resolved
from model_assets.gate.patterns import is_number
from model_assets.gate.replay import Replay
from model_assets.gate.types import Event, Held, Listed, PriceKey, Said, Verdict

#: a look counts as daily where the one before of its source is not older
DAILY = timedelta(hours=36)
SOON = timedelta(days=3)
#: how many mistakes of a class each daily look is given; of the classes that touch many listings, a third
MISTAKES_PER_LOOK = 6
#: in the replays that follow mistakes: one at every third daily look, said for a fortnight
EVERY, FOR = 3, timedelta(days=14)
FLAPPING = "flapping"
FLAPPING_LISTINGS = 8
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


def score_changes(path: Path, recordings: Sequence[Snapshot] = (), model_of: ModelOf | None = None) -> ChangesScore:
    """Replay a file of changes in order of time, with what recordings knew by then. `model_of` left out: identity's.

    Names are resolved with all ids there are, also later ones; of prices nothing is known before its time. Raises BadRecording where the file
    is none of changes.
    """
    changes = read_changes(path)
    listed = {Listed(CHANGES_SOURCE, one.key.provider, one.key.listed_id) for one in changes}
    own = [one for one in recordings if one.source == CHANGES_SOURCE]
    others = of_snapshots(one for one in recordings if one.source != CHANGES_SOURCE)
    counted = {(one.at, one.key) for one in changes if one.old is not None and one.new is not None}
    score = ChangesScore(RealScore("input and output"), RealScore("every key"))
    replay = Replay(model_of=model_of or resolved(listed | _listed(recordings)))
    for event in merged(of_changes(changes, own), others):
        verdicts = {verdict.change.key: verdict for verdict in replay.step(event)}
        for one in event.said if event.source == CHANGES_SOURCE else ():
            if (event.at, one.key) in counted:
                for part in _parts(score, one.key):
                    part.count(verdicts.get(one.key))
    last = max(one.at for one in changes) + SOON
    for held in replay.helds:
        if held.kind == "held" and (held.changed_at, held.key) in counted and held.source == CHANGES_SOURCE:
            for part in _parts(score, held.key):
                part.follow(held, last)
    return score


def _listed(snapshots: Iterable[Snapshot]) -> set[Listed]:
    return {listing for one in snapshots for listing in one.listings}


def _parts(score: ChangesScore, key: PriceKey) -> list[RealScore]:
    return [score.every_key, score.input_output] if key.meter in ("input", "output") else [score.every_key]


def score_recordings(
    snapshots: Sequence[Snapshot],
    seed: int,
    classes: Sequence[str] = (*CLASSES, FLAPPING),
    model_of: ModelOf | None = None,
    *,
    follow: bool = True,
) -> RecordingsScore:
    """Put mistakes into the daily looks of recordings, at random by a seed, and judge them; `follow` them in replays of their own, too.

    `model_of` left out: identity's. Raises BadRecording where no source was looked at on two days running.
    """
    model_of = model_of or resolved(_listed(snapshots))
    events = of_snapshots(snapshots)
    daily = _daily(events)
    if not daily:
        raise BadRecording("none of the recordings follow each other within 36 hours. Give a folder with those of some days running.")
    scores = {name: ClassScore(name) for name in classes}
    real = RealScore("real changes of the same looks")
    replay = Replay(model_of=model_of)
    claims: dict[str, dict[PriceKey, Claim]] = defaultdict(dict)
    for event in events:
        _tell(claims[event.source], event.said)
        if id(event) in daily:
            truth = inject.truth(event.source, event.at, claims[event.source], replay.memory)
            for name in scores.keys() & CLASSES.keys():
                _judge_mistakes(scores[name], truth, event, replay, _random(seed, name, event.source, event.at))
        for verdict in replay.step(event):
            if id(event) in daily and is_number(verdict.change):
                real.count(verdict)
    _follow_real(real, replay, events, daily)
    for name, score in scores.items():
        if follow or name == FLAPPING:
            _follow_mistakes(score, events, daily, seed, model_of)
    return RecordingsScore(seed, len(daily), [scores[name] for name in classes], real)


def _daily(events: Iterable[Event]) -> set[int]:
    """The looks (by identity) that follow one of their source by at most 36 hours, and bring prices of a source that has some already."""
    last: dict[str, datetime] = {}
    found = set()
    for event in events:
        if event.source in last and event.at - last[event.source] <= DAILY:
            found.add(id(event))
        last[event.source] = event.at
    return found


def _tell(claims: dict[PriceKey, Claim], said: Iterable[Said]) -> None:
    for one in said:
        if one.state is None:
            claims.pop(one.key, None)
        else:
            claims[one.key] = (one.state, one.amount)


def _judge_mistakes(score: ClassScore, truth: Truth, event: Event, replay: Replay, random: Random) -> None:
    """Put mistakes of one class into the change set of a look, one at a time, and count what would be held of them."""
    many = score.name in ("zeroed provider", "shifted", "stale")
    for _ in range(MISTAKES_PER_LOOK // 3 if many else MISTAKES_PER_LOOK):
        wrong = inject.effective(truth, CLASSES[score.name](truth, random))
        if not wrong:
            continue
        said = {one.key: one for one in event.said} | {key: Said(key, *claim) for key, claim in wrong.items()}
        changes = replay.changes(Event(event.source, event.at, list(said.values())))
        judged = [verdict for verdict in judge(changes, replay.memory, event.at) if verdict.change.key in wrong]
        score.changes += len(judged)
        score.held += sum(verdict.outcome == "hold" for verdict in judged)
        score.scores += [verdict.score for verdict in judged]


def _follow_real(real: RealScore, replay: Replay, events: Sequence[Event], daily: set[int]) -> None:
    looks = {(event.source, event.at) for event in events if id(event) in daily}
    last = {event.source: event.at for event in events}
    for held in replay.helds:
        if held.kind == "held" and (held.source, held.changed_at) in looks and held.to_state is not None:
            real.follow(held, last[held.source])


def _follow_mistakes(score: ClassScore, events: Sequence[Event], daily: set[int], seed: int, model_of: ModelOf) -> None:
    """Replay everything with mistakes of one class that go on being said, and see how long they stay held."""
    random = _random(seed, score.name, "followed")
    replay = Replay(model_of=model_of)
    claims: dict[str, dict[PriceKey, Claim]] = defaultdict(dict)
    liars: dict[str, Liar] = defaultdict(lambda: Flapping(random) if score.name == FLAPPING else Lasting(random, score.name))
    mistaken: set[tuple[str, datetime, PriceKey]] = set()
    for event in events:
        _tell(claims[event.source], event.said)
        liar = liars[event.source]
        truth = inject.truth(event.source, event.at, claims[event.source], replay.memory) if id(event) in daily else None
        said, wrong = liar.spoil(event, claims[event.source], truth)
        outcomes = {verdict.change.key: verdict.outcome for verdict in replay.step(Event(event.source, event.at, said))}
        mistaken |= {(event.source, event.at, key) for key in wrong}
        if score.name == FLAPPING:
            score.changes += len(wrong)
            score.held += sum(outcomes.get(key) == "hold" for key in wrong)
    for held in replay.helds:
        if held.kind == "held" and (held.source, held.changed_at, held.key) in mistaken:
            score.followed += 1
            if held.outcome == "released" and held.held_until:
                score.hours.append((held.held_until - held.held_from).total_seconds() / 3600)


class Liar:
    """Turns what a source says into what it says with mistakes that last."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.lies: dict[PriceKey, Claim] = {}

    def spoil(self, event: Event, claims: dict[PriceKey, Claim], truth: Truth | None) -> tuple[list[Said], Wrong]:
        """(what is said now, the mistakes that begin with it). `truth` is given at daily looks only."""
        before = dict(self.lies)
        fresh = self.tell(event.at, truth)
        said = {one.key: one for one in event.said}
        for key in before.keys() | self.lies.keys():
            if key not in claims:
                self.lies.pop(key, None)
                fresh.pop(key, None)
            elif key in self.lies and self.lies[key] == before.get(key):
                said.pop(key, None)
            else:
                said[key] = Said(key, *self.lies.get(key, claims[key]))
        return list(said.values()), fresh

    def tell(self, at: datetime, truth: Truth | None) -> Wrong:
        """Bring the lies up to this look; those that begin with it."""
        raise NotImplementedError


class Lasting(Liar):
    """At every third daily look a mistake of one class, said for a fortnight."""

    def __init__(self, random: Random, name: str) -> None:
        super().__init__(random)
        self.make = CLASSES[name]
        self.looks = 0
        self.ends: dict[PriceKey, datetime] = {}

    def tell(self, at: datetime, truth: Truth | None) -> Wrong:
        """Bring the lies up to this look; those that begin with it."""
        for key in [key for key, end in self.ends.items() if end <= at]:
            self.lies.pop(key, None)
            del self.ends[key]
        if truth is None:
            return {}
        self.looks += 1
        if self.looks % EVERY:
            return {}
        made = inject.effective(truth, self.make(truth, self.random))
        fresh = {key: claim for key, claim in made.items() if key not in self.lies}
        self.lies |= fresh
        self.ends |= dict.fromkeys(fresh, at + FOR)
        return fresh


class Flapping(Liar):
    """A few listings that say another price at every second daily look, and the true one in between."""

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self.others: Wrong = {}

    def tell(self, at: datetime, truth: Truth | None) -> Wrong:
        """Bring the lies up to this look; those that begin with it."""
        if truth is None or self.lies:
            self.lies = {}
            return {}
        if not self.others:
            for _ in range(FLAPPING_LISTINGS):
                self.others |= inject.another_price(truth, self.random)
        self.lies = inject.effective(truth, {key: claim for key, claim in self.others.items() if key in truth.claims})
        return dict(self.lies)


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


def _random(*seeds: object) -> Random:
    return Random(" ".join(map(str, seeds)))  # noqa: S311  (to be repeated, not to be kept secret)


def _share_from(scores: Sequence[float], threshold: float, of: int | None = None) -> float:
    total = len(scores) if of is None else of
    return sum(score >= threshold for score in scores) / total if total else 0.0


def _mean(shares: Sequence[float]) -> float:
    return sum(shares) / len(shares) if shares else 0.0
