"""Families of faults: what each tries, and what it counts as survived."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["Outcome", "Tally"]


@dataclass(frozen=True)
class Outcome:
    """One fault.

    Parameters
    ----------
    kind : str
        Where it hit.
    lost : str
        What was lost; empty when nothing.
    """

    kind: str
    lost: str = ""


@dataclass
class Tally:
    """The outcomes of a family."""

    family: str
    outcomes: list[Outcome] = field(default_factory=list)

    @classmethod
    def of(cls, family: str, outcomes: Iterable[Outcome]) -> Tally:
        """Run a family; whatever it raises is a loss."""
        tally = cls(family)
        try:
            for outcome in outcomes:
                tally.outcomes.append(outcome)
        except Exception as error:
            tally.outcomes.append(Outcome("the trial itself", f"{type(error).__name__}: {error}"))
        return tally

    @property
    def survived(self) -> int:
        """Faults after which nothing was lost."""
        return sum(not outcome.lost for outcome in self.outcomes)

    def lines(self) -> list[str]:
        """What to print."""
        hits = Counter(outcome.kind for outcome in self.outcomes)
        said = [f"{self.family}: survived {self.survived} / {len(self.outcomes)}"]
        said += [f"    {count:3d} {kind}" for kind, count in hits.items()]
        said += [f"  LOST {outcome.kind}: {outcome.lost}" for outcome in self.outcomes if outcome.lost]
        return said
