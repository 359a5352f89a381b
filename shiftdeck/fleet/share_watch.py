"""Watches measured shares: one that stays off what is asked for, by more than the tolerance and by more than chance, is
a reason of its endpoint. How long it has been off is kept here, since no single answer tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from backends.contracts import EndpointRef, Role, Variant
from shiftdeck.common.clock import Clock
from shiftdeck.config.loader import ContextConfig
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.fleet.view import FleetView
from shiftdeck.health.statistics import by_chance
from shiftdeck.health.verdict import LASTING, Level, Reason, Verdict

MEASURED_TOLERANCE = 5.0
"""Percentage points by which a measured share may differ from the desired one, because it is a sample."""

CHANCE = 0.001
"""It is looked at again and again, so a difference counts only if chance alone would rarely show it."""

LEAST_S = 30.0
"""A share that is off for less than this, or for less than ``WINDOWS`` share windows, is on its way."""

WINDOWS = 1.5

Asked = tuple[tuple[str, float | None], ...]


@dataclass(frozen=True, slots=True)
class _Off:
    """An endpoint whose measured share is off ``asked``, since a moment of elapsed time."""

    asked: Asked
    since: float


class ShareWatch:
    """Adds the reasons to the views of one context's fleet, in the order in which they are made."""

    def __init__(self, context: ContextConfig, clock: Clock) -> None:
        self._context = context
        self._clock = clock
        self._off: Mapping[EndpointRef, _Off] = {}
        self._extended: dict[EndpointRef, tuple[EndpointView, Reason, EndpointView]] = {}

    def extended(self, fleet: FleetView) -> FleetView:
        """The fleet with a reason at each endpoint whose measured share stays off. The same object if there is none."""
        now = self._clock.elapsed()
        found: dict[EndpointRef, _Off] = {}
        told: dict[EndpointRef, tuple[EndpointView, Reason, EndpointView]] = {}
        for view in fleet.endpoints:
            worst = worst_off(view)
            if worst is None:
                continue
            asked = tuple((one.variant.name, one.variant.desired) for one in view.variants)
            known = self._off.get(view.ref)
            found[view.ref] = off = known if known is not None and known.asked == asked else _Off(asked, now)
            if now - off.since >= self._patience_s(view):
                text = f"{worst.name} asked {worst.desired:.3g} %, measured {worst.measured:.3g} %"
                reason = Reason(Level.WARNING, text, worst.name, self._clock.dated(off.since), LASTING)
                told[view.ref] = self._with_reason(view, reason)
        self._off, self._extended = found, told
        if not told:
            return fleet
        views = [told[view.ref][2] if view.ref in told else view for view in fleet.endpoints]
        return replace(fleet, endpoints=tuple(sorted(views, key=lambda view: view.verdict.level.rank)))

    def _patience_s(self, view: EndpointView) -> float:
        source = view.metrics_source
        config = self._context.source("metrics", source.name) if source is not None else None
        return max(LEAST_S, WINDOWS * config.share_window_s + config.every_s) if config is not None else LEAST_S

    def _with_reason(self, view: EndpointView, reason: Reason) -> tuple[EndpointView, Reason, EndpointView]:
        last = self._extended.get(view.ref)
        if last is not None and last[0] is view and last[1] == reason:
            return last
        reasons = tuple(sorted((*view.verdict.reasons, reason), key=lambda one: one.level.rank))
        return view, reason, replace(view, verdict=Verdict(reasons[0].level, reasons, stalled=True))


def worst_off(view: EndpointView) -> Variant | None:
    """The variant whose measured share is furthest off what is asked for, if one is; of two equally far, the one that
    is not stable. Nothing is said of old data."""
    if view.metrics_source is None or not view.metrics_source.fresh or not view.source.fresh:
        return None
    off = [one.variant for one in view.variants if is_off(one.variant, view.share_samples)]
    return max(off, key=lambda one: (round(_points(one), 6), one.role is not Role.STABLE), default=None)


def is_off(variant: Variant, samples: int) -> bool:
    """Whether a measured share, out of so many requests, is off by more than the tolerance and by more than chance."""
    asked, share = variant.desired, variant.measured
    if variant.role is Role.SHADOW or asked is None or share is None or _points(variant) <= MEASURED_TOLERANCE:
        return False
    if not 0.0 < asked < 100.0:
        return samples > 0
    hits = round(share / 100.0 * samples)
    more = share > asked
    return by_chance(hits if more else samples - hits, samples, (asked if more else 100.0 - asked) / 100.0) < CHANCE


def _points(variant: Variant) -> float:
    return abs((variant.measured or 0.0) - (variant.desired or 0.0))
