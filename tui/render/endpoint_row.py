"""One row of the table of endpoints: its cells and its line. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from backends.contracts import Split
from shiftdeck.changes.plan import describe
from shiftdeck.changes.run import Stage, TrafficRun
from shiftdeck.common.durations import age
from shiftdeck.fleet.endpoint import EndpointView, VariantView
from shiftdeck.health.judge import SIGNIFICANCE
from shiftdeck.health.latency import p95_of
from shiftdeck.health.statistics import compare
from shiftdeck.health.verdict import Level, Reason
from tui.render import columns, traffic_bar
from tui.render import format as fmt
from tui.render.endpoint_table import COLUMNS, GAPS, LEFT
from tui.render.theme import Look


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one endpoint. ``no_data`` replaces the figures, if it is not ``None``."""

    cells: Mapping[str, Text]
    why: Sequence[Text]
    variants: EndpointView
    no_data: Text | None = None


def make_row(view: EndpointView, run: TrafficRun | None, now: float, look: Look, *, scoped: bool, tight: bool) -> Row:
    """The cells of one endpoint. ``scoped`` puts the scope before the name; ``tight`` saves columns."""
    symbol, style = look.level(view.verdict.level)
    name = look.text(*([(f"{view.ref.scope}/", "muted")] if scoped else []))
    name.append(view.ref.name, look["text" if view.verdict.level is Level.OK else "strong"])
    shown_variant = view.shown_variant
    trusted = view.metrics_source is None or view.metrics_source.fresh
    cells = {
        "symbol": look.text((symbol, style)),
        "name": name,
        "on": look.text((view.ref.backend, "muted")),
        "weights": traffic_bar.text([one.variant for one in view.variants], look, tight=tight),
        "drift": _drift(view, look),
    }
    no_data = None
    if shown_variant is None or shown_variant.metrics is None or shown_variant.metrics.samples == 0 or not trusted:
        no_data = look.text((_no_data(view, now), "muted"))
    else:
        cells |= _figures(view, shown_variant, look)
    return Row(cells, _why(view, run, now, look), view, no_data)


def _figures(view: EndpointView, shown_variant: VariantView, look: Look) -> dict[str, Text]:
    metrics = shown_variant.metrics
    assert metrics is not None
    slo = view.slo
    plain = "text" if metrics.samples >= slo.min_samples else "muted"
    p95 = p95_of(metrics)
    slow = slo.p95_s is not None and p95 is not None and p95.exceeds(slo.p95_s)
    failing = slo.error_ratio is not None and metrics.error_ratio is not None and metrics.error_ratio > slo.error_ratio
    judged = metrics.samples >= slo.min_samples
    return {
        "p95": look.text((fmt.quantile(p95, slo.p95_s), "critical" if slow and judged else plain)),
        "delta": _delta(view, shown_variant, look),
        "errors": look.text((fmt.ratio(metrics.error_ratio), "critical" if failing and judged else plain)),
        "load": look.text((fmt.rate(view.rps), "text")),
    }


def _delta(view: EndpointView, shown_variant: VariantView, look: Look) -> Text:
    """How much slower the shown variant is than stable."""
    stable = next((one for one in view.variants if one.variant.role == "stable"), None)
    if stable is None or stable is shown_variant:
        return look.text()
    difference = compare(stable.metrics, shown_variant.metrics)
    if difference.p95_ratio is None:
        return look.text()
    worse = difference.slower(SIGNIFICANCE)
    return look.text((fmt.signed_percent(difference.p95_ratio - 1.0), "warning" if worse else "muted"))


def _drift(view: EndpointView, look: Look) -> Text:
    worst = view.worst_drift
    if worst is None or worst.value is None:
        return look.text((fmt.DASH, "muted")) if view.drift else look.text()
    return look.text((f"{worst.value:.2f}", "warning" if worst.crossed else "text"))


def _no_data(view: EndpointView, now: float) -> str:
    source = view.metrics_source
    if source is None:
        return "no metrics"
    old = source.age_s(now)
    return "no data" if source.fresh or old is None else f"no data {age(old)}"


