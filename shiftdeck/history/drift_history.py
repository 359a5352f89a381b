"""The drift scores of the endpoint in focus from before the start of this program, read from the sources that keep
them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from backends.contracts import Adapter, DriftScore, EndpointRef, Past, Recalls, ScoreKey
from backends.errors import BackendError
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.fleet.view import FleetView

WINDOW_S = 6 * 3600.0
"""The least window that is read: longer than half a shift, so that it shows a threshold crossed before the shift."""

POINTS = 96
AGAIN_S = 300.0
"""A history is read again after this time. Its source of scores remembers the newer points itself."""

RETRY_S = 30.0
"""A history that some source failed to give is read again after this time."""


@dataclass(frozen=True, slots=True)
class DriftHistory:
    """The scores of one endpoint over the last ``window_s`` seconds. ``points`` are by score. ``asked`` are the scores
    whose points were asked for. ``lacking`` says why a drift source gave no points, by source name."""

    ref: EndpointRef
    window_s: float
    at: float
    asked: frozenset[ScoreKey] = frozenset()
    points: Mapping[ScoreKey, Past] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)


class DriftHistoryReader:
    """Reads drift histories and puts them into fleets. ``adapters`` returns the drift adapters by source name.
    Thread-safe: what is kept is replaced as a whole."""

    def __init__(self, adapters: Callable[[], Mapping[str, Adapter]], clock: Callable[[], float]) -> None:
        self._adapters = adapters
        self._clock = clock
        self._last: DriftHistory | None = None
        self._extended: tuple[EndpointView, DriftHistory, EndpointView] | None = None
        """The endpoint, its history, and the endpoint with that history."""

    def read(self, view: EndpointView | None, window_s: float) -> DriftHistory | None:
        """The history of all scores of an endpoint: one query for each source of scores and each of its measures. A
        history that was read recently is not read again."""
        if view is None or not view.drift:
            return None
        window_s = max(window_s, WINDOW_S)
        last, now = self._last, self._clock()
        if last is not None and _covers(last, view, window_s, now):
            return last
        points: dict[ScoreKey, Past] = {}
        lacking: dict[str, str] = {}
        for name, adapter in self._adapters().items():
            if not isinstance(adapter, Recalls):
                continue
            try:
                points |= cast("Recalls", adapter).past(view.drift, window_s, window_s / POINTS)
            except BackendError as error:
                lacking[name] = error.message
        asked = frozenset(score.key for score in view.drift)
        self._last = DriftHistory(view.ref, window_s, now, asked, points, lacking)
        return self._last

    def extended(self, fleet: FleetView, history: DriftHistory | None) -> FleetView:
        """The fleet with the points of that history put in front of the scores of its endpoint."""
        selected = fleet.endpoint(history.ref) if history is not None else None
        if history is None or selected is None:
            return fleet
        known = self._extended
        if known is None or known[0] is not selected or known[1] is not history:
            whole = tuple(with_past(score, history.points.get(score.key, ())) for score in selected.drift)
            by_old = {id(old): new for old, new in zip(selected.drift, whole, strict=True)}
            variants = tuple(
                replace(one, drift=tuple(by_old.get(id(score), score) for score in one.drift))
                for one in selected.variants
            )
            self._extended = known = selected, history, replace(selected, drift=whole, variants=variants)
        endpoints = tuple(known[2] if one is selected else one for one in fleet.endpoints)
        return replace(fleet, endpoints=endpoints)


def _covers(last: DriftHistory, view: EndpointView, window_s: float, now: float) -> bool:
    """Whether the last history can stand for a new one."""
    fresh_s = RETRY_S if last.lacking else AGAIN_S
    if not last.asked.issuperset(score.key for score in view.drift):
        return False  # a source has a new score, or another version is served
    return (last.ref, last.window_s) == (view.ref, window_s) and 0 <= now - last.at < fresh_s


def with_past(score: DriftScore, past: Past) -> DriftScore:
    """The score with the points of ``past`` that are older than its own history put in front of that history."""
    if score.value is None or not past:
        return score
    times, values = (score.times, score.history) if score.times else ((score.at,), (score.value,))
    older = [point for point in past if point[0] < times[0]]
    return replace(score, times=(*(at for at, _ in older), *times), history=(*(value for _, value in older), *values))
