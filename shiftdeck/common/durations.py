"""Parses and formats durations, ages and percentages.

A duration is a float of seconds everywhere in the program; "1h30m" is its written form. Percentages are 0–100.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

_UNITS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}  # milliseconds
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[wdhms])", re.ASCII)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%?", re.ASCII)
_LONGEST_S = 10 * 365.25 * 86_400

SKEW_S = 60.0

DURATION_FORMS = ("500ms", "2s", "5m", "1h30m", "7d")


def parse_duration(value: object) -> float:
    """Seconds from "500ms", "2s", "5m", "1h30m" or "7d". A bare number is refused: 200 might mean either unit.

    Units go from the larger to the smaller, each at most once, so that a slip such as "5m5m" is refused.

    Raises:
        ValueError: it is none of these, is negative, or is longer than ten years.
    """
    if bare_number(value) is not None:
        raise ValueError(f"a duration has a unit: write it like {', '.join(DURATION_FORMS)}")
    if not isinstance(value, str):
        message = f"a duration is written like {', '.join(DURATION_FORMS)}"
        raise ValueError(message)  # noqa: TRY004 (foreign text: one error for all that may be wrong with it)
    seconds = _seconds_of_text(value.strip())
    if not 0 <= seconds <= _LONGEST_S:
        raise ValueError("a duration is neither negative nor longer than ten years")
    return seconds


def bare_number(value: object) -> float | None:
    """The number, where the value is a number or the text of one, without a unit; else ``None``."""
    if isinstance(value, str):
        return _finite(float(value)) if re.fullmatch(r"\s*\d+(\.\d+)?\s*", value, re.ASCII) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _finite(value)


def _finite(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("a duration is a finite number")
    return number


def _seconds_of_text(text: str) -> float:
    parts = _PART.findall(text)
    sizes = [_UNITS[unit] for _, unit in parts]
    if (
        not parts
        or "".join(number + unit for number, unit in parts) != text
        or sizes != sorted(set(sizes), reverse=True)
    ):
        raise ValueError(f"{text[:40]!r} is not a duration: write it like {', '.join(DURATION_FORMS)}")
    total = sum((Decimal(number) * _UNITS[unit] for number, unit in parts), Decimal(0))
    return _finite(float(total / 1000))


def format_duration(seconds: float) -> str:
    """The shortest text that ``parse_duration`` reads back as exactly ``seconds``: "500ms", "2s", "1h30m".

    Raises:
        ValueError: ``seconds`` is negative or not finite.
    """
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError("a duration is a finite number that is not negative")
    left = Decimal(repr(float(seconds))) * 1000
    if left != left.to_integral_value():
        return f"{left / 1000:f}s"
    text = ""
    for unit, size in _UNITS.items():
        if unit == "w":
            continue
        count, left = divmod(left, size)
        if count:
            text += f"{count:f}{unit}"
    return text or "0s"


def age(seconds: float | None) -> str:
    """An age in one unit, rounded down: "3s", "14m", "2h", "9d". "?" where it is not known.

    The clocks of two machines may differ by ``SKEW_S``. An age more negative than that is not known.
    """
    if seconds is None or not math.isfinite(seconds) or seconds < -SKEW_S:
        return "?"
    whole = max(0, int(seconds))
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def parse_percent(value: object) -> float:
    """0–100 from "2.5%", "2.5 %", "2.5" or 2.5. In text: ASCII digits and at most one dot between them; no sign, no
    exponent, no underscore.

    Raises:
        ValueError: it is none of these, or lies outside 0–100.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError('a percentage is written like "2.5%"')  # noqa: TRY004 (as in parse_duration)
    number = _decimal(value) if isinstance(value, str) else Decimal(repr(value))
    if not number.is_finite() or not 0 <= number <= 100:
        raise ValueError("a percentage lies between 0 and 100")
    return float(number)


def _decimal(text: str) -> Decimal:
    found = _PERCENT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f'{text[:40]!r} is not a percentage: write it like "2.5%"')
    return Decimal(found[1])


def parse_ratio(value: object) -> float:
    """0–1 from a percentage with its sign: "1%" is 0.01. A bare number is refused, since 0.01 might mean either.

    Raises:
        ValueError: there is no percent sign, or it is not a percentage.
    """
    if not isinstance(value, str) or not value.strip().endswith("%"):
        raise ValueError('write a percentage with its sign, like "1%"')
    return float(Decimal(repr(parse_percent(value))) / 100)
