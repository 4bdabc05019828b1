"""From listings to models: exact, then a curated alias, then the grammar, then a reviewed rule; what is left stays unresolved."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from model_assets.identity.grammar import Reading, family_of, maker_in, read
from model_assets.identity.known import Known
from model_assets.identity.link import Correction, Facts, Link, offer_key
from model_assets.identity.names import read_name
from model_assets.identity.registry import LIST, OWN, SOFT, SOLD, TUNED, Model, look_up
from model_assets.identity.tables import aliases, author_names, authors, provider_of, repackers

#: How sure a rule is of itself, by its name up to the first colon or semicolon.
CONFIDENCE = {"correction": "1", "exact": "1", "alias": "0.98", "grammar": "0.95", "reviewed": "0.85", "unresolved": "0"}
#: What is taken off where the model is beyond the canonical list, and where a number had to be read as a version.
BEYOND_LIST = Decimal("0.05")
KNOWN_FROM = {LIST: "the canonical list", OWN: "its author's own ids", SOLD: "what several sellers list"}
#: One word for the modes that sellers name differently.
MODES = dict.fromkeys(("think", "thought", "thinker", "reasoner"), "thinking") | dict.fromkeys(
    ("nothink", "nothinking", "no-thinking"), "non-thinking"
)


class Answer(NamedTuple):
    """What was found for one id, before it becomes a link."""

    model: Model | None
    rule: str
    evidence: dict[str, Any]
    modes: tuple[str, ...] = ()


class Resolver:
    """Resolves listings and typed ids against the models that a canonical list and a set of listings make known.

    `canonical` are the rows of the provider-independent list, `listings` all others. Nothing is resolved before it is asked for.
    """

    def __init__(self, canonical: Iterable[Facts], listings: Iterable[Facts] = (), corrections: Iterable[Correction] = ()) -> None:
        canonical, listings = list(canonical), list(listings)
        self.known = Known(canonical, listings)
        every = sorted(set(listings), key=_key)
        self._listed = {(provider_of(facts.provider).name, facts.listed_id.lower()): facts for facts in every}
        self._sold_as: dict[str, list[Facts]] = defaultdict(list)
        for facts in every:
            self._sold_as[facts.listed_id.lower()].append(facts)
        self._released = {facts.listed_id.lower(): facts.released_on for facts in canonical}
        self._corrections: dict[tuple[str | None, str | None, str], list[Correction]] = defaultdict(list)
        for correction in sorted(corrections, key=lambda one: one.decided_at):
            self._corrections[correction.source, correction.provider, correction.listed_id].append(correction)
        self._answers: dict[tuple[str, str, bool], Answer] = {}
        self._squashed = {(model.author, squash(model.words)): model for model in self.known.registry.exact.values() if model.rank == LIST}
        self._said: dict[str, str] = {}

    def resolve(self, facts: Facts, at: datetime | None = None) -> Link:
        """The link of one listing, by the aliases and corrections that hold at an instant (null: now)."""
        return self._link(facts, self._decide(facts, at))

    def resolve_id(self, text: str, provider: str | None = None, at: datetime | None = None) -> Link:
        """The link of any id that a person types: of any source, with its provider before it or not, or canonical.

        An id that nobody lists must say whose model it is, and be found by a strict rule. One whose version or snapshot nobody has listed
        is refused: its model is null, and suggestions are named.
        """
        first = text.strip().partition("/")[0].lower() if "/" in text and not provider else ""
        by_author = first in author_names() and provider_of(first).kind in ("", "maker")
        facts = Facts("", provider or (first if first in author_names() and not by_author else ""), text.strip())
        if by_author and (answer := self._strictly(facts, at)).model:
            return self._as_dated(facts, answer)
        listed = self._as_listed(text, provider)
        if listed and not (by_author and _contradicted(facts, self.resolve(listed, at))):
            return self.resolve(listed, at)
        return self._as_dated(facts, self._strictly(facts, at))

    def resolve_name(self, source: str, spelled: str) -> Link:
        """The link of a model as a source of scores spells it: found by its name alone, as strictly as an id that a person types.

        Its `listed_id` is the name as it was spelled, its provider ''.
        """
        facts = Facts(source, "", spelled)
        if word := self._corrected(facts, None):
            return self._link(facts, word)
        named, refused = read_name(spelled), None
        for id in named.ids:
            found = self.resolve_id(id)
            evidence = {**found.evidence, **({"read_as": id} if id != spelled else {})}
            found = found._replace(source=source, provider="", listed_id=spelled, evidence=evidence)
            if found.model:
                return found
            refused = refused or found
        return refused or self._link(facts, _refused(named.why))

    def _as_dated(self, facts: Facts, answer: Answer) -> Link:
        """The link of a typed id, refused where it names a snapshot of its model that nobody lists."""
        snapshot = _read(facts).snapshot
        if answer.model and snapshot and not self.known.has_snapshot(answer.model, snapshot):
            return self._link(facts, _refused(f"nobody lists a snapshot {snapshot} of {answer.model.id}"), (answer.model.id,))
        return self._link(facts, answer)

    def _strictly(self, facts: Facts, at: datetime | None) -> Answer:
        """The answer for a typed id. A loose rule counts only where all who list this very id mean that model by it."""
        answer = self._decide(facts, at)
        if not answer.model or answer.rule in ("correction", "exact", "alias"):
            return answer
        if answer.rule == "grammar" and says_whose(_read(facts)):
            return answer
        meant = {self.resolve(one, at).model for one in self._sold_as.get(facts.listed_id.lower(), ())}
        if meant == {answer.model.id}:
            return answer
        why = "those who list it do not all mean that" if meant else "nobody lists it"
        return _refused(f"it says too little to mean {answer.model.id} for certain, and {why}")

    def _as_listed(self, text: str, provider: str | None) -> Facts | None:
        """The listing that an id names together with its provider; null where it names none."""
        low = text.strip().lower()
        if provider:
            return self._listed.get((provider_of(provider).name, low))
        before, _, rest = low.partition("/")
        return self._listed.get((provider_of(before).name, rest)) if rest else None

    # what an id is

    def _decide(self, facts: Facts, at: datetime | None) -> Answer:
        """The first answer, in the order that counts: a person's word, exact, a curated alias, what the name says."""
        reading = _read(facts)
        base = self.known.is_base(facts, reading)
        if found := self._corrected(facts, at) or self._exact(facts) or self._alias(facts, at):
            return found
        if not facts.source:  # what is typed is not remembered
            return self._weigh(facts, self._by_name(reading, listed=False, base=base))
        key = provider_of(facts.provider).name, facts.listed_id, base
        if key not in self._answers:
            self._answers[key] = self._by_name(reading, listed=True, base=base)
        return self._weigh(facts, self._answers[key])

    def _corrected(self, facts: Facts, at: datetime | None) -> Answer | None:
        """What a person decided of this listing, the narrower word before the wider, the later before the earlier."""
        wide: tuple[tuple[str | None, str | None], ...] = (facts[:2], (facts.source, None), (None, facts.provider), (None, None))
        for source, provider in wide:
            held = [one for one in self._corrections.get((source, provider, facts.listed_id), ()) if at is None or one.decided_at <= at]
            if held:
                word = held[-1]
                evidence = {"decided_by": word.decided_by, "decided_at": word.decided_at.isoformat(), "why": word.why}
                if word.model is None:
                    return Answer(None, "correction", evidence)
                model = self.known.by_id(word.model) or Model(word.model, word.model.partition("/")[0], (), LIST)
                return Answer(model, "correction", evidence)
        return None

    def _exact(self, facts: Facts) -> Answer | None:
        """The model of the canonical list that is spelled just so, with its author before it or as the author sells it."""
        provider, low = provider_of(facts.provider), facts.listed_id.strip().lower()
        for spelled in (low, f"{provider.author}/{low}"):
            if model := self.known.list_ids.get(spelled):
                return Answer(model, "exact", {"list_id": spelled})
        return None

    def _alias(self, facts: Facts, at: datetime | None) -> Answer | None:
        """What a curated alias stands for, or an alias of which its source says so: the name must be a part of that model's."""
        sold_by = provider_of(facts.provider).name
        for alias in aliases().get(facts.listed_id.strip().lower(), ()):
            if alias.provider in ("", sold_by) and alias.holds(at) and (model := self.known.by_id(alias.model)):
                return Answer(model, "alias", {"alias": alias.why})
        reading = _read(facts)
        if not facts.listed_id.startswith("~") or not facts.canonical_hint or facts.canonical_hint == facts.listed_id:
            return None
        model = self.known.by_id(facts.canonical_hint)
        if model and model.author in reading.authors and set(reading.words) <= set(model.words):
            return Answer(model, "alias", {"alias": f"its source says that it stands for {facts.canonical_hint}"})
        return None

    def _by_name(self, reading: Reading, listed: bool, base: bool) -> Answer:
        """The model that the name says."""
        if reading.derived == "ft":
            return _fine_tune(reading, listed)
        named = self.known.find(reading, base=base)
        if named is None:
            return _refused(self._why_not(reading, base))
        found = named.found
        evidence = {"words": " ".join(reading.words), "known_from": KNOWN_FROM[found.model.rank]}
        if found.modes:
            evidence["modes"] = " ".join(found.modes)
        if reading.explicit and reading.explicit != found.model.author:
            evidence["published_by"] = reading.explicit
        return Answer(found.model, found.rule, evidence, found.modes)

    def _why_not(self, reading: Reading, base: bool) -> str:
        """Why a name leads to no model, in words."""
        if base:
            return "its seller lists the tuned model by a name that says so, and no other model is known by this one"
        if derived_from := self._derived_from(reading):
            return f"it is made from {derived_from}, a model of its own that no source lists under an author"
        whose = family_of(reading.words)
        if whose and reading.explicit in authors() and reading.explicit != whose:
            return f"its path names {reading.explicit}, and its name is one of {whose}'s"
        return "no model is known by this name" if reading.authors else "it names neither an author nor a family of models"

    def _weigh(self, facts: Facts, answer: Answer) -> Answer:
        """The answer with what the other facts of the listing say: they may confirm it, or veto it; they never decide."""
        model = answer.model
        if model is None:
            return answer
        said = self._said_by(facts.name, model.author) if facts.name else None
        if said and said.id != model.id:
            return _refused(f"its id is that of {model.id}, and its name, {facts.name!r}, that of {said.id}")
        confirmed = ["name"] if said else []
        for name in ("canonical_hint", "hugging_face_id"):
            hint = getattr(facts, name)
            if hint and (found := self.known.by_id(hint)) and found.id == model.id:
                confirmed.append(name)
        if facts.released_on and facts.released_on == self._released.get(model.id.lower()):
            confirmed.append("released_on")
        return answer._replace(evidence={**answer.evidence, "confirmed_by": confirmed}) if confirmed else answer

    def _said_by(self, name: str, author: str) -> Model | None:
        """The model of the canonical list whose id is spelled as a display name, separators aside: it joins nothing, it only doubts."""
        if name not in self._said:
            self._said[name] = squash(read(re.sub(r"\(.*?\)|^[^:]*:", "", name).strip().replace(" ", "-")).words)
        return self._squashed.get((author, self._said[name]))

    # what is handed over

    def _link(self, facts: Facts, answer: Answer, suggestions: tuple[str, ...] = ()) -> Link:
        provider, reading, model = provider_of(facts.provider), _read(facts), answer.model
        sold_by = provider.others if provider.others and model and model.author != provider.author else provider.name
        dated = reading.snapshot if len(reading.snapshot) > len("001") else ""
        own = self.known.registry.own_words.get(model.id, ()) if model else reading.words
        stages = [word for word in reading.words if word in SOFT - TUNED and word not in own]
        variant = {MODES.get(word, word) for word in (*answer.modes, *reading.variant, *stages)}
        parts = (
            dated or (model.snapshot if model else "") or reading.snapshot,
            reading.alias,
            "-".join(sorted(variant)),
            "-".join(sorted(set(reading.build))),
            reading.region,
        )
        id = model.id if model else None
        owner, slash, _ = facts.listed_id.lower().partition("/")
        evidence = answer.evidence
        if model and facts.source == "huggingface" and slash and owner in repackers():  # their names are read over where an id is read
            evidence = {**evidence, "published_by": owner}
        near = () if model else self.known.registry.nearest(reading.authors, reading.words)
        return Link(
            facts.source, facts.provider, facts.listed_id, id, sold_by,
            model.author if model else (reading.authors or ("",))[0], *parts, self._derived_from(reading),
            offer_key(sold_by, id, facts.listed_id, parts), answer.rule, _confidence(answer), evidence,
            tuple(dict.fromkeys((*suggestions, *near))),
        )  # fmt: skip

    def _derived_from(self, reading: Reading) -> str:
        """The model that a derivative was made from, as far as its name says; '' where it is none, or does not say."""
        if not reading.derived:
            return ""
        named = [tuple(word for word in reading.words if word != reading.derived)]
        if maker := maker_in(reading.words):  # behind its base's name stand its maker's own words, up to a version
            named.append(tuple(word for word in reading.words[: reading.words.index(reading.derived)] if maker_in((word,)) != maker))
        for words in named:
            for author in dict.fromkeys((*reading.authors, family_of(words))):
                if author and (found := look_up(self.known.registry, author, words, SOLD)):
                    return found.model.id
        return ""


