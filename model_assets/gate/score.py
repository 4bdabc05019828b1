"""The gate's bench: how many mistakes it holds, how many true changes it holds for nothing, and how soon it lets those go.

Two measures. On recordings: mistakes of each class are put into the real change sets of every daily look, one at a time, and judged with what
was known then; the real changes of the same looks are judged as they are. On a file of changes that really happened: all of it is replayed in
order of time. A mistake that goes on being said is followed in a replay of its own, to see how long it stays held.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from model_assets.errors import BadRecording
from model_assets.gate import inject, patterns
from model_assets.gate.changes import judge_one
from model_assets.gate.events import CHANGES_SOURCE, Snapshot, merged, of_changes, of_snapshots, read_changes
from model_assets.gate.figures import FLAPPING, SOON, ChangesScore, ClassScore, RealScore, RecordingsScore
from model_assets.gate.inject import CLASSES, Claim, Truth
from model_assets.gate.liars import Flapping, Lasting, Liar
from model_assets.gate.memory import ModelOf
from model_assets.gate.models import resolved
from model_assets.gate.replay import Replay
from model_assets.gate.types import Event, Listed, PriceKey, Said

#: a look counts as daily where the one before of its source is not older
DAILY = timedelta(hours=36)
#: how many mistakes of a class each daily look is given; of the classes that touch many listings, a third
MISTAKES_PER_LOOK = 6


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
            if id(event) in daily and patterns.is_number(verdict.change):
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
        seen = patterns.find(changes, replay.memory, event.at)
        judged = [judge_one(change, replay.memory, seen) for change in changes if change.key in wrong]
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


def _random(*seeds: object) -> Random:
    return Random(" ".join(map(str, seeds)))  # noqa: S311  (to be repeated, not to be kept secret)
