"""The variants of one endpoint side by side, and each compared with stable: the difference and its significance.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from backends.contracts import Measure, Role, VariantMetrics
from shiftdeck.common.durations import age
from shiftdeck.common.numbers import endless
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView, VariantView, worst_of
from shiftdeck.fleet.image_tag import finding as image_finding
from shiftdeck.health.judge import SIGNIFICANCE, WORSE_ERRORS
from shiftdeck.health.latency import p95_of, quantile_of
from shiftdeck.health.statistics import Comparison, compare
from tui.render import format as fmt
from tui.render import source_status, traffic_bar
from tui.render.columns import Column, grid
from tui.render.content import Content
from tui.render.registry import main_metric
from tui.render.text import flow, hang
from tui.render.theme import Look


def variants(view: View, selected: EndpointView | None, look: Look, width: int) -> Content:
    """A column for each variant, then a line for each variant that is not stable."""
    if selected is None:
        return Content("VARIANTS", Text(), ())
    stable = selected.in_role(Role.STABLE)
    rest = [one for one in selected.variants if one is not stable]
    lines = _table([stable, *rest] if stable else rest, selected, look, width)
    if not source_status.fresh([selected.source, *([selected.metrics_source] if selected.metrics_source else [])]):
        lines = source_status.aged(lines, look)
    told = [part for one in rest for part in against(one, stable, selected, look, width)] if stable else []
    told += image_words(selected, look, width)
    return Content("VARIANTS", _about(selected, look), [*lines, *([Text()] if told else []), *told])


def _about(selected: EndpointView, look: Look) -> Text:
    windows = dict.fromkeys(age(one.window_s) for view in selected.variants for one in (seen(view),) if one)
    return look.text((f"last {', '.join(windows)}" if windows else "no requests seen", "muted"))


def seen(view: VariantView) -> VariantMetrics | None:
    """The metrics of a variant: of the mirrored requests if it is a shadow, else of live requests."""
    return view.mirrored if view.variant.role is Role.SHADOW else view.metrics


# ── side by side ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Figure:
    """One row. ``over`` returns whether a variant's value violates the objective. ``goal`` is the objective as text."""

    name: str
    text: Callable[[VariantView], str]
    goal: str = ""
    over: Callable[[VariantView], bool] = lambda view: False


def _table(views: Sequence[VariantView], selected: EndpointView, look: Look, width: int) -> list[Text]:
    styles = traffic_bar.variant_styles([one.variant for one in selected.variants], look)
    figures = [one for one in _figures(selected) if any(one.text(view) not in ("", fmt.DASH) for view in views)]
    columns = (
        Column(),
        *(Column(right=True) for _ in views),
        Column(right=True, rank=1),
    )
    heads = [Text(), *(look.text((f"{one.name} {one.variant.role}", styles[one.name])) for one in views)]
    goals = any(figure.goal for figure in figures)
    rows = [[*heads, look.text(("objective", "muted")) if goals else Text()]]
    for figure in figures:
        told = [(figure.text(view) or fmt.DASH, "critical" if figure.over(view) else "text") for view in views]
        rows.append([look.text((figure.name, "muted")), *map(look.text, told), look.text((figure.goal, "muted"))])
    return grid(columns, rows, width, look)


def _figures(selected: EndpointView) -> Iterator[_Figure]:
    slo = selected.slo
    versions = [view.version for view in selected.variants if view.version is not None]
    metric = main_metric(versions)

    def figure(read: Callable[[VariantMetrics], str]) -> Callable[[VariantView], str]:
        return lambda view: read(found) if (found := seen(view)) is not None else fmt.DASH

    def beyond(read: Callable[[VariantMetrics], float | None], limit: float | None) -> Callable[[VariantView], bool]:
        def over(view: VariantView) -> bool:
            found = seen(view)
            value = read(found) if found is not None and found.samples >= slo.min_samples else None
            return value is not None and limit is not None and value > limit

        return over

    def slow(view: VariantView) -> bool:
        found = seen(view)
        p95 = p95_of(found) if found is not None and found.samples >= slo.min_samples else None
        return p95 is not None and slo.p95_s is not None and p95.exceeds(slo.p95_s) is True

    yield _Figure("model", lambda view: str(view.variant.model) if view.variant.model else "")
    yield _Figure("image", _image, over=lambda view: (told := image_finding(view)) is not None and bool(told.moved))
    yield _Figure("aliases", lambda view: " ".join(f"@{one}" for one in view.version.aliases) if view.version else "")
    if metric:
        yield _Figure(metric, lambda view: _quality(view, metric))
    yield _Figure("desired", lambda view: _percent(view.variant.desired))
    yield _Figure("observed", lambda view: _percent(view.variant.observed))
    yield _Figure("measured", lambda view: _percent(view.variant.measured))
    yield _Figure("mirrored", lambda view: _percent(view.variant.mirror or None))
    yield _Figure("ready", lambda view: fmt.replicas(view.variant.ready, view.variant.wanted), over=_unready)
    yield _Figure("load", figure(lambda found: fmt.rate(found.rps)))
    yield _Figure("p50", figure(lambda found: fmt.quantile(quantile_of(found, Measure.P50))))
    yield _Figure(
        "p95",
        figure(lambda found: fmt.quantile(p95_of(found), slo.p95_s)),
        f"{fmt.latency(slo.p95_s)}" if slo.p95_s is not None else "",
        slow,
    )
    yield _Figure("p99", figure(lambda found: fmt.quantile(quantile_of(found, Measure.P99))))
    yield _Figure("mean", figure(lambda found: "" if found.mean is None else fmt.latency(found.mean)))
    yield _Figure(
        "errors",
        figure(lambda found: fmt.ratio(found.error_ratio)),
        fmt.ratio(slo.error_ratio) if slo.error_ratio is not None else "",
        beyond(lambda found: found.error_ratio, slo.error_ratio),
    )
    yield _Figure("requests", figure(lambda found: fmt.count(found.samples)), f"n {slo.min_samples}")
    yield _Figure("drift", _drift, f"{slo.drift:g}", lambda view: any(score.crossed for score in view.drift))


