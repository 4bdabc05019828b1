"""Which models are known: those of the canonical list, those that authors sell or publish themselves, and what several sellers agree on."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from model_assets.identity.grammar import Reading, bare_words, is_context, key_of, maker_in, read, same_snapshot
from model_assets.identity.link import Facts
from model_assets.identity.registry import LIST, OWN, SOLD, STAGES, TUNED, Found, Key, Model, Registry, look_up
from model_assets.identity.tables import Provider, author_names, authors, provider_of, same_models

Listed = list[tuple[Facts, Provider, Reading]]
#: Where names are told apart by their words alone: a source, its provider, an author, and the date that the names bear.
Shelf = tuple[str, str, str, str]


class Named(NamedTuple):
    """A model found by a name, under which of the name's possible authors."""

    author: str
    found: Found


class Known:
    """The models that a canonical list and a set of listings make known, by name; and the snapshots that were listed of each.

    The same facts make the same models known, in whatever order they come.
    """

    def __init__(self, canonical: Iterable[Facts], listings: Iterable[Facts]) -> None:
        self.registry = Registry()
        self.list_ids: dict[str, Model] = {}
        self._snapshots: dict[str, set[str]] = defaultdict(set)
        everything = sorted(set(listings), key=lambda facts: facts[:3])
        sellers = [provider_of(facts.provider) for facts in everything]
        listed = [(facts, seller, read(facts.listed_id, seller.name)) for facts, seller in zip(everything, sellers, strict=True)]
        self.registry.past_preview = past_preview(listed)
        self._bases = bases(listed)
        for _, _, reading in listed:
            for author in reading.authors[:1]:
                self.registry.note_sizes(author, bare_words(reading.words, author))
        self._learn_list(canonical)
        self._learn_second_names()
        self._learn_own(listed)
        self._learn_sold(listed)
        self._note_snapshots(listed)

    def find(self, reading: Reading, most: int = SOLD, base: bool = False) -> Named | None:
        """The model that a name stands for, under the first of its possible authors who has one; null where none has.

        `base` says that the name is one of `is_base`.
        """
        tuned = not reading.repository or bool(reading.snapshot and TUNED.intersection(reading.words))

        def fits(found: Found) -> bool:
            return not (base and adds_tuning(found.model, reading.words)) and not trained_to_think(reading, found)

        for author in reading.authors:
            found = look_up(self.registry, author, bare_words(reading.words, author), most, tuned, fits)
            if found and may_be(reading, author, found):
                return Named(author, found)
        return None

    def by_id(self, id: str) -> Model | None:
        """The model of a canonical id, of the list or beyond it; null where it is no model that is known."""
        if model := self.list_ids.get(id.lower()):
            return model
        named = self.find(read(id))
        return named.found.model if named else None

    def is_base(self, facts: Facts, reading: Reading) -> bool:
        """Whether a listing's seller lists its name with "instruct" or the like too: then it does not mean the model that was tuned."""
        return bool(reading.authors) and (_shelf(facts, reading), key_of(reading.words)) in self._bases

    def has_snapshot(self, model: Model, snapshot: str) -> bool:
        """Whether somebody lists a snapshot of a model that may be this one."""
        return any(same_snapshot(snapshot, known) for known in self._snapshots[model.id])

    def _learn_list(self, canonical: Iterable[Facts]) -> None:
        """Know the models of the canonical list. A dated or `-latest` id is of the model that its name is without date and alias."""
        readings = [(read(facts.listed_id), facts.listed_id) for facts in set(canonical)]
        for reading, id in sorted(readings, key=lambda one: (bool(one[0].snapshot or one[0].alias), one[1])):
            author = reading.authors[0] if reading.authors else id.partition("/")[0]
            plain = f"{author}/{reading.name}" if reading.snapshot or reading.alias else id
            self.list_ids[id.lower()] = self._add(Model(plain, author, reading.words, LIST), reading.snapshot)

    def _learn_second_names(self) -> None:
        """Know the curated second names, and their models where the list does not have them."""
        for second, first in same_models().items():
            reading, dated = read(second), read(first)
            plain = f"{dated.authors[0]}/{dated.name}" if dated.snapshot else first
            model = self._add(Model(plain, dated.authors[0], dated.words, OWN), dated.snapshot)
            self.registry.add(model._replace(words=reading.words, snapshot=dated.snapshot))

    def _learn_own(self, listed: Listed) -> None:
        """Know what authors sell themselves, and the names of their weights."""
        own = [
            reading
            for _, seller, reading in listed
            if seller.kind != "plan" and not says_only_latest(reading) and reading.authors[:1] == (seller.author,)
        ]
        weights = [read(id) for id in sorted({facts.hugging_face_id for facts, _, _ in listed if facts.hugging_face_id})]
        names = [reading for reading in (*own, *weights) if reading.authors and reading.derived != "ft"]
        apart = told_apart(names)
        for reading in names:
            author, words = reading.authors[0], bare_words(reading.words, reading.authors[0])
            known = self._known_otherwise(author, words, reading.snapshot, (author, untuned(words)) in apart)
            self._add(known._replace(words=words) if known else Model(named_in_full(reading), author, words, OWN), reading.snapshot)

    def _known_otherwise(self, author: str, words: tuple[str, ...], snapshot: str, apart: bool) -> Model | None:
        """The known model that an author's name is a second name of, since it differs only in how it says the same.

        What the author publishes both tuned and not (`apart`) are two models. A dated preview is a snapshot of the model.
        """
        known = self.registry.same_words(author, words, OWN) or self.registry.same_but(author, words, LIST)
        if not known and not apart:
            known = self.registry.same_but(author, words, LIST, TUNED) or self.registry.built_alike(author, words, TUNED)
        if not known and snapshot:
            known = self.registry.built_alike(author, words, STAGES)
        return known

    def _learn_sold(self, listed: Listed) -> None:
        """Know the names that several providers sell under one author, and those that one listing is enough to know by."""
        sellers: dict[Key, set[str]] = defaultdict(set)
        names: dict[Key, Counter[str]] = defaultdict(Counter)
        for facts, seller, reading in listed:
            is_name = reading.authors and not reading.alias and not (reading.derived and not reading.explicit) and reading.derived != "ft"
            if not is_name or self.find(reading, OWN, self.is_base(facts, reading)):
                continue
            key = reading.authors[0], key_of(bare_words(reading.words, reading.authors[0]))
            sellers[key] |= {seller.name, "its own name"} if self._speaks_for_itself(facts, seller, reading) else {seller.name}
            names[key][reading.name] += 1 + 2 * bool(reading.explicit) + 3 * (facts.source == "openrouter")
        for known_as, these in sorted(sellers.items()):
            if len(these) > 1:
                author, spelled = known_as[0], names[known_as]
                name = min(spelled, key=lambda one: (-spelled[one], one))
                self._add(Model(f"{author}/{name}", author, bare_words(read(f"{author}/{name}").words, author), SOLD))

    def _speaks_for_itself(self, facts: Facts, seller: Provider, reading: Reading) -> bool:
        """Whether one listing is enough to know a name by: of an organisation nobody else could mean, or at a seller who keeps to authors' names.

        OpenRouter's ids are permanent slugs; those of Hugging Face's router are the names of weights. Those of Bedrock are agreed with the
        vendor; but not where one only adds to a known name.
        """
        if reading.explicit and reading.explicit not in author_names().values():
            return True
        if facts.source == "openrouter" or seller.name.startswith("huggingface"):
            return bool(reading.explicit)
        return reading.vendor and not self.registry.holds_part_of(reading.authors[0], reading.words)

    def _note_snapshots(self, listed: Listed) -> None:
        for facts, _, reading in listed:
            if reading.snapshot and (named := self.find(reading, base=self.is_base(facts, reading))):
                self._snapshots[named.found.model.id].add(reading.snapshot)

    def _add(self, model: Model, snapshot: str = "") -> Model:
        """Know a model, and that a snapshot of it was listed; returns the one known by these words."""
        self.registry.add(model)
        known = self.registry.exact[model.author, key_of(model.words)]
        if snapshot:
            self._snapshots[known.id].add(snapshot)
        return known


