"""How an endpoint stands, with the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shiftdeck.common.durations import age


class Level(StrEnum):
    """How bad it is. ``rank`` orders them, worst first."""

    CRITICAL = "critical"
    WARNING = "warning"
    NO_DATA = "no data"
    OK = "ok"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {level: rank for rank, level in enumerate(Level)}


@dataclass(frozen=True, slots=True)
class Reason:
    """One finding: ``text`` is a few words for a table, ``variant`` what it is about ("" = the endpoint). Where it is
    the longer it lasts the worse, ``since`` is when it began: the age is told by ``words``, so that the finding itself
    does not change with the clock."""

    level: Level
    text: str
    variant: str = ""
    since: float | None = None

    def words(self, now: float) -> str:
        """ "gateway unreachable 2m"."""
        return self.text if self.since is None else f"{self.text} {age(max(0.0, now - self.since))}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The worst level of all reasons; reasons are worst first."""

    level: Level
    reasons: tuple[Reason, ...] = ()

    def condemned(self) -> frozenset[str]:
        """The variants that something critical is said of."""
        return frozenset(reason.variant for reason in self.reasons if reason.level is Level.CRITICAL and reason.variant)
