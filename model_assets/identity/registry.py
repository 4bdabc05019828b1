"""The names of models that are known, and how a name is looked up among them."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

from model_assets.identity.grammar import ACTIVE, ARCHITECTURE, PLANS, SPEEDS, TOTAL, is_context, key_of, unglued

#: Where a name is known from: the canonical list, the author's own words, several sellers who say the same.
LIST, OWN, SOLD = 0, 1, 2

#: Words that some sellers leave out or add where there is no second model to confuse it with.
SOFT = frozenset({"preview", "it", "instruct", "chat", "reasoning", "non-reasoning", "exp", "beta"})
#: Of these, those that say only that a model was tuned to follow instructions, as all that are sold without saying are.
TUNED = frozenset({"it", "instruct", "chat"})
#: Of these, those that say how far a model was when it was dated.
STAGES = TUNED | {"preview", "exp", "beta"}

#: Share of words that a suggestion must have in common with what was asked.
LEAST_ALIKE = 0.3

Key = tuple[str, tuple[str, ...]]


class Model(NamedTuple):
    """A known model: its canonical id, its words, where it is known from, and the snapshot that these words stand for, or ''."""

    id: str
    author: str
    words: tuple[str, ...]
    rank: int
    snapshot: str = ""


class Found(NamedTuple):
    """A model that a name stands for, the rule that says so, and the words of the name that are a plan or mode of it."""

    model: Model
    rule: str
    modes: tuple[str, ...] = ()


Fits = Callable[[Found], bool]


class Registry:
    """Known models by author and words. Each look-up answers with one model or none: where two fit, none does.

    `past_preview` are names that somebody sells next to their preview: they do not mean the preview. `sizes` are those in which a name is
    known or listed: where there are several, a name that states none means none of them.
    """

    def __init__(self) -> None:
        self.exact: dict[Key, Model] = {}
        self._firm: dict[frozenset[str], dict[Key, list[Model]]] = {left: defaultdict(list) for left in (frozenset(), TUNED, STAGES, SOFT)}
        self._models: list[Model] = []
        self._by_word: dict[str, set[int]] = defaultdict(set)  # the places of the models with a word
        self.past_preview: set[Key] = set()
        self.sizes: dict[Key, set[str]] = defaultdict(set)
        self.own_words: dict[str, tuple[str, ...]] = {}

    def holds_part_of(self, author: str, words: tuple[str, ...]) -> bool:
        """Whether all words of some model of the list, and more than one, are among these: a name that only adds to a known one."""
        asked = Counter(words)
        known = {
            model
            for place in set().union(*(self._by_word.get(word, ()) for word in asked))
            if (model := self._models[place]).author == author and model.rank == LIST
        }
        return any(len(model.words) > 1 and not Counter(model.words) - asked for model in known)

    def add(self, model: Model) -> None:
        """Know a model; one that is known already, with the same words, stays as it is."""
        key = (model.author, key_of(model.words))
        if key in self.exact:
            return
        self.exact[key] = model
        self.own_words.setdefault(model.id, model.words)
        for left, models in self._firm.items():
            models[model.author, key_of(firm(model.words, left))].append(model)
        self.note_sizes(model.author, model.words)
        for word in set(model.words):
            self._by_word[word].add(len(self._models))
        self._models.append(model)

    def note_sizes(self, author: str, words: tuple[str, ...]) -> None:
        """Remember the sizes that a name states, which may be nobody's model yet."""
        self.sizes[author, key_of(firm(words, SOFT))] |= {word for word in words if TOTAL.fullmatch(word)}

    def same_words(self, author: str, words: tuple[str, ...], most: int) -> Model | None:
        """The model of just these words, if it is known from `most` or better."""
        found = self.exact.get((author, key_of(words)))
        return found if found and found.rank <= most else None

    def same_but(self, author: str, words: tuple[str, ...], most: int, left: frozenset[str] = frozenset()) -> Model | None:
        """The only model whose words differ in sizes, active parameters or experts, or in words of `left`, that one side leaves out."""
        firmly = firm(words, left)
        if left and len(firmly) < 2:
            return None
        known = [model for model in self._firm[left].get((author, key_of(firmly)), ()) if model.rank <= most and agree(model, words)]
        if "preview" in left and (author, key_of(words)) in self.past_preview:
            known = [model for model in known if "preview" not in model.words]
        return only(model for model in known if self._sizes_fit(model, words))

    def built_alike(self, author: str, words: tuple[str, ...], left: frozenset[str]) -> Model | None:
        """The only model of the author's, or of the list, whose words differ in words of `left` alone, its build-up being just the same."""
        built = build_up(words)
        known = self._firm[left].get((author, key_of(firm(words, left))), ())
        return only(model for model in known if model.rank <= OWN and build_up(model.words) == built and agree(model, words))

    def _sizes_fit(self, model: Model, words: tuple[str, ...]) -> bool:
        """Whether a size that only one side states tells nothing apart: no model of the same name comes in another size."""
        here, there = ({word for word in found if TOTAL.fullmatch(word)} for found in (model.words, words))
        if here == there:
            return True
        name = firm(model.words, SOFT)
        return len(name) > 1 and self.sizes[model.author, key_of(name)] <= (here or there)

    def same_sizes(self, author: str, words: tuple[str, ...], most: int) -> Model | None:
        """The only model of an author with just these total and active parameters, of whose words none is contradicted."""
        if not any(TOTAL.fullmatch(word) for word in words) or not any(ACTIVE.fullmatch(word) for word in words):
            return None
        asked = Counter(words)
        sizes = [word for word in words if TOTAL.fullmatch(word) or ACTIVE.fullmatch(word)]
        having = set.intersection(*(self._by_word.get(word, set()) for word in sizes))
        return only(
            model
            for model in (self._models[place] for place in having)
            if model.author == author and model.rank <= most and not asked - Counter(model.words)
        )

    def nearest(self, authors: Iterable[str], words: tuple[str, ...], most: int = 3) -> tuple[str, ...]:
        """The ids of the models that share most words with a name, the nearest versions first: suggestions for a person, never an answer."""
        asked, whose = set(words), set(authors)
        shared = Counter(place for word in asked for place in self._by_word.get(word, ()))
        versions, good = numbers(words), []
        for place, common in shared.items():
            model = self._models[place]
            alike = common / (len(asked) + len(set(model.words)) - common)
            if alike >= LEAST_ALIKE and (not whose or model.author in whose):
                apart = min((abs(one - other) for other in numbers(model.words) for one in versions), default=0.0)
                good.append((-alike, model.rank, apart, model.id))
        return tuple(dict.fromkeys(id for *_, id in sorted(good)))[:most]


