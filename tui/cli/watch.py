"""Watches the variants that a change gives more traffic, until enough is known of how they behave."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.contracts import Advance, Change, EndpointRef, Promote, Resume, Retry, Role, Rollback, Split
from shiftdeck.changes.checks import with_copies
from shiftdeck.changes.exposure import is_first_exposure, serves
from shiftdeck.changes.proposal import grows
from shiftdeck.common.clock import seconds_since_boot
from shiftdeck.common.durations import format_duration
from tui.cli.engine_session import metrics_sources, observe, observed_s

if TYPE_CHECKING:
    from shiftdeck.config.loader import ContextConfig
    from shiftdeck.engine.engine import Engine
    from shiftdeck.engine.view import View
    from shiftdeck.fleet.endpoint import EndpointView, VariantView

LONGEST_S = 120.0
"""How long a change forward in production is watched for, unless ``--observe`` says otherwise."""

ELSEWHERE_S = 5.0
"""The same outside production, where unknown behaviour stops nothing."""

TOLD_EVERY_S = 5.0


def rising(view: EndpointView, change: Change) -> tuple[VariantView, ...]:
    """The variants that are not stable and are to get more traffic, as a first exposure or on top of what they get."""
    return tuple(one for one, _ in _rising(view, change))


def _rising(view: EndpointView, change: Change) -> list[tuple[VariantView, float | None]]:
    """Those variants, each with the percent that it is to get; ``None``: only the system knows."""
    match change:
        case Split(weights=weights):
            after = weights
        case Promote(variant=variant):
            after = {variant: 100.0}
        case Rollback(release=release):
            after = next((one.weights for one in view.endpoint.releases if one.id == release), {})
        case Advance() | Resume() | Retry():
            return [(one, None) for one in view.variants if one.variant.role is Role.CANARY]
        case _:
            return []
    others = [(one, after.get(one.name)) for one in view.variants if one.variant.role is not Role.STABLE]
    return [(one, share) for one, share in others if grows(view.endpoint, one.variant, share)]


def awaited(view: EndpointView, change: Change) -> tuple[VariantView, ...]:
    """Those whose behaviour decides and that answer requests, so that waiting helps. A first exposure waits for none.
    With no objective to judge by, stable counts too: then only the comparison with it can tell."""
    found = tuple(
        with_copies(one)
        for one, after in _rising(view, change)
        if not is_first_exposure(view.endpoint, one.variant, after, view.slo.first_step)
        and (serves(view.endpoint, one.variant) or one.variant.mirror or with_copies(one).metrics is not None)
    )
    stable = view.in_role(Role.STABLE)
    alone = view.slo.p95_s is None and view.slo.error_ratio is None
    return (*found, stable) if found and alone and stable is not None else found


def samples_of(one: VariantView) -> int:
    return one.metrics.samples if one.metrics is not None else 0


@dataclass(frozen=True, slots=True)
class Short:
    """A variant with too few requests: its counted and wanted requests, and the requests per second now."""

    name: str
    counted: int
    wanted: int
    rate: float

    @property
    def left_s(self) -> float:
        """Seconds until there are enough, at this traffic; infinite without traffic."""
        return (self.wanted - self.counted) / self.rate if self.rate > 0 else math.inf

    def words(self) -> str:
        at = f"at {self.rate:.2g}/s about {_round(self.left_s)} more" if self.rate > 0 else "no requests counted yet"
        return f"{self.name} has {self.counted} of {self.wanted} requests, {at}"


def short_of(view: View, ref: EndpointRef, change: Change) -> tuple[Short, ...]:
    """The awaited variants of that endpoint that have too few requests."""
    found = view.endpoint(ref)
    if found is None:
        return ()
    wanted = found.slo.min_samples
    return tuple(
        Short(one.name, samples_of(one), wanted, (one.metrics.rps if one.metrics else None) or 0.0)
        for one in awaited(found, change)
        if samples_of(one) < wanted
    )


def limit_words(short: Sequence[Short], limit_s: float, window_s: float) -> str:
    """Why the limit will not do at this traffic, and what would; "": it will, or that is not known."""
    slowest = max(short, key=lambda one: one.left_s)
    if not math.isfinite(slowest.left_s):
        return ""
    if slowest.wanted > slowest.rate * window_s * 1.1:
        held = math.floor(slowest.rate * window_s)
        return (
            f"the window of {format_duration(window_s)} holds about {held} requests of {slowest.name}: "
            "set a longer window or fewer min_samples"
        )
    if slowest.left_s > limit_s:
        return f"that is longer than the limit: --observe {math.ceil(1.2 * slowest.left_s)} watches long enough"
    return ""


def watch(
    engine: Engine,
    view: View,
    ref: EndpointRef,
    change: Change,
    *,
    context: ContextConfig,
    asked_s: float | None,
    say: Callable[[str], None],
) -> View:
    """Watch until there is enough to judge by, at most ``asked_s`` seconds (``None``: the usual limit). What was asked
    for is watched in full."""
    limit_s = asked_s if asked_s is not None else (LONGEST_S if context.production else ELSEWHERE_S)
    if not metrics_sources(view):
        return view

    def enough(view: View) -> bool:
        return not short_of(view, ref, change) and (asked_s is None or observed_s(view) >= asked_s)

    began, told = seconds_since_boot(), False
    while not enough(view):
        left_s = limit_s - (seconds_since_boot() - began)
        if left_s <= 0:
            break
        short = short_of(view, ref, change)
        for line in _lines(short, left_s, _window_s(context, view, ref), first=not told):
            say(line)
        told = True
        view = engine.wait_for(enough, min(left_s, TOLD_EVERY_S)) or engine.view
    return view if enough(view) or not limit_s else observe(engine, 0.0, enough)


def _lines(short: Sequence[Short], left_s: float, window_s: float, *, first: bool) -> list[str]:
    words = "; ".join(one.words() for one in short)
    if not first:
        return [words] if words else []
    head = f"watching for up to {_round(left_s)} so that there is something to judge by"
    warning = limit_words(short, left_s, window_s) if short else ""
    return [f"{head}: {words}" if words else head, *([warning] if warning else [])]


def _window_s(context: ContextConfig, view: View, ref: EndpointRef) -> float:
    found = view.endpoint(ref)
    source = found.metrics_source if found is not None else None
    config = context.source("metrics", source.name) if source is not None else None
    return config.window_s if config is not None else math.inf


def _round(seconds: float) -> str:
    """A duration in whole seconds below two minutes, else in whole minutes."""
    return f"{math.ceil(seconds)} s" if seconds < 120 else f"{math.ceil(seconds / 60)} min"