# ── why ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _why(view: EndpointView, run: TrafficRun | None, now: float, look: Look) -> list[Text]:
    """The first reason, or the change under way, in forms of decreasing length."""
    if run is not None and not run.done:
        style = "warning" if run.stalled else "key"
        return [look.text((words, style)) for words in running_words(run, look)]
    if not view.verdict.reasons:
        return [look.text()]
    reason = view.verdict.reasons[0]
    style = "muted" if reason.level is Level.OK else look.level(reason.level)[1]
    others = len(view.verdict.reasons) - 1
    more = f" +{others}" if others else ""
    full = reason.words(now)
    forms = dict.fromkeys([full + more, *(form + more for form in shorter(reason)), *shorter(reason)])
    return [look.text((form, style)) for form in forms]


def shorter(reason: Reason) -> list[str]:
    """The same reason in fewer words, longest first."""
    if reason.text.startswith("gpu "):
        place, _, fault = reason.text.partition(": ")
        what = fault.partition(":")[0]
        return [f"{place} {what}", f"gpu {what}"]
    if reason.text.startswith("drift "):
        return [reason.text.rpartition(" ")[0]]
    if reason.since is not None:
        return [reason.text]
    without_limit = reason.text.split(" > ")[0].split(" against ")[0]
    brief = without_limit.replace("errors", "err").replace(" %", "%").replace(" ms", "ms")
    return [without_limit, brief]


def running_words(run: TrafficRun, look: Look) -> list[str]:
    """ "shift v8 10→25 observed 12": the change and its progress, in forms of decreasing length."""
    verb = describe(run.plan.change).split(" ")[0].replace("roll", "roll back")
    moved = [row for row in run.plan.rows if row.after is not None and row.before != row.after]
    row = next((row for row in moved if row.role != "stable"), moved[0] if moved else None)
    if row is None:
        return [f"{describe(run.plan.change)} {look.symbols.dot} {run.stage}", f"{verb} {run.stage}"]
    what = f"{fmt.share(row.before)}{look.symbols.arrow}{fmt.share(row.after)}"
    seen = run.now.variant(row.variant) if run.now is not None else None
    if run.stalled:
        state = "stalled"
    elif run.stage is Stage.MEASURING and row.variant in run.shares:
        state = f"measured {fmt.share(run.shares[row.variant])}"
    elif seen is not None and isinstance(run.plan.change, Split):
        state = f"observed {fmt.share(seen.observed)}"
    else:
        state = str(run.stage)
    return [f"{verb} {row.variant} {what} {state}", f"{verb} {what} {state}", f"{verb} {what}", what]


# ── the line ────────────────────────────────────────────────────────────────────────────────────────────────────


def widths_of(row: Row) -> dict[str, int]:
    """The natural width of each cell of a row."""
    found = {name: cell.cell_len for name, cell in row.cells.items()}
    found["why"] = row.why[0].cell_len
    return found


def row_line(row: Row, wide: Mapping[str, int], look: Look) -> Text:
    """One endpoint on one line."""
    line = Text(" " * LEFT, no_wrap=True, end="")
    kept = [name for name in COLUMNS if wide[name]]
    skip = ""
    for name in kept:
        gap = " " * GAPS.get(name, columns.GAP) if name != "why" else ""
        if name == "p95" and row.no_data is not None:
            # One cell replaces the figures up to the errors.
            span = [other for other in ("p95", "delta", "errors") if wide[other]]
            room = sum(wide[other] for other in span) + sum(GAPS.get(other, columns.GAP) for other in span[:-1])
            line.append_text(columns.placed(row.no_data, room))
            line.append(" " * columns.GAP)
            skip = "delta errors"
            continue
        if name in skip.split():
            continue
        line.append_text(_cell(row, name, wide[name], look))
        line.append(gap)
    return line


def _cell(row: Row, name: str, width: int, look: Look) -> Text:
    if name == "bar":
        return traffic_bar.bar([one.variant for one in row.variants.variants], width, look)
    if name == "why":
        shown = next((form for form in row.why if form.cell_len <= width), row.why[-1])
        return columns.placed(shown, width)
    return columns.placed(row.cells.get(name, Text()), width, right=COLUMNS[name].right)
