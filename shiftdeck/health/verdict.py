"""The verdict on an endpoint, with its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shiftdeck.common.durations import age


class Level(StrEnum):
    """How bad a finding or an endpoint is. ``rank`` orders levels, worst first."""

    CRITICAL = "critical"
    WARNING = "warning"
    NO_DATA = "no data"
    OK = "ok"

    @property
    def rank(self) -> int:
        return _RANKS[self]


FOR_AGE = "{text} {age}"
LASTING = "{text} for {age}"
READ_AGO = "{text}, read {age} ago"
"""The forms of a reason with its age."""

_RANKS = {level: rank for rank, level in enumerate(Level)}


@dataclass(frozen=True, slots=True)
class Reason:
    """One finding. ``text`` is a few words for a table. ``variant`` is the variant that it is about ("": the whole
    endpoint). ``since`` is when it began, where its age matters. ``words`` adds the age in that ``form``, so that the
    finding itself does not change with the clock. A reason of level OK tells what is not known and is not judged."""

    level: Level
    text: str
    variant: str = ""
    since: float | None = None
    form: str = FOR_AGE

    def words(self, now: float) -> str:
        """The text with the age: "gateway unreachable 2m"."""
        return self.text if self.since is None else self.form.format(text=self.text, age=age(now - self.since))


@dataclass(frozen=True, slots=True)
class Verdict:
    """``level`` is the worst level of all reasons. Reasons are worst first. ``stalled``: the traffic stays off what is
    asked for."""

    level: Level
    reasons: tuple[Reason, ...] = ()
    stalled: bool = False

    def condemned(self) -> frozenset[str]:
        """The variants that have a critical finding."""
        return frozenset(reason.variant for reason in self.reasons if reason.level is Level.CRITICAL and reason.variant)
