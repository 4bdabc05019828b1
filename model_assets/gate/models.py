"""Which listings the gate compares: those that identity resolves to one model, snapshot and plan."""

from collections.abc import Iterable

from model_assets.gate.memory import ModelOf
from model_assets.gate.types import Listed
from model_assets.identity.link import Facts, Link
from model_assets.identity.links import CANONICAL_SOURCE
from model_assets.identity.resolve import Resolver


def resolved(listed: Iterable[Listed]) -> ModelOf:
    """The model of each of these listings, by identity's rules; what cannot be resolved is compared with nothing."""
    facts = [Facts(*one) for one in listed]
    resolver = Resolver([one for one in facts if one.source == CANONICAL_SOURCE], facts)
    models = {one[:3]: comparable(resolver.resolve(one)) for one in facts}
    return lambda source, provider, listed_id: models.get((source, provider, listed_id))


def comparable(link: Link) -> str | None:
    """What two listings must have in common to be expected at one price: `author/name@snapshot:variant`; null where the model is unknown.

    Snapshots and plans of a model have prices of their own, and builds and regions mostly not.
    """
    return None if link.model is None else f"{link.model}@{link.snapshot}:{link.variant}"
