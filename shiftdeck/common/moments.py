"""Moments as text, in UTC. A moment from a file may lie outside the calendar."""

from __future__ import annotations

from datetime import UTC, datetime

UNKNOWN = "?"


def utc(at: float) -> datetime | None:
    """The moment of these Unix seconds; ``None`` where the calendar has none."""
    try:
        return datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def utc_text(at: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """The moment in that form; "?" where the calendar has none."""
    found = utc(at)
    return UNKNOWN if found is None else found.strftime(form)
