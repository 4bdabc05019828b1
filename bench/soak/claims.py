"""What the soak claims, how often it was looked at, and what broke it."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Claim:
    """One claim. `share` is how many of the looks must have been good, 1 for all."""

    words: str
    share: float = 1.0
    looked: int = 0
    bad: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether it was looked at, and held often enough."""
        return self.looked > 0 and len(self.bad) <= self.looked * (1 - self.share)


class Claims:
    """All claims, in the order of their first look."""

    def __init__(self, again: str) -> None:
        self.all: dict[str, Claim] = {}
        self.again = again

    def look(self, day: int, words: str, bad: Iterable[str] = (), *, times: int = 1, share: float = 1.0) -> None:
        """Count some looks at a claim, and what broke it."""
        claim = self.all.setdefault(words, Claim(words, share))
        claim.looked += times
        for said in bad:
            claim.bad.append(said)
            print(f"day {day}: {words}: BROKEN: {said}\n    once more: {self.again.format(first=max(0, day - 1), last=day)}", flush=True)

    def table(self) -> str:
        """The claims with their counts, a line each."""
        lines = [
            f"{'holds' if one.holds else 'BROKEN':7}{one.looked:9,} looks{len(one.bad):5,} bad   {one.words}" for one in self.all.values()
        ]
        return "\n".join(lines)

    @property
    def hold(self) -> bool:
        """Whether all hold."""
        return all(one.holds for one in self.all.values())
