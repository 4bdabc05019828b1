"""How the known models may be spelled in running text: their words by identity's grammar, and what those words must not be mistaken for."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import NamedTuple

from model_assets.identity.grammar import ARCHITECTURE, TOTAL, family_of, join_negations, key_of, read, to_words
from model_assets.identity.known import Known
from model_assets.identity.registry import LIST, SOFT, STAGES, firm
from model_assets.identity.tables import authors

#: First words of names that are words of English, or of other things, too: two of them with a number ("Step 3", "Nova 2") are no name yet.
ORDINARY = frozenset(
    {
        *(
            "ai",
            "amazon",
            "arctic",
            "aura",
            "aya",
            "base",
            "chat",
            "chirp",
            "code",
            "codex",
            "command",
            "computer",
            "cosmos",
            "deep",
            "eleven",
        ),
        *("embed", "falcon", "flux", "gen", "granite", "hermes", "hy", "inflection", "intellect", "j2", "kat", "labs", "laguna", "ling"),
        *("luminous", "maestro", "mai", "mercury", "meta", "mimo", "morph", "multilingual", "muse", "nano", "north", "nous", "nova", "nv"),
        *(
            "omni",
            "open",
            "palm",
            "parakeet",
            "phi",
            "reka",
            "rerank",
            "ring",
            "runway",
            "scribe",
            "sd",
            "seed",
            "skylark",
            "snowflake",
            "solar",
        ),
        *(
            "sonar",
            "spotlight",
            "stable",
            "step",
            "text",
            "titan",
            "trinity",
            "tts",
            "ui",
            "v0",
            "virtuoso",
            "voyage",
            "wan",
            "whisper",
            "yi",
            "z",
        ),
        *("zephyr", "sora", "moonshot", "cohere", "elevenlabs", "tulu", "r1", "e5", "dall"),
    }
)
#: Words of names that stand in any sentence as well ("GPT-4 search"): in a name written with blanks they must begin with a capital.
PROSE = frozenset(
    {
        *(
            "image",
            "search",
            "audio",
            "vision",
            "video",
            "chat",
            "code",
            "coder",
            "coding",
            "research",
            "online",
            "preview",
            "free",
            "fast",
        ),
        *(
            "thinking",
            "reasoning",
            "live",
            "text",
            "high",
            "low",
            "medium",
            "small",
            "large",
            "base",
            "deep",
            "computer",
            "use",
            "generation",
        ),
        *("instant", "instruct", "embedding", "embeddings", "edit", "extended", "guard", "safety", "new", "next", "plus", "max", "speech"),
        *("realtime", "transcribe", "translate", "math", "ocr", "creative", "premier", "express", "experimental", "beta", "exp"),
    }
)

#: Words that tell models of one family apart although no known model may bear them, besides those that known ones do.
APART = frozenset({"omni", "heavy", "junior", "mythos", "turbo", "ultra", "mini", "nano", "vision", "realtime", "lite", "pro", "max"})
#: Words by which one model in two modes is listed as two: a name without either is that of both.
THINKING = frozenset({"thinking", "non-thinking", "reasoning", "non-reasoning"})

Models = frozenset[str]


class Spelling(NamedTuple):
    """What a set of words may stand for: models by author, and the words that a name of them may begin with."""

    models: Mapping[str, Models]
    first: frozenset[str]


class Spellings:
    """All spellings. `named` tells which models words are the name of; two are as good as none, and told as two.

    A name is compared by its words in any order, as ids are, but begins as the model's own name does. Where nobody has the plain name, it is
    that of the model whose name adds only how far it was tuned or tried (`Llama 3.1 405B` is the one for instructions), or its only size. A name
    that states no size is nobody's where its models come in several, nor one without a version where several models bear one: those are families.
    An author's brand may be left out before the words that identity knows for it (`Opus 4.5`): then the text must speak of it elsewhere, as
    it must of who makes `o1`.
    """

    def __init__(self, known: Known) -> None:
        self._sizes = known.registry.sizes
        self._answers: dict[tuple[tuple[str, ...], str], tuple[Models, str]] = {}
        whole, staged, built, bare = _new(), _new(), _new(), _new()
        self._listed: set[tuple[str, tuple[str, ...]]] = set()
        versions: dict[tuple[str, tuple[str, ...]], set[str]] = defaultdict(set)
        apart: set[str] = set()
        for model in known.registry.exact.values():
            for words in {model.words, read(model.id).words} - {()}:
                _note(whole, words, model.author, model.id)
                _note(staged, tuple(word for word in words if word not in STAGES), model.author, model.id)
                if len(short := firm(words, STAGES)) > 2:
                    _note(built, tuple(word for word in short if word not in THINKING), model.author, model.id)
                if model.rank == LIST:
                    self._listed.add((model.author, key_of(words)))
                for first in _bare_first(words, model.author):
                    _note(bare, (first, *(word for word in words[1:] if word != first)), model.author, model.id)
                versions[model.author, key_of(unnumbered(words))].add(model.id)
                apart.update(word for word in words[1:] if word.isalpha() and len(word) > 2)
        self._plain, self._bare = (_frozen(whole), _frozen(staged), _frozen(built)), _frozen(bare)
        self._lines = {line for line, models in versions.items() if len(models) > 1}
        #: words that tell the models of one family apart
        self.apart = frozenset(apart | APART)
        self.longest = max((len(key) for key in whole), default=0) + 1
        starts = {first for index in (*self._plain, self._bare) for one in index.values() for first in one.first}
        self.starts_name: Callable[[str], bool] = lru_cache(maxsize=65_536)(lambda token: not starts.isdisjoint(words_of((token,))[:1]))

    @property
    def digest(self) -> str:
        """A hash of all that decides which models a text names."""
        found = hashlib.sha256(repr((sorted(self._lines), sorted(self._listed), sorted(self.apart))).encode())
        found.update(repr(sorted((key, sorted(sizes)) for key, sizes in self._sizes.items() if len(sizes) > 1)).encode())
        for index in (*self._plain, self._bare):
            for key, spelling in sorted(index.items()):
                models = sorted((author, sorted(these)) for author, these in spelling.models.items())
                found.update(repr((key, models, sorted(spelling.first))).encode())
        return found.hexdigest()

    def named(self, words: tuple[str, ...], author: str = "") -> tuple[Models, str]:
        """(the models that words name, the author of whom the text must speak besides, or ''). `author` is whom a path names."""
        if (words, author) not in self._answers:
            self._answers[words, author] = self._look_up(words, author)
        return self._answers[words, author]

    def _look_up(self, words: tuple[str, ...], author: str) -> tuple[Models, str]:
        for index in self._plain:
            if found := _of(index, words, author or family_of(words)):
                whose, *_ = sorted(found)
                models: Models = frozenset().union(*found.values())
                return frozenset() if self._is_line(whose, words) else models, whose if len(words) == 1 else ""
        for whose, models in _of(self._bare, words, author).items():
            return models, whose
        return frozenset(), ""

    def _is_line(self, author: str, words: tuple[str, ...]) -> bool:
        """Whether a name is that of several models, since it states no size or no version and theirs differ in it.

        A name without a size that the canonical list has is one model's.
        """
        sized = any(TOTAL.fullmatch(word) for word in words) or (author, key_of(words)) in self._listed
        several = len(self._sizes.get((author, key_of(firm(words, SOFT))), ())) > 1
        return (several and not sized) or (unnumbered(words) == words and (author, key_of(words)) in self._lines)


def unnumbered(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words that hold no digit."""
    return tuple(word for word in words if not any(letter.isdigit() for letter in word))


