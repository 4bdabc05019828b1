"""How well listings are resolved: against labels that people gave, each right, wrong or refused, and all that are not right by name."""

import csv
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from model_assets.errors import ModelAssetsError
from model_assets.identity.grammar import same_snapshot
from model_assets.identity.link import Facts, Link
from model_assets.identity.resolve import Resolver
from model_assets.identity.tables import read_yaml

COLUMNS = ("provider", "listed_id", "model_id")
#: `label wrong`: people looked at the label and found it to contradict itself or the id; not counted.
VERDICTS = ("right", "wrong", "refused", "label wrong")


class Label(NamedTuple):
    """The canonical model that people say a provider's listed id is."""

    provider: str
    listed_id: str
    model_id: str


class Judged(NamedTuple):
    """A label, the link that was found, what the label itself resolves to, and the verdict; `why` says what speaks against a wrong label."""

    label: Label
    link: Link
    meant: Link
    verdict: str
    why: str = ""


class Score(NamedTuple):
    """All labels, judged."""

    judged: tuple[Judged, ...]

    def count(self, verdict: str) -> int:
        """How many labels have a verdict."""
        return sum(one.verdict == verdict for one in self.judged)

    @property
    def counted(self) -> int:
        """How many labels count: all but those that are wrong themselves."""
        return len(self.judged) - self.count("label wrong")

    def share(self, verdict: str) -> float:
        """The share of a verdict among the labels that count, 0 to 1; 0 where there are none."""
        return self.count(verdict) / self.counted if self.counted else 0.0


def read_labels(path: Path) -> list[Label]:
    """The labels of a CSV file with the columns provider, listed_id, model_id. Raises ModelAssetsError where it is none."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if not set(COLUMNS) <= set(rows.fieldnames or ()):
                raise ModelAssetsError(
                    f"{path} has the columns {', '.join(rows.fieldnames or ()) or 'none'}. Needed: {', '.join(COLUMNS)}."
                )
            return [Label(*(row[column] or "" for column in COLUMNS)) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as broken:
        raise ModelAssetsError(f"{path} cannot be read as CSV: {broken}. Name a file of labels.") from None


def score(labels: Iterable[Label], resolver: Resolver, listings: Iterable[Facts]) -> Score:
    """The labels, judged by what `resolver` says of those listings that they are about.

    A label is met when the listing's model is the label's; where both name a snapshot, it must agree too. `listings` are those of the one source
    that the labels speak of; a label whose listing is not among them is judged by its id alone.
    """
    listed = {(facts.provider, facts.listed_id): facts for facts in listings}
    return Score(tuple(_judge(label, resolver, listed.get(label[:2])) for label in labels))


def _judge(label: Label, resolver: Resolver, facts: Facts | None) -> Judged:
    link = resolver.resolve(facts) if facts else resolver.resolve_id(label.listed_id, label.provider)
    meant = resolver.resolve_id(label.model_id)
    if why := wrong_labels().get(label):
        return Judged(label, link, meant, "label wrong", why)
    if link.model is None:
        return Judged(label, link, meant, "refused")
    met = link.model == (meant.model or label.model_id) and same_snapshot(link.snapshot, meant.snapshot)
    return Judged(label, link, meant, "right" if met else "wrong")


@cache
def wrong_labels() -> dict[Label, str]:
    """The labels that were reviewed and found wrong, with the reason."""
    return {Label(*(about[column] for column in COLUMNS)): about["why"] for about in read_yaml("wrong_labels.yml")["labels"]}


def by_provider(score: Score) -> list[dict[str, Any]]:
    """One row per provider, then one of all: how many labels have which verdict, and the shares of right and wrong in percent."""
    rows = []
    for provider in sorted({one.label.provider for one in score.judged}):
        part = Score(tuple(one for one in score.judged if one.label.provider == provider))
        rows.append(_row(provider, part))
    return [*rows, _row("all", score)]


def _row(name: str, score: Score) -> dict[str, Any]:
    counts = Counter(one.verdict for one in score.judged)
    shares = {f"{verdict}_pct": round(100 * score.share(verdict), 2) for verdict in ("right", "wrong")}
    return {"provider": name, "labels": len(score.judged), **{verdict.replace(" ", "_"): counts[verdict] for verdict in VERDICTS}, **shares}


def not_met(score: Score) -> list[dict[str, Any]]:
    """One row per label that was not met, wrong ones first: what people say, what was found, and why."""
    order = {verdict: number for number, verdict in enumerate(("wrong", "refused", "label wrong"))}
    rows = sorted((one for one in score.judged if one.verdict in order), key=lambda one: (order[one.verdict], one.label))
    return [
        {
            "verdict": one.verdict,
            **one.label._asdict(),
            "found": " ".join(part for part in (one.link.model, one.link.snapshot) if part),
            "rule": one.link.rule,
            "why": one.why or str(one.link.evidence.get("why", "")),
        }
        for one in rows
    ]
