"""Figures as text. Pure. An unknown figure is a dash, never 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shiftdeck.health.latency import Quantile

DASH = "–"

ROUNDING = 1e-6
"""Rounding errors of shares that were added and divided are smaller than this."""


def percent(value: float | None, digits: int = 0) -> str:
    """Percent (0–100) as "90", "9.7" (with ``digits``), without a sign."""
    if value is None:
        return DASH
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits and value == round(value) else f"{value:.{digits}f}"


def share(value: float | None) -> str:
    """A weight or measured share in percent: without digits if it is whole, else with one. A value above 0 and below
    0.1 is "<0.1"."""
    if value is None:
        return DASH
    if abs(value - round(value)) < ROUNDING:
        return f"{value:.0f}"
    return "<0.1" if 0 < value < 0.1 else f"{value:.1f}"


def ratio(value: float | None) -> str:
    """An error ratio (0–1) as "2.4 %"."""
    return DASH if value is None else f"{value * 100:.1f} %"


def latency(seconds: float | None) -> str:
    """Seconds as "231 ms", "1.9 s"."""
    if seconds is None:
        return DASH
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 99.95 else f"{seconds:.0f} s"


def quantile(known: Quantile | None, limit_s: float | None = None) -> str:
    """A quantile: its estimate, ">60 s" beyond the last bucket, "~425 ms" where the limit lies in its bucket."""
    if known is None:
        return DASH
    if known.capped or known.estimate is None:
        return f">{latency(max(0.0, known.lower))}"
    unsure = limit_s is not None and known.exceeds(limit_s) is None
    return f"{'~' if unsure else ''}{latency(known.estimate)}"


def rate(per_second: float | None) -> str:
    """Requests per second as "812/s", "6.4k/s", "0.3/s"."""
    if per_second is None:
        return DASH
    if per_second >= 999.5:
        return f"{per_second / 1000:.1f}k/s" if per_second < 99_950 else f"{per_second / 1000:.0f}k/s"
    return f"{per_second:.0f}/s" if per_second >= 9.95 or per_second == 0 else f"{per_second:.1f}/s"


def count(number: int | None) -> str:
    """A count with thousands separated: "4,812"."""
    return DASH if number is None else f"{number:,}"


def gibibytes(used: int | None, total: int | None) -> str:
    """Memory in GiB as "61/80G"."""
    if total is None:
        return DASH
    return f"{DASH if used is None else f'{used / 2**30:.0f}'}/{total / 2**30:.0f}G"


def signed_percent(fraction: float | None) -> str:
    """A relative difference (0.61) as "+61 %"."""
    return "" if fraction is None else f"{fraction * 100:+.0f} %"


def replicas(ready: int | None, wanted: int | None) -> str:
    """Replicas as "2/3": ready of wanted."""
    if ready is None and wanted is None:
        return DASH
    return f"{DASH if ready is None else ready}/{DASH if wanted is None else wanted}"


def fit(text: str, width: int, ellipsis: str = "…") -> str:
    """``text`` cut to ``width`` characters. A cut text ends in an ellipsis."""
    if width <= 0:
        return ""
    return text if len(text) <= width else text[: max(0, width - len(ellipsis))] + ellipsis[:width]


def sparkline(values: tuple[float, ...], width: int, sparks: str, top: float | None = None) -> str:
    """The newest ``width`` values as one character each, scaled from 0 to ``top`` (default: the largest)."""
    shown = values[-width:] if width > 0 else ()
    highest = max([top or 0.0, *shown], default=0.0)
    if highest <= 0:
        return sparks[0] * len(shown)
    last = len(sparks) - 1
    return "".join(sparks[min(last, max(0, round(value / highest * last)))] for value in shown)