def named_in_full(reading: Reading) -> str:
    """The id of a model by its author's name and the author's own name for it, with the brand where that was left out."""
    author = reading.authors[0]
    brand = bare_words(reading.words, author)[: -len(reading.words)]
    return f"{author}/{'-'.join((*brand, reading.name))}"


def may_be(reading: Reading, author: str, found: Found) -> bool:
    """Whether a name found under another author than its path names is still that author's model: only if it is the whole name.

    A known author's path contradicts it, but for weights that the other converted, and a name that says whose it is (`mistral-nemotron`).
    """
    if not reading.explicit or author == reading.explicit:
        return True
    contradicted = reading.explicit in authors() and not reading.build and author != maker_in(reading.words)
    return found.rule == "grammar" and not found.modes and not contradicted


def adds_tuning(model: Model, words: tuple[str, ...]) -> bool:
    """Whether a model's name says that it was tuned, and these words do not."""
    return not TUNED.isdisjoint(model.words) and TUNED.isdisjoint(words)


def trained_to_think(reading: Reading, found: Found) -> bool:
    """Whether a name is of dated weights named after their thinking: they were trained to, so it is no mode of the weights without."""
    return reading.repository and bool(reading.snapshot) and "thinking" in found.modes


def says_only_latest(reading: Reading) -> bool:
    """Whether an id says no more than the newest of a family, at some length of context (`kimi-latest-8k`): that names no model."""
    return bool(reading.alias) and sum(not is_context(word) for word in reading.words) < 2


