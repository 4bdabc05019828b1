"""The gate run over all that was ever observed: what was held when, why, and how each hold ended. A pure function of events and words."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal

from model_assets.gate.changes import EXPLAINED_BY_OTHERS, judge, moved_alike
from model_assets.gate.memory import Memory, ModelOf, ProviderOf, Topic, same_provider, simple_model
from model_assets.gate.patterns import Patterns
from model_assets.gate.types import Change, Event, Held, PriceKey, Said, Verdict, Word


class Replay:
    """Feed it events in order of time, of all sources; `helds` is what came of them so far. Can be gone on with at any time."""

    def __init__(self, words: Iterable[Word] = (), model_of: ModelOf = simple_model, provider_of: ProviderOf = same_provider) -> None:
        self.memory = Memory(model_of, provider_of)
        self.helds: list[Held] = []
        self.open: dict[str, dict[PriceKey, Held]] = defaultdict(dict)
        #: released, and still what the source says: a person may hold it again
        self.released: dict[str, dict[PriceKey, Held]] = defaultdict(dict)
        self._words = sorted(words, key=lambda word: (word.decided_at, word.source, word.key_id))
        self._next_word = 0

    def run(self, events: Iterable[Event], until: datetime | None = None) -> "Replay":
        """Step through events, and then through the words up to `until` (left out: all of them)."""
        for event in events:
            self.step(event)
        self._hear(until)
        return self

    def step(self, event: Event) -> list[Verdict]:
        """One observation: judge what changed, end the holds that were taken back or have proven themselves. The verdicts on its changes."""
        self._hear(event.at)
        source, at = event.source, event.at
        changes = self.changes(event)
        for one in event.said:
            self._succeed(source, one, at)
        verdicts = judge(changes, self.memory, at)
        held = {verdict.change.key for verdict in verdicts if verdict.outcome == "hold"}
        self.memory.observe(source, at, event.said, held)
        digests = {one.key: one.digest for one in event.said}
        for verdict in verdicts:
            if verdict.outcome != "pass":
                self._hold(verdict, digests[verdict.change.key], at)
        self._see_again(source, at, digests)
        self._confirm(event)
        return verdicts

    def changes(self, event: Event) -> list[Change]:
        """What an observation says otherwise than the last good values."""
        good = self.memory.good[event.source]
        changes = []
        for one in event.said:
            before = good.get(one.key)
            if before != (one.state, one.amount):
                state, amount = before or (None, None)
                changes.append(Change(event.source, one.key, state, amount, one.state, one.amount))
        return changes

    def _hold(self, verdict: Verdict, digest: bytes, at: datetime) -> None:
        change = verdict.change
        held = Held(
            change.source, change.key, at, "held" if verdict.outcome == "hold" else "marked", change.from_state, change.from_amount,
            change.to_state, change.to_amount, verdict.reasons, verdict.evidence, verdict.score, verdict.patience_hours, verdict.patience_looks, digest=digest,
        )  # fmt: skip
        self.helds.append(held)
        self.open[change.source][change.key] = held

    def _succeed(self, source: str, said: Said, at: datetime) -> None:
        """A claim that ends takes its hold with it; what follows is judged against the last good value."""
        self.released[source].pop(said.key, None)
        held = self.open[source].get(said.key)
        if held is None:
            return
        if held.kind == "held" and (said.state, said.amount) == (held.from_state, held.from_amount):
            why = f"{source} took it back"
        else:
            why = f"{source} stopped saying it" if said.state is None else f"{source} says {_amount(said.state, said.amount)} now"
        self._end(held, at, "withdrawn", source, why)

    def _see_again(self, source: str, at: datetime, said: Collection[PriceKey]) -> None:
        for key, held in list(self.open[source].items()):
            if key in said:
                continue
            held.seen_again += 1
            hours = (at - held.changed_at).total_seconds() / 3600
            if held.outcome == "open" and held.seen_again >= held.patience_looks and hours >= held.patience_hours:
                self._end(held, at, "released", "time", f"{source} said it at {held.seen_again} more looks over {hours:.0f} hours")

    def _confirm(self, event: Event) -> None:
        """End the holds that what this observation says confirms: another source says the same, or the model moved alike elsewhere."""
        topics = {self.memory.topic(event.source, one.key) for one in event.said}
        for source, holds in self.open.items():
            for held in list(holds.values()):
                if held.outcome != "open" or held.changed_at == event.at or held.to_state is None:
                    continue
                why = self._proof(held, event, topics) if source != event.source or self.memory.topic(source, held.key) in topics else ""
                if why:
                    self._end(held, event.at, "released", event.source, why)

    def _proof(self, held: Held, event: Event, topics: Collection[Topic | None]) -> str:
        sources = self.memory.confirmations(held.source, held.key, held.to_amount, event.at)
        if event.source in sources:
            return f"{event.source} says the same"
        change = Change(held.source, held.key, held.from_state, held.from_amount, held.to_state, held.to_amount)
        kinds = held.evidence.get("kinds", ())
        if self.memory.topic(held.source, held.key) in topics and isinstance(kinds, list) and EXPLAINED_BY_OTHERS.issuperset(kinds):
            count = moved_alike(change, self.memory, Patterns(event.at, {}), about=kinds == ["large"])
            return f"the same model moved alike at {count} other places" if count else ""
        return ""

    def _hear(self, until: datetime | None) -> None:
        """Act on the words of people up to an instant, in the order in which they were said: the last on a claim counts. One about a claim
        that is over changes nothing."""
        while self._next_word < len(self._words) and (until is None or self._words[self._next_word].decided_at <= until):
            word = self._words[self._next_word]
            self._next_word += 1
            if word.verdict == "release":
                if held := _about(word, self.open):
                    self._end(held, word.decided_at, "released", word.decided_by, word.why)
            elif held := _about(word, self.open) or _about(word, self.released):
                self._reject(held, word)

    def _reject(self, held: Held, word: Word) -> None:
        """Hold it for good; what was released before is held again, and its last good value the good one again."""
        if held.outcome == "released":
            held.held_until = None
            self.open[held.source][held.key] = self.released[held.source].pop(held.key)
            if held.kind == "held":
                self.memory.settle(held.source, held.key, held.from_state, held.from_amount)
        held.outcome, held.ended_by, held.ended_why = "rejected", word.decided_by, word.why

    def _end(self, held: Held, at: datetime, outcome: Literal["released", "withdrawn"], by: str, why: str) -> None:
        """A hold is over: once released its value is the good one."""
        held.held_until = at
        if held.outcome == "open" or outcome == "released":
            held.outcome, held.ended_by, held.ended_why = outcome, by, why
        del self.open[held.source][held.key]
        if outcome == "released":
            self.released[held.source][held.key] = held
            if held.kind == "held":
                self.memory.settle(held.source, held.key, held.to_state, held.to_amount)


def _about(word: Word, holds: Mapping[str, Mapping[PriceKey, Held]]) -> Held | None:
    return next((held for held in holds.get(word.source, {}).values() if _meant(word, held)), None)


def _meant(word: Word, held: Held) -> bool:
    """Whether a word is about this hold: the claim it names, which may have been found to begin earlier since."""
    if word.digest and held.digest and word.digest != held.digest:
        return False
    return word.key_id == held.key_id and held.changed_at <= word.changed_at


def _amount(state: str, amount: Decimal | None) -> str:
    return state if amount is None else f"{amount:f}"


def replay(
    events: Iterable[Event],
    words: Iterable[Word] = (),
    until: datetime | None = None,
    model_of: ModelOf = simple_model,
    provider_of: ProviderOf = same_provider,
) -> list[Held]:
    """What was held or marked, in order of time: a function of the events (in order of time) and of people's words alone."""
    return Replay(words, model_of, provider_of).run(events, until).helds