def numbers(words: Iterable[str]) -> list[float]:
    """The numbers among words, those of a letter and a number too (`k2.5` is 2.5)."""
    return [number for word in words if (number := _number(word)) is not None]


@lru_cache(65_536)
def _number(word: str) -> float | None:
    found = re.fullmatch(r"[a-z]?(\d+(?:\.\d+)?)", word)
    return float(found[1]) if found else None


def firm(words: tuple[str, ...], without: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The words that are no size, active parameters or experts, and none of `without`."""
    return tuple(word for word in words if word not in without and not ARCHITECTURE.fullmatch(word))


def build_up(words: tuple[str, ...]) -> list[str]:
    """The sizes, active parameters and experts that a name states; that of a first version is none."""
    return sorted(word for word in words if ARCHITECTURE.fullmatch(word) and word != "v1")


def agree(model: Model, words: tuple[str, ...]) -> bool:
    """Whether what a name states of a model's build-up does not contradict the model's own words."""
    for kind in (TOTAL, ACTIVE):
        here, there = ({word for word in found if kind.fullmatch(word)} for found in (model.words, words))
        if here and there and here != there:
            return False
    return not ({"reasoning", "non-reasoning"} <= {*model.words, *words})


def only(models: Iterable[Model]) -> Model | None:
    """The model, where there is just one."""
    found = {model.id: model for model in models}
    return next(iter(found.values())) if len(found) == 1 else None


def is_mode(word: str) -> bool:
    """Whether a word can be a plan or mode rather than a part of a name."""
    return word in PLANS or word in SPEEDS or is_context(word)


def without_modes(words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The words with ever more of those left out that can be a plan or mode, the fewest first; and what was left out."""
    places = [place for place, word in enumerate(words) if place and is_mode(word)][:4]
    for count in range(1, len(places) + 1):
        for gone in combinations(places, count):
            yield tuple(word for place, word in enumerate(words) if place not in gone), tuple(words[place] for place in gone)


def look_up(
    registry: Registry, author: str, words: tuple[str, ...], most: int, tuned: bool = True, fits: Fits | None = None
) -> Found | None:
    """The model that an author's name stands for, by the strictest rule that finds one; null where none does.

    `most` bounds from where a model may be known; `tuned` says whether a name that does not say "instruct" may mean the model that was tuned,
    by the rules for an author's own models; `fits` refuses what a rule finds, and leaves it to the next.
    The whole name comes first. A word is read as a mode only where no model bears it; one that is often in the name of another model (`fast`,
    `turbo`) only of a model in the canonical list or of open weights, or where nothing better is known.
    """
    for reading, glued in ((words, ""), (unglued(words), "; a number read as a version")):
        if glued and reading == words:
            continue
        for found in _found(registry, author, reading, most, tuned):
            if not fits or fits(found):
                return found._replace(rule=found.rule + glued)
    return None


def _found(registry: Registry, author: str, words: tuple[str, ...], most: int, tuned: bool) -> Iterator[Found]:
    """What each group of rules finds, the strictest first."""
    if found := _whole(registry, author, words, tuned):
        yield found
    if found := _modes(registry, author, words):
        yield found
    if most == SOLD and (found := _sold(registry, author, words, tuned)):
        yield found


def _whole(registry: Registry, author: str, words: tuple[str, ...], tuned: bool) -> Found | None:
    """By the whole name, among the models of the canonical list and of the author."""
    if model := registry.same_words(author, words, OWN):
        return Found(model, "grammar")
    if model := registry.same_but(author, words, OWN):
        return Found(model, "reviewed: build-up left out")
    sized = any(TOTAL.fullmatch(word) for word in words)
    model = registry.same_but(author, words, LIST, SOFT)
    if not model and tuned:
        model = registry.same_but(author, words, OWN, STAGES if sized else TUNED)
    if model:
        return Found(model, "reviewed: words left out")
    if model := registry.same_sizes(author, words, LIST):
        return Found(model, "reviewed: named by its sizes")
    return None


def _modes(registry: Registry, author: str, words: tuple[str, ...]) -> Found | None:
    """By the name without words that can be a plan or mode, among the models of the canonical list and of the author."""
    sized = any(TOTAL.fullmatch(word) for word in words)
    for rest, modes in without_modes(words):
        most = OWN if sized or all(word in PLANS for word in modes) else LIST
        if model := registry.same_words(author, rest, most) or registry.same_but(author, rest, most):
            return Found(model, "grammar", modes)
        if model := registry.same_but(author, rest, LIST, SOFT) or registry.same_but(author, rest, OWN if sized else LIST, TUNED):
            return Found(model, "reviewed: words left out", modes)
    return None


def _sold(registry: Registry, author: str, words: tuple[str, ...], tuned: bool) -> Found | None:
    """By the whole name, then without modes, among all models known."""
    if model := registry.same_words(author, words, SOLD) or registry.same_but(author, words, SOLD):
        return Found(model, "grammar")
    for rest, modes in without_modes(words):
        if model := registry.same_words(author, rest, SOLD) or registry.same_but(author, rest, SOLD):
            return Found(model, "grammar", modes)
    if tuned and (model := registry.same_but(author, words, SOLD, TUNED)):
        return Found(model, "reviewed: words left out")
    return None
