"""One check before a change: its verdict and its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CheckVerdict(StrEnum):
    """The result of a check before a change."""

    PASS = "pass"
    WARN = "warn"
    BLOCK = "block"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One check with its evidence. ``age_s`` is the age of the evidence in seconds; ``None``: it has no age."""

    name: str
    verdict: CheckVerdict
    evidence: str
    age_s: float | None = None
