"""Verdicts on endpoints with their reasons. Pure: from facts to a level.

"No data" is a verdict of its own and is never green. A breach of an objective is critical, whatever the other facts
are, unless so few requests were seen that the breach may be chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backends.contracts import AlertState, Direction, Gap, Phase, Role
from shiftdeck.common.durations import age
from shiftdeck.common.numbers import known
from shiftdeck.config.loader import Slo
from shiftdeck.health.drift import Extent, figure, findings, gaps
from shiftdeck.health.latency import p95_of, seconds
from shiftdeck.health.statistics import by_chance, compare
from shiftdeck.health.verdict import READ_AGO, Level, Reason, Verdict

if TYPE_CHECKING:
    from backends.contracts import Alert, DriftScore, Endpoint, Gpu, Variant, VariantMetrics

SIGNIFICANCE = 0.01
"""A canary is worse than stable when chance alone would show such a difference in fewer than one of 100 cases."""

WORSE_ERRORS = 0.005
"""The difference must matter as well: half a percentage point more errors (``statistics`` has that of latencies)."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is known of one endpoint.

    ``metrics`` are by variant name (live requests, not mirrored ones). ``metrics_fault`` says why the metrics cannot be
    trusted now ("gateway unreachable"), ``endpoint_fault`` why the endpoint's own state cannot; ``None``: it can.
    ``unknown`` says the same of the other sources that the verdict rests on. ``kept`` is when an alerts source that
    does not answer last did, by its name: its alerts are old.
    """

    endpoint: Endpoint
    metrics: dict[str, VariantMetrics]
    drift: tuple[DriftScore, ...]
    alerts: tuple[Alert, ...]
    gpus: tuple[Gpu, ...]
    slo: Slo
    has_metrics: bool = True
    metrics_fault: Reason | None = None
    endpoint_fault: Reason | None = None
    unknown: tuple[Reason, ...] = ()
    kept: Mapping[str, float] = field(default_factory=dict)


def is_live(variant: Variant) -> bool:
    """Whether callers may get this variant's answers, now or as soon as the control plane has caught up.

    Where the system reports no weights they may, unless it reports the variant as idle.
    """
    if variant.role is Role.SHADOW:
        return False
    desired, observed = variant.desired, variant.observed
    if desired is None and observed is None:
        return variant.role is not Role.IDLE
    return bool((desired and desired > 0) or (observed and observed > 0))


def judge(facts: Facts) -> Verdict:
    """The verdict on one endpoint."""
    reasons = sorted(_reasons(facts), key=lambda reason: reason.level.rank)
    return Verdict(reasons[0].level if reasons else Level.OK, tuple(reasons))


def _reasons(facts: Facts) -> Iterator[Reason]:
    if facts.endpoint_fault is not None:
        yield facts.endpoint_fault
    live = [variant for variant in facts.endpoint.variants if is_live(variant)]
    yield from _control_plane(facts.endpoint, live)
    if not live:
        yield Reason(Level.NO_DATA, "no variant gets traffic")
    if not facts.has_metrics:
        yield Reason(Level.NO_DATA, "no metrics source")
    elif facts.metrics_fault is not None:
        yield facts.metrics_fault
    for variant in live if facts.has_metrics else ():
        metrics = facts.metrics.get(variant.name)
        if facts.metrics_fault is None:
            yield from _missing(variant, metrics, facts.slo)
        # A breach in the last data stays a breach while newer data is missing.
        if metrics is not None and metrics.samples >= facts.slo.min_samples:
            yield from _breaches(variant, metrics, facts.slo)
    if facts.metrics_fault is None:
        yield from _against_stable(facts.endpoint, live, facts)
    yield from facts.unknown
    # A lost GPU stands before a drift score: of the reasons of one level, a table shows the first.
    for gpu in facts.gpus:
        if gpu.fault:
            yield Reason(Level.WARNING, f"gpu {gpu.node}/{gpu.index}: {gpu.fault}")
    yield from _alerted(facts.alerts, facts.kept)
    yield from _drifted(facts.drift)


def _control_plane(endpoint: Endpoint, live: Iterable[Variant]) -> Iterator[Reason]:
    if endpoint.phase is Phase.FAILED:
        yield Reason(Level.CRITICAL, endpoint.message or "failed")
    elif endpoint.phase is Phase.DEGRADED:
        yield Reason(Level.WARNING, endpoint.message or "degraded")
    for variant in live:
        if variant.ready is None or variant.wanted is None:
            continue
        if variant.ready == 0 and _others_serve(endpoint, variant):
            yield Reason(Level.WARNING, f"{variant.name} has no ready replica yet", variant.name)
        elif variant.ready == 0:
            yield Reason(Level.CRITICAL, f"{variant.name} has no ready replica", variant.name)
        elif variant.ready < variant.wanted:
            yield Reason(Level.WARNING, f"{variant.name} {variant.ready}/{variant.wanted} ready", variant.name)


def _others_serve(endpoint: Endpoint, starting: Variant) -> bool:
    """Whether a variant that starts gets no requests yet, because others with ready replicas answer all of them. Once
    the control plane gives up on it, the endpoint is degraded instead."""
    if endpoint.phase is not Phase.PROGRESSING or starting.observed != 0:
        return False
    return any(one.ready and one.observed for one in endpoint.variants if one is not starting)


def _missing(variant: Variant, metrics: VariantMetrics | None, slo: Slo) -> Iterator[Reason]:
    """Facts that a verdict needs and that are not known."""
    if metrics is None or metrics.samples == 0:
        if variant.observed != 0:
            yield Reason(Level.NO_DATA, f"{variant.name} no requests seen", variant.name)
    elif metrics.samples < slo.min_samples:
        yield Reason(Level.NO_DATA, f"{variant.name} n {metrics.samples} of {slo.min_samples}", variant.name)
    else:
        if slo.error_ratio is not None and known(metrics.error_ratio) is None:
            yield Reason(Level.NO_DATA, f"{variant.name} errors not measured", variant.name)
        if slo.p95_s is not None:
            p95 = p95_of(metrics)
            if p95 is None:
                yield Reason(Level.NO_DATA, f"{variant.name} p95 not measured", variant.name)
            elif p95.exceeds(slo.p95_s) is None:
                text = f"{variant.name} p95 {p95.words(slo.p95_s)}, objective {seconds(slo.p95_s)}"
                yield Reason(Level.NO_DATA, text, variant.name)


def _breaches(variant: Variant, metrics: VariantMetrics, slo: Slo) -> Iterator[Reason]:
    errors, limit = known(metrics.error_ratio), slo.error_ratio
    if limit is not None and errors is not None and errors > limit:
        text = f"{variant.name} errors {errors * 100:.1f} % > {limit * 100:.1f} %"
        # One error in forty requests exceeds 1 % and may be chance.
        count = round(errors * metrics.samples)
        if 0.0 < limit < 1.0 and by_chance(count, metrics.samples, limit) >= SIGNIFICANCE:
            yield Reason(Level.WARNING, f"{text}, {count} of {metrics.samples} may be chance", variant.name)
        else:
            yield Reason(Level.CRITICAL, text, variant.name)
    p95, bound = p95_of(metrics), slo.p95_s
    if bound is not None and p95 is not None and p95.exceeds(bound):
        yield Reason(Level.CRITICAL, f"{variant.name} p95 {p95.words(bound)} > {seconds(bound)}", variant.name)


def _against_stable(endpoint: Endpoint, live: Iterable[Variant], facts: Facts) -> Iterator[Reason]:
    canaries = [variant for variant in live if variant.role is Role.CANARY]
    stable = endpoint.in_role(Role.STABLE) if canaries else None
    if stable is None:
        return
    for canary in canaries:
        difference = compare(facts.metrics.get(stable.name), facts.metrics.get(canary.name))
        if min(difference.samples_canary, difference.samples_stable) < facts.slo.min_samples:
            continue
        delta, ratio = difference.errors.delta, difference.p95_ratio
        if delta is not None and delta > WORSE_ERRORS and difference.errors.significant(SIGNIFICANCE):
            yield Reason(
                Level.WARNING, f"{canary.name} errors {delta * 100:+.1f} points against {stable.name}", canary.name
            )
        if difference.slower(SIGNIFICANCE) and (ratio is not None or difference.slow is not None):
            words = f"p95 {(ratio - 1) * 100:+.0f} % against {stable.name}" if ratio is not None else ""
            if difference.slow is not None and not words:
                words = f"{difference.slow.words} of {stable.name}"
            yield Reason(Level.WARNING, f"{canary.name} {words}", canary.name)


def _drifted(scores: Iterable[DriftScore]) -> Iterator[Reason]:
    known = tuple(scores)
    for finding in findings(known):
        worst = finding.worst
        # A change that every variant sees is not caused by a variant.
        variant = "" if finding.extent is Extent.ALL else worst.subject.variant
        if worst.delay_s is not None:
            sign = ">" if worst.direction is Direction.ABOVE else "<"
            text = f"{worst.feature} {figure(worst)} {sign} {worst.threshold:g}, truth {age(worst.delay_s)} old"
            yield Reason(Level.WARNING, text, variant)
        else:
            yield Reason(Level.WARNING, f"drift {finding.feature} {figure(worst)}", variant)
    # A scorer that stopped makes the verdict "no data". Too few samples do not: they are usual for a small canary.
    dead = [score for score in gaps(known) if score.gap is Gap.DEAD]
    if dead:
        yield Reason(Level.NO_DATA, f"drift {dead[0].feature}: {dead[0].note}", dead[0].subject.variant)


def _alerted(alerts: Iterable[Alert], kept: Mapping[str, float]) -> Iterator[Reason]:
    for alert in alerts:
        if alert.state is AlertState.FIRING:
            variant = alert.subject.variant if alert.subject else ""
            level = Level.CRITICAL if is_page(alert) else Level.WARNING
            yield Reason(level, f"alert {alert.name}", variant, kept.get(alert.source), READ_AGO)


def is_page(alert: Alert) -> bool:
    """Whether somebody has to act on that alert at once."""
    return alert.severity in ("critical", "page", "error")
