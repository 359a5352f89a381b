"""One check before a change: its verdict and its evidence."""

from __future__ import annotations

from collections.abc import Sequence
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


def blocks_of(checks: Sequence[Check]) -> tuple[Check, ...]:
    """The checks that block."""
    return tuple(check for check in checks if check.verdict is CheckVerdict.BLOCK)


def blocked_by(checks: Sequence[Check]) -> str:
    """Which checks block, in words; "": none does."""
    blocks = blocks_of(checks)
    return "blocked by " + ", ".join(check.name for check in blocks) if blocks else ""