def _image(view: VariantView) -> str:
    """The digest that runs, with "moved" if its tag names another digest now."""
    told = image_finding(view)
    return "" if told is None else f"{told.short.removeprefix('sha256:')}{' moved' if told.moved else ''}"


def image_words(selected: EndpointView, look: Look, width: int) -> list[Text]:
    """Lines on images whose tag has moved, or that their registry does not have."""
    lines: list[Text] = []
    for view in selected.variants:
        told = image_finding(view)
        if told is None or view.image is None or (told.moved is not True and view.image.digest is not None):
            continue
        name, style = ("warning", "warning") if told.moved else ("nodata", "nodata")
        label = look.text(
            (f"{getattr(look.symbols, name)} ", style), (view.name, look.role(view.variant.role)), " image "
        )
        lines += hang(label, look.text((told.words, "text")), width, label.cell_len + 1)
    return lines


def _percent(value: float | None) -> str:
    return "" if value is None else f"{fmt.share(value)} %"


def _quality(view: VariantView, metric: str) -> str:
    value = view.version.metrics.get(metric) if view.version is not None else None
    return "" if value is None else endless(value) or f"{value:.3f}"


def _unready(view: VariantView) -> bool:
    variant = view.variant
    return variant.ready is not None and variant.wanted is not None and variant.ready < variant.wanted


def _drift(view: VariantView) -> str:
    worst = worst_of(view.drift)
    return f"{worst.feature} {worst.value:.2f}" if worst is not None and worst.value is not None else ""


# ── against stable ──────────────────────────────────────────────────────────────────────────────────────────────


def against(one: VariantView, stable: VariantView, selected: EndpointView, look: Look, width: int) -> list[Text]:
    """The difference between a variant and stable: "p95 +61 %, p < 0.001 · errors +2.1 points, p < 0.001 · n 4,812
    against 43,100". Empty for a variant without requests."""
    found = seen(one)
    if found is None or found.samples == 0:
        return []
    result = compare(stable.metrics, found)
    few = min(result.samples_canary, result.samples_stable) < selected.slo.min_samples
    name, style = ("nodata", "nodata") if few else ("warning", "warning") if worse(result) else ("ok", "ok")
    label = look.text(
        (f"{getattr(look.symbols, name)} ", style),
        (one.name, look.role(one.variant.role)),
        (f" against {stable.name}", "muted"),
    )
    words = [*difference_words(result), samples_words(result)]
    if few:
        words.append(f"too few to tell, {fmt.count(selected.slo.min_samples)} are wanted")
    pieces = [look.text((word, "muted" if few else "text")) for word in words]
    return flow(label, pieces, look.text((f" {look.symbols.dot} ", "muted")), width, label.cell_len + 2)


def worse(result: Comparison) -> bool:
    """Whether the variant is worse by a difference that is large enough and significant, as in verdicts and checks."""
    delta = result.errors.delta
    return result.slower(SIGNIFICANCE) is True or (
        delta is not None and delta > WORSE_ERRORS and result.errors.significant(SIGNIFICANCE)
    )


def difference_words(result: Comparison) -> list[str]:
    """Each measure's difference with its significance."""
    words = []
    if result.p95_ratio is not None:
        words.append(f"p95 {fmt.signed_percent(result.p95_ratio - 1)}{chance(result.p95.p_value)}")
    elif result.p95_stable is not None and result.p95_canary is not None:
        words.append(f"p95 {result.p95_canary.range_words} against {result.p95_stable.range_words}")
        if result.slow is not None:
            words.append(f"{result.slow.words}{chance(result.slow.p_value)}")
    if result.errors.delta is not None:
        words.append(f"errors {result.errors.delta * 100:+.1f} points{chance(result.errors.p_value)}")
    return words


def chance(p_value: float | None) -> str:
    """The p-value of a difference: ", p < 0.001", ", p 0.34", or "" if it is not known."""
    if p_value is None:
        return ""
    return ", p < 0.001" if p_value < 0.001 else f", p {p_value:.3f}" if p_value < 0.01 else f", p {p_value:.2f}"


def samples_words(result: Comparison) -> str:
    """The numbers of requests that were compared."""
    return f"n {fmt.count(result.samples_canary)} against {fmt.count(result.samples_stable)}"
