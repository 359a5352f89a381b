"""The traffic of one endpoint: per variant the desired, observed and measured share, and the change under way.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from backends import contracts
from backends.contracts import Role
from shiftdeck.changes.plan import PlanRow
from shiftdeck.changes.run import TrafficRun, traffic_runs
from shiftdeck.common.durations import age
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView, VariantView
from shiftdeck.health.latency import p95_of
from tui.render import format as fmt
from tui.render import run as run_pane
from tui.render import source_status, traffic_bar
from tui.render.columns import Column, grid
from tui.render.content import Content
from tui.render.text import bar, left, line, right, wrap
from tui.render.theme import Look

LONG_HEADS_FROM = 78

FIGURES = (
    Column("errors", right=True, rank=1),
    Column("load", right=True, rank=6),
    Column("n", right=True, rank=5),
)


def traffic(view: View, selected: EndpointView | None, look: Look, width: int, height: int) -> Content:
    """The variants of the selected endpoint, and the change under way or the last one, in short if there is little
    room."""
    if selected is None:
        empty = source_status.why_empty(
            source_status.of_kind(view, "serving"), "traffic", "no endpoint selected", look, width
        )
        return Content("TRAFFIC", Text(), empty)
    serving = [selected.source]
    measured = [selected.metrics_source] if selected.metrics_source is not None else []
    lines = source_status.notes(serving + measured, view.at, look, width)
    table = variant_lines(selected, look, width)
    lines += table if source_status.fresh(serving) else source_status.aged(table, look)
    said: list[Text] = []
    if selected.endpoint.owner:
        said += wrap(look.text((f"owned by {selected.endpoint.owner}, which may revert changes", "warning")), width)
    if selected.endpoint.message:
        said += wrap(look.text((f"{selected.endpoint.phase}: {selected.endpoint.message}", "muted")), width)
    run = latest_run(view, selected)
    if run is not None:
        full = [*said, Text(), *run_lines(run, view.at, look, width)]
        brief = brief_run_lines(run, view.at, look, width)
        said = full if len(lines) + len(full) <= height else [*brief, *said]
    return Content("TRAFFIC", look.text((str(selected.ref), "muted")), lines + said)


def pane(view: View, selected: EndpointView | None, look: Look, width: int, height: int) -> Content:
    """The pane of the main screen."""
    return traffic(view, selected, look, width, height)


def depends(view: View, selected: EndpointView | None) -> object:
    """All values that the pane depends on."""
    ref = selected.ref if selected else None
    shown = (selected.endpoint, selected.variants) if selected else ()
    runs = tuple(run for run in traffic_runs(view.runs) if run.plan.ref == ref)
    return ref, shown, runs, int(view.at) if runs else 0, source_status.states(view, "serving", "metrics")


def latest_run(view: View, selected: EndpointView) -> TrafficRun | None:
    """The change under way on that endpoint, else the last one that this program made."""
    runs = [run for run in traffic_runs(view.runs) if run.plan.ref == selected.ref]
    return next((run for run in runs if not run.done), max(runs, key=lambda run: run.started, default=None))


# ── variants ────────────────────────────────────────────────────────────────────────────────────────────────────


def variant_lines(selected: EndpointView, look: Look, width: int) -> list[Text]:
    """A row for each variant: weights in percent, replicas and metrics."""
    heads = ("desired", "observed", "measured") if width >= LONG_HEADS_FROM else ("want", "is", "seen")
    columns = (
        Column(),
        Column(rank=4),
        *(Column(head, right=True) for head in heads),
        Column("mirror", right=True, rank=2),
        Column("ready", right=True, rank=3),
        Column("p95", right=True, rank=1),
        *FIGURES,
    )
    styles = traffic_bar.variant_styles([one.variant for one in selected.variants], look)
    known = selected.metrics_source is not None and selected.metrics_source.fresh
    rows = [_variant(one, selected, styles[one.name], look, known=known) for one in selected.variants]
    return grid(columns, rows, width, look, heads=True)


def _variant(one: VariantView, selected: EndpointView, style: str, look: Look, *, known: bool) -> Sequence[Text]:
    variant = one.variant
    metrics = one.mirrored if variant.role is Role.SHADOW else one.metrics
    enough = metrics is not None and metrics.samples >= selected.slo.min_samples
    plain = "text" if known and enough else "muted"
    moving = variant.desired is not None and variant.observed is not None and variant.desired != variant.observed
    slo = selected.slo
    p95 = p95_of(metrics)
    slow = enough and slo.p95_s is not None and p95 is not None and p95.exceeds(slo.p95_s)
    failing = (
        enough
        and slo.error_ratio is not None
        and metrics is not None
        and (metrics.error_ratio or 0.0) > slo.error_ratio
    )
    live = variant.role is not Role.SHADOW
    unready = variant.ready is not None and variant.wanted is not None and variant.ready < variant.wanted
    return (
        look.text((variant.name, style)),
        look.text((variant.role, "muted")),
        look.text((fmt.share(variant.desired) if live else "", "strong" if moving else "text")),
        look.text((fmt.share(variant.observed) if live else "", "strong" if moving else "text")),
        look.text((fmt.share(variant.measured) if live else "", plain)),
        look.text((fmt.share(variant.mirror) if variant.mirror else "", "shadow")),
        look.text((fmt.replicas(variant.ready, variant.wanted), "warning" if unready else "text")),
        look.text((fmt.quantile(p95, slo.p95_s), "critical" if slow and known else plain)),
        look.text((fmt.ratio(metrics.error_ratio if metrics else None), "critical" if failing and known else plain)),
        look.text((fmt.rate(metrics.rps if metrics else None), plain)),
        look.text((fmt.count(metrics.samples if metrics else None), "muted")),
    )


# ── a change ────────────────────────────────────────────────────────────────────────────────────────────────────


def run_lines(run: TrafficRun, now: float, look: Look, width: int) -> list[Text]:
    """The change under way with its desired, observed and measured share, or the outcome of the last one."""
    if run.outcome is not None:
        ended = run_pane.run_line(run, now, look)
        ended.append(f" {age(now - run.updated)} ago", look["muted"])
        words = [look.text((run.outcome.message, "muted")), *(look.text((one, "text")) for one in run.outcome.changed)]
        return [*wrap(ended, width), *(part for text in words for part in wrap(text, width))]
    head = look.text((run_pane.run_headline(run), "key"), (f"  {run.stage} {run_pane.elapsed(run, now)}", "muted"))
    lines = wrap(head, width)
    if run.stalled:
        stuck = f"{look.symbols.warning} stalled: {run.message or 'no progress for longer than is usual'}"
        lines += wrap(look.text((stuck, "warning")), width)
    elif run.message:
        lines += wrap(look.text((run.message, "muted")), width)
    return lines if isinstance(run.plan.change, contracts.Mirror) else lines + _converging(run, look, width)


def brief_run_lines(run: TrafficRun, now: float, look: Look, width: int) -> list[Text]:
    """The same in two lines: the stage, and one bar with the observed, desired and measured share."""
    if run.outcome is not None:
        return run_lines(run, now, look, width)[:2]
    state = f"{look.symbols.warning} stalled" if run.stalled else str(run.stage)
    style = "warning" if run.stalled else "muted"
    head = look.text((run_pane.run_headline(run), "key"), (f"  {run_pane.elapsed(run, now)}  {state}", style))
    head.truncate(width, overflow="ellipsis")
    row = moved_row(run)
    if row is None or isinstance(run.plan.change, contracts.Mirror):
        return [head]
    seen = (run.now or run.plan.before).variant(row.variant)
    observed = seen.observed if seen else None
    measured = run.shares.get(row.variant, 0.0) if run.shares else None
    style = look.role(Role(row.role))
    figures = look.text(
        (f" {fmt.share(observed)}{look.symbols.arrow}{fmt.share(row.after)}", "strong"),
        (f" seen {fmt.share(measured)}", "muted"),
    )
    room = max(4, min(40, width - figures.cell_len - len(row.variant) - 1))
    there, asked = (round((value or 0.0) / 100.0 * room) for value in (observed, row.after))
    line = look.text((f"{row.variant} ", style), (look.symbols.bar * min(there, asked), style))
    line.append(look.symbols.transit * abs(asked - there), look[style])
    line.append(look.symbols.track * (room - max(there, asked)), look["faint"])
    return [head, line.append_text(figures)]


def moved_row(run: TrafficRun) -> PlanRow | None:
    """The variant that the change is about: the first changed one that is not stable, else stable."""
    moved = [row for row in run.plan.rows if row.after is not None and row.before != row.after]
    return next((row for row in moved if row.role != Role.STABLE), moved[0] if moved else None)


def _converging(run: TrafficRun, look: Look, width: int) -> list[Text]:
    """Three bars, one above the other, for the variant that the change is about."""
    now = run.now or run.plan.before
    row = moved_row(run)
    if row is None:
        return []
    variant = now.variant(row.variant)
    style = look.role(Role(row.role))
    figures: tuple[tuple[str, float | None], ...] = (
        ("desired", row.after),
        ("observed", variant.observed if variant else None),
        ("measured", run.shares.get(row.variant, 0.0) if run.shares else None),
    )
    names = max(3, len(row.variant)) + 1
    room = max(0, min(60, width - names - 9 - 8))
    return [
        line(
            left(look.text((row.variant if number == 0 else "", style)), names),
            left(look.text((figure, "muted")), 9),
            right(look.text((fmt.share(value) + (" %" if value is not None else ""), "strong")), 6),
            Text("  "),
            bar(look, style, value, room),
        )
        for number, (figure, value) in enumerate(figures)
    ]