def untuned(words: tuple[str, ...]) -> tuple[str, ...]:
    """The key of a name without the words that say that a model was tuned."""
    return key_of(tuple(word for word in words if word not in TUNED))


def told_apart(readings: Iterable[Reading]) -> set[Key]:
    """The names, without what says that a model was tuned, that an author publishes both with it and without, no date telling them apart."""
    names: dict[Key, set[tuple[str, ...]]] = defaultdict(set)
    for reading in readings:
        if not reading.snapshot:
            words = bare_words(reading.words, reading.authors[0])
            names[reading.authors[0], untuned(words)].add(key_of(words))
    return {name for name, spelled in names.items() if len(spelled) > 1}


def past_preview(listed: Listed) -> set[Key]:
    """The names that one seller lists both as they are and as a preview, no date telling them apart."""
    return {(author, name) for (_, _, author, snapshot), name in listed_without(listed, frozenset({"preview"})) if not snapshot}


def bases(listed: Listed) -> set[tuple[Shelf, tuple[str, ...]]]:
    """The names that one seller lists both as they are and with what says that a model was tuned, no date telling them apart."""
    return listed_without(listed, TUNED)


def listed_without(listed: Listed, extra: frozenset[str]) -> set[tuple[Shelf, tuple[str, ...]]]:
    """The names that one seller lists both with words of `extra` and without them, and where."""
    names: dict[Shelf, set[tuple[str, ...]]] = defaultdict(set)
    for facts, _, reading in listed:
        if reading.authors:
            names[_shelf(facts, reading)].add(key_of(reading.words))
    return {
        (shelf, plain)
        for shelf, these in names.items()
        for name in these
        if not extra.isdisjoint(name) and (plain := tuple(word for word in name if word not in extra)) in these
    }


def _shelf(facts: Facts, reading: Reading) -> Shelf:
    return facts.source, facts.provider, reading.authors[0], reading.snapshot
