"""The curated tables of identity: whose names are one, who sends the bill, and the few names that no rule can read."""

from datetime import UTC, date, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from model_assets.errors import SettingsError

FOLDER = Path(__file__).parent


class Author(NamedTuple):
    """An author by its canonical name. `brand` is a word that some providers leave out of names that begin with one of `bare`."""

    name: str
    names: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset()
    contains: frozenset[str] = frozenset()
    brand: str = ""
    bare: frozenset[str] = frozenset()


class Provider(NamedTuple):
    """Who sends the bill. `author` is whose models a maker sells; `house` are words it puts before the names of others' models."""

    name: str
    kind: str = ""
    author: str = ""
    ids: frozenset[str] = frozenset()
    house: frozenset[str] = frozenset()
    others: str = ""
    why: str = ""


class Alias(NamedTuple):
    """What an id that says nothing stands for, from `since` until `until` (null: no bound)."""

    id: str
    model: str
    why: str
    provider: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def holds(self, at: datetime | None) -> bool:
        """Whether the alias stands for its model at an instant; null asks for now, which an ended one does not cover."""
        if at is None:
            return self.until is None
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


def read_yaml(name: str) -> dict[str, Any]:
    """The tables of one file. Raises SettingsError with the file's name where it cannot be read."""
    try:
        found = yaml.load((FOLDER / name).read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as broken:
        raise SettingsError(f"{FOLDER / name} cannot be read: {' '.join(str(broken).split())}. Restore it.") from None
    if not isinstance(found, dict):
        raise SettingsError(f"{FOLDER / name} should hold tables by name. Restore it.")
    return found


@cache
def authors() -> dict[str, Author]:
    """The authors by canonical name."""
    return {name: Author(name, **_sets(about)) for name, about in read_yaml("authors.yml")["authors"].items()}


@cache
def author_names() -> dict[str, str]:
    """Every spelling of an author's name, in lower case, to the canonical one."""
    return {spelled: author.name for author in authors().values() for spelled in (author.name, *author.names)}


@cache
def repackers() -> frozenset[str]:
    """Who publishes others' weights again, in lower case."""
    return frozenset(read_yaml("authors.yml")["repackers"])


@cache
def providers() -> dict[str, Provider]:
    """The providers by canonical name."""
    return {name: Provider(name, **_sets(about)) for name, about in read_yaml("providers.yml")["providers"].items()}


@cache
def provider_names() -> dict[str, str]:
    """Every id of a provider that a source uses, in lower case, to the canonical one."""
    return {spelled.lower(): provider.name for provider in providers().values() for spelled in (provider.name, *provider.ids)}


@cache
def hosts() -> frozenset[str]:
    """Words that name a way and not an author where they stand before a model's name."""
    return frozenset(read_yaml("providers.yml")["hosts"]) | frozenset(provider_names()) - frozenset(author_names())


@lru_cache(maxsize=4_096)  # anybody may name a provider
def provider_of(listed: str) -> Provider:
    """The canonical provider of a source's provider id: itself, with `_` written as `-`, where the table says nothing."""
    name = provider_names().get(listed.lower()) or listed.lower().replace("_", "-").replace(" ", "-")
    return providers().get(name) or Provider(name)


@cache
def aliases() -> dict[str, tuple[Alias, ...]]:
    """The curated aliases by id, those of one provider before those of every one."""
    found: dict[str, list[Alias]] = {}
    for about in read_yaml("aliases.yml")["aliases"]:
        alias = Alias(**{**about, **{bound: _instant(about[bound]) for bound in ("since", "until") if bound in about}})
        found.setdefault(alias.id.lower(), []).append(alias)
    return {id: tuple(sorted(these, key=lambda alias: not alias.provider)) for id, these in found.items()}


@cache
def same_models() -> dict[str, str]:
    """Second names of models, as canonical ids in lower case, to the canonical id that counts."""
    return {second.lower(): about["model"] for second, about in read_yaml("aliases.yml")["same"].items()}


def _sets(about: dict[str, Any]) -> dict[str, Any]:
    return {key: frozenset(str(one).lower() for one in found) if isinstance(found, list) else found for key, found in about.items()}


def _instant(found: date | datetime) -> datetime:
    """A YAML date or instant, in UTC."""
    if not isinstance(found, datetime):
        return datetime(found.year, found.month, found.day, tzinfo=UTC)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