def resolve_all(
    listings: Sequence[Facts], canonical: Iterable[Facts], corrections: Iterable[Correction] = (), at: datetime | None = None
) -> list[Link]:
    """The links of all listings, in their order. A pure function of what it is given."""
    resolver = Resolver(canonical, listings, corrections)
    return [resolver.resolve(facts, at) for facts in listings]


def squash(words: tuple[str, ...]) -> str:
    """The letters and digits of words, in an order of our own: what is left of a name when separators are not looked at."""
    return "".join(sorted(letter for word in words for letter in word if letter.isalnum()))


def _key(facts: Facts) -> tuple[str, str, str]:
    return facts.source, facts.provider, facts.listed_id


#: an id that somebody typed is read a few times while it is resolved, and not remembered for longer: there is no end of them
_read_typed = lru_cache(maxsize=256)(read.__wrapped__)


def _read(facts: Facts) -> Reading:
    return (read if facts.source else _read_typed)(facts.listed_id, provider_of(facts.provider).name)


def _contradicted(facts: Facts, found: Link) -> bool:
    """Whether a typed id names an author, and what is listed by it is another author's."""
    return bool(found.model) and found.author != _read(facts).explicit


def says_whose(reading: Reading) -> bool:
    """Whether an id says by an author, a family, or a word of letters whose model is meant: `v3` and `r1` are only versions."""
    return bool(reading.explicit or family_of(reading.words) or any(re.search("[a-z]{2}", word) for word in reading.words))


def _refused(why: str) -> Answer:
    return Answer(None, "unresolved", {"why": why})


def _fine_tune(reading: Reading, listed: bool) -> Answer:
    """What a source lists for fine-tunes is a model of its own; somebody's own fine-tune is nobody else's to know."""
    if not listed or not reading.authors:
        return _refused("a fine-tune is a model of its own, which no source lists")
    return Answer(Model(f"{reading.authors[0]}/ft:{reading.name}", reading.authors[0], reading.words, OWN), "grammar", {})


def _confidence(answer: Answer) -> Decimal:
    sure = Decimal(CONFIDENCE[re.split("[:;]", answer.rule)[0]])
    less = bool(answer.model and answer.model.rank != LIST) + (";" in answer.rule)
    return sure - less * BEYOND_LIST if answer.rule not in ("correction", "exact", "alias", "unresolved") else sure