def is_family(word: str) -> bool:
    """Whether some author's family of names begins with a word, or may without the author's brand."""
    return word in _families()


@cache
def _families() -> frozenset[str]:
    whole = {to_words(family.split("-"))[0] for about in authors().values() for family in about.families}
    return frozenset(whole.union(*(about.bare for about in authors().values())))


def _bare_first(words: tuple[str, ...], author: str) -> set[str]:
    """The words that a name can begin with when its author's brand is left out: words in the full sense, numbers and `r1` could be anything."""
    about = authors().get(author)
    if not about or words[0] != about.brand or len(words) < 3:
        return set()
    return {word for word in about.bare.intersection(words[1:]) if word.isalpha() and len(word) > 3}


def _new() -> "_Index":
    return defaultdict(lambda: (defaultdict(set), set()))


_Index = dict[tuple[str, ...], tuple[dict[str, set[str]], set[str]]]
_Frozen = dict[tuple[str, ...], Spelling]


def _note(index: _Index, words: tuple[str, ...], author: str, id: str) -> None:
    if words:
        models, first = index[key_of(words)]
        models[author].add(id)
        first.add(words[0])


def _frozen(index: _Index) -> _Frozen:
    return {
        key: Spelling({author: frozenset(these) for author, these in models.items()}, frozenset(first))
        for key, (models, first) in index.items()
    }


def _of(index: _Frozen, words: tuple[str, ...], author: str) -> Mapping[str, Models]:
    """The models that bear just these words, by author: those of one author, or where none is given of all."""
    found = index.get(key_of(words))
    if found is None or words[0] not in found.first:
        return {}
    return found.models if not author else {author: found.models[author]} if author in found.models else {}


@lru_cache(maxsize=65_536)
def words_of(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """The words of a name that is written in these tokens, by the grammar of ids."""
    parts = [part for token in tokens for part in token.lower().replace("+", "-plus").split("-") if part]
    return to_words(join_negations(parts))


def is_size(word: str) -> bool:
    """Whether a word states a model's size or build-up (`70b`)."""
    return bool(ARCHITECTURE.fullmatch(word)) and word != "v1"
