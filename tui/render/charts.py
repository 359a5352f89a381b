"""The charts of one endpoint on one time axis: p95, errors and shares, with a mark at each change.

Pure. ``key`` decides when a chart is drawn again: only when the time axis would move by a column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from backends.contracts import Measure, Role
from shiftdeck.common.durations import age
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.history.charts import Charts, share_series
from shiftdeck.sources.source import SourceStatus
from tui.render import format as fmt
from tui.render import source_status, traffic_bar
from tui.render.content import Content
from tui.render.line_chart import Curve, Frame, chart_lines, nice_span, nice_top
from tui.render.theme import Look

if TYPE_CHECKING:
    from backends.contracts import Endpoint

OLD_AFTER_S = 30.0
"""A chart whose data ended longer ago than this shows the time of its end, instead of "now"."""

ASKED = "muted"
"""The style of desired shares; measured shares have the variant's style."""

Points = Sequence[tuple[float, float | None]]

MARKERS = {Role.STABLE: ".", Role.CANARY: "*", Role.SHADOW: "s", Role.CANDIDATE: "o", Role.IDLE: "-"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of chart. ``scale`` converts the unit of the measure to the unit of the axis. The axis ends at ``least``
    or above."""

    title: str
    unit: str
    measure: Measure | None
    scale: float
    least: float


P95 = Kind("P95", "ms", Measure.P95, 1000.0, 10.0)
ERRORS = Kind("ERRORS", "%", Measure.ERRORS, 100.0, 1.0)
SHARE = Kind("SHARE", "%", None, 1.0, 10.0)

KINDS = {"p95": P95, "share": SHARE, "errors": ERRORS}
"""The kinds of charts, by the id of their pane."""


def of_selected(view: View, selected: EndpointView | None) -> Charts | None:
    """The charts of the view, if they are those of the selected endpoint, else ``None``."""
    charts = view.charts
    return charts if charts is not None and selected is not None and charts.ref == selected.ref else None


def key(
    view: View, selected: EndpointView | None, kind: Kind, width: int, look: Look, *, every_s: float = 0.0
) -> object:
    """The key of a chart. Charts with equal keys look the same. With ``every_s`` the key also stays equal for that many
    seconds, so that the chart is drawn less often."""
    charts = of_selected(view, selected)
    if charts is None or selected is None:
        return selected.ref if selected else None, tuple(source_status.of_kind(view, "metrics")), int(view.at)
    step = max(charts.window_s / max(20, width), every_s)
    trouble = tuple(line.plain for line in source_status.notes(_metrics(view), view.at, look, 200))
    split = tuple((one.name, one.variant.role, one.variant.desired, one.variant.observed) for one in selected.variants)
    measured = (
        tuple(fmt.share(one.variant.measured) for one in selected.variants) if kind is SHARE and not every_s else ()
    )
    known = sum(1 for series in charts.series.values() for _ in series.points) > 0
    return charts.ref, charts.window_s, int(charts.at / step), charts.marks, trouble, split, measured, known


def chart(view: View, selected: EndpointView | None, kind: Kind, look: Look, width: int, height: int) -> Content:
    """One chart of the selected endpoint."""
    title = f"{kind.title} {kind.unit}"
    metrics = _metrics(view)
    if selected is None:
        return Content(title, Text(), source_status.why_empty(metrics, "history", "no endpoint selected", look, width))
    lines = source_status.notes(metrics, view.at, look, width)
    charts = of_selected(view, selected)
    if charts is None:
        waiting = f"reading the history of {selected.ref.name}{look.symbols.ellipsis}"
        return Content(title, Text(), lines + source_status.why_empty(metrics, "history", waiting, look, width))
    curves = curves_of(charts, selected, kind, look)
    subtitle = _subtitle(charts, selected, kind, look, width - len(title) - 1)
    values = [value for curve in curves for _, value in curve.points if value is not None]
    if not any(value is not None for curve in curves if curve.style != ASKED for _, value in curve.points):
        nothing = _nothing(charts)
        return Content(title, subtitle, lines + source_status.why_empty(metrics, "history", nothing, look, width))
    limit = _limit(selected, kind)
    top = nice_top(max([*values, kind.least, *([limit] if limit is not None and limit < 3 * max(values) else [])]))
    if kind is SHARE:
        top = min(top, 100.0)
    frame = _frame(charts, curves, top, limit, view.at, width)
    room = max(3, height - len(lines))
    lines += chart_lines(curves, frame, charts.marks, look, width, room)
    return Content(title, subtitle, lines)


def _nothing(charts: Charts) -> str:
    """Why there is nothing to draw: no history yet is not the same as no requests."""
    since = min((one.since for one in charts.series.values() if one.since is not None), default=None)
    if since is not None and since > charts.at - charts.window_s:
        return f"no history of before {source_status.clock(since)}: the source keeps none, it is read since then"
    rates = (one for (_, measure), one in charts.series.items() if measure is Measure.RATE)
    if any(value is not None for one in rates for _, value in one.points):
        return f"no requests were measured in the last {age(charts.window_s)}"
    return f"nothing was measured in the last {age(charts.window_s)}"


def _beyond(charts: Charts, kind: Kind) -> str:
    """The variants whose curve runs along the highest bound of their buckets, and that bound: "v8 over 60.0 s"."""
    told = []
    for (name, measure), series in charts.series.items():
        capped = [value for at, value in series.points if at in series.least and value is not None]
        if measure is kind.measure and capped:
            told.append(f"{name} over {fmt.latency(max(capped))}")
    return ", ".join(told)


def _metrics(view: View) -> list[SourceStatus]:
    return source_status.of_kind(view, "metrics")


def _limit(selected: EndpointView, kind: Kind) -> float | None:
    if kind is P95 and selected.slo.p95_s is not None:
        return selected.slo.p95_s * kind.scale
    if kind is ERRORS and selected.slo.error_ratio is not None:
        return selected.slo.error_ratio * kind.scale
    return None


def _frame(charts: Charts, curves: Sequence[Curve], top: float, limit: float | None, now: float, width: int) -> Frame:
    """The axes. The time axis is the window, or the part of it that has data; it moves by whole columns."""
    measured = [curve for curve in curves if curve.style != ASKED]
    first = min((at for curve in measured for at, value in curve.points if value is not None), default=charts.at)
    span = nice_span(charts.at - first, charts.window_s)
    step = span / max(20, width)
    until = (int(charts.at / step) + 1) * step
    late = abs(now - charts.at) > OLD_AFTER_S  # far ahead of now: the clock was set back
    return Frame(until - span, until, top, limit=limit, now=source_status.clock(charts.at) if late else "now")


def curves_of(charts: Charts, selected: EndpointView, kind: Kind, look: Look) -> list[Curve]:
    """A curve for each variant, in its colour, stable first. The chart of shares also has the canary's desired
    share."""
    styles = traffic_bar.variant_styles([one.variant for one in selected.variants], look)
    roles = {one.name: one.variant.role for one in selected.variants}
    if kind.measure is None:
        found = list(_shares(charts, selected, styles, roles))
    else:
        found = [
            Curve(styles[name], _scaled(series.points, kind.scale), MARKERS[roles[name]])
            for (name, measure), series in charts.series.items()
            if measure is kind.measure and name in styles
        ]
    return sorted(found, key=lambda curve: curve.style != "stable")


def _scaled(points: Points, scale: float) -> Points:
    return tuple((at, None if value is None else value * scale) for at, value in points)


def _shares(charts: Charts, selected: EndpointView, styles: dict[str, str], roles: dict[str, Role]) -> Iterator[Curve]:
    """The measured shares, and below the canary's curve its desired share. The share of stable is the rest to 100, so
    it is drawn only if there is no canary, or if there are several candidates."""
    shares = share_series(charts)
    shown = [name for name in shares if roles.get(name) in (Role.CANARY, Role.CANDIDATE)]
    if any(roles.get(name) is Role.CANDIDATE for name in shown) or not shown:
        shown = [name for name in shares if roles.get(name) in (Role.STABLE, Role.CANARY, Role.CANDIDATE)]
    canary = next((name for name in shown if roles[name] is Role.CANARY), None)
    if canary is not None:
        yield Curve(ASKED, desired_steps(selected.endpoint, canary, charts), ":")
    for name in shown:
        yield Curve(styles[name], shares[name], MARKERS[roles[name]])


def desired_steps(endpoint: Endpoint, variant: str, charts: Charts) -> Points:
    """The desired weight of a variant over the window, as steps, from the releases."""
    since = charts.at - charts.window_s
    dated = sorted((one.at, one.weights.get(variant)) for one in endpoint.releases if one.at is not None)
    points: list[tuple[float, float | None]] = []
    current: float | None = None
    for at, weight in dated:
        if at > since:
            if not points and current is not None:
                points.append((since, current))
            if current is not None:
                points.append((at, current))
            points.append((at, weight))
        current = weight
    if current is not None:
        points += [(since, current)] if not points else []
        points.append((charts.at, current))
    return tuple(points)


def _subtitle(charts: Charts, selected: EndpointView, kind: Kind, look: Look, width: int) -> Text:
    """The variants in their colours, and the window; for the chart of shares the three shares of the canary."""
    styles = traffic_bar.variant_styles([one.variant for one in selected.variants], look)
    canary = selected.in_role(Role.CANARY)
    if kind is SHARE and canary is not None:
        variant = canary.variant
        figures = (("want", variant.desired), ("is", variant.observed), ("seen", variant.measured))
        long = look.text(("of ", "muted"), (variant.name, styles[variant.name]))
        short = look.text((variant.name, styles[variant.name]))
        for number, (word, value) in enumerate(figures):
            long.append(f" {look.symbols.dot} {word} ", look["muted"])
            long.append(fmt.share(value), look["text"])
            short.append(f" {look.symbols.arrow} " if number else " ", look["muted"])
            short.append(fmt.share(value), look["text"])
        return long if long.cell_len <= width else short
    known = {name for (name, _), series in charts.series.items() if any(v is not None for _, v in series.points)}
    names = look.text(*((f"{one.name} ", styles[one.name]) for one in selected.variants if one.name in known))
    limit = _limit(selected, kind)
    window = f"{look.symbols.dot} {age(charts.window_s)}"
    objective = f" {look.symbols.dot} slo {limit:g}" if limit is not None else ""
    beyond = f" {look.symbols.dot} {told}" if (told := _beyond(charts, kind)) else ""
    for words in (window + objective + beyond, window + beyond, window + objective, window):
        line = names.copy().append(words, look["muted"])
        if line.cell_len <= width:
            break
    return line
