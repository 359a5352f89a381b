"""The history of one endpoint, for charts on one time axis with a mark at each change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backends import contracts
from backends.contracts import Measure
from shiftdeck.fleet.endpoint import EndpointView

if TYPE_CHECKING:
    from backends.contracts import Endpoint, EndpointRef, Metrics, Series

MEASURES = (Measure.P95, Measure.ERRORS, Measure.RATE)

POINTS = 120
"""Points per series: about two for each column of a wide chart."""

SHORTEST_STEP_S = 5.0

CHART_WINDOWS_S = (900.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
"""The windows that charts may show. The first is the default."""

AGAIN = 0.1
LONGEST_AGAIN_S = 20.0
"""Charts are read again after ``AGAIN`` of a step, or after ``LONGEST_AGAIN_S`` if that is shorter: the points of one
day make a server read the samples of one day."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A change at a moment, for a chart's time axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Charts:
    """Series of the endpoint in focus, by variant name and measure, over the last ``window_s`` seconds."""

    ref: EndpointRef
    window_s: float
    at: float
    series: Mapping[tuple[str, Measure], Series] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()


def read_charts(metrics: Metrics, view: EndpointView, window_s: float, now: float) -> Charts:
    """All measures of all variants over the last ``window_s`` seconds.

    Raises:
        BackendError: the metrics could not be read.
    """
    step_s = step_of(window_s)
    series: dict[tuple[str, Measure], Series] = {}
    for variant in view.variants:
        found = variant.metrics or variant.mirrored
        subject = found.subject if found else contracts.Subject(view.ref.name, variant.name, view.ref.scope)
        for measure in MEASURES:
            series[variant.name, measure] = metrics.history(subject, measure, window_s, step_s)
    return Charts(view.ref, window_s, now, series, marks(view.endpoint, now - window_s))


def step_of(window_s: float) -> float:
    """Seconds between two points, such that any window has about ``POINTS`` points."""
    return max(SHORTEST_STEP_S, window_s / POINTS)


def still_good(charts: Charts, view: EndpointView, window_s: float, now: float) -> bool:
    """Whether charts that were read earlier would look the same if they were read now."""
    variants = {name for name, _ in charts.series} == {one.name for one in view.variants}
    marked = charts.marks == marks(view.endpoint, charts.at - window_s)
    same = charts.ref == view.ref and charts.window_s == window_s and variants and marked
    return same and 0 <= now - charts.at < min(AGAIN * step_of(window_s), LONGEST_AGAIN_S)


def marks(endpoint: Endpoint, since: float) -> tuple[Mark, ...]:
    """A mark for each release since then, oldest first: what was changed, and by whom."""
    found = []
    ordered = sorted((release for release in endpoint.releases if release.at is not None), key=lambda r: r.at or 0.0)
    for before, after in zip([None, *ordered], ordered, strict=False):
        if after.at is None or after.at < since or before is None:
            continue
        changed = [
            f"{name} {before.weights.get(name, 0.0):g}→{weight:g}"
            for name, weight in after.weights.items()
            if before.weights.get(name, 0.0) != weight
        ]
        found.append(Mark(after.at, " ".join([*changed[:1], after.by]).strip() or after.note))
    return tuple(found)


def share_series(charts: Charts) -> dict[str, tuple[tuple[float, float | None], ...]]:
    """Share of the live requests in percent over time, by variant, from the request rates."""
    rates = {name: dict(series.points) for (name, measure), series in charts.series.items() if measure is Measure.RATE}
    times = sorted({at for points in rates.values() for at in points})
    totals = {at: sum(points.get(at) or 0.0 for points in rates.values()) for at in times}
    return {
        name: tuple(
            (at, 100.0 * value / totals[at] if (value := points.get(at)) is not None and totals[at] > 0 else None)
            for at in times
        )
        for name, points in rates.items()
    }
