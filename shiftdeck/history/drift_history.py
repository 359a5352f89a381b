"""What the drift scores of the endpoint in focus were before this program was started, from where that is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from backends.contracts import Adapter, DriftScore, EndpointRef, Past, Recalls, ScoreKey
from backends.errors import BackendError
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.fleet.view import FleetView

WINDOW_S = 6 * 3600.0
"""How far back is looked at least: longer than a shift's first half, so that what crossed before it began is seen."""

POINTS = 96
AGAIN_S = 300.0
"""What comes later is remembered by whoever scores it: the past need not be asked for again for so long."""

RETRY_S = 30.0


@dataclass(frozen=True, slots=True)
class Recalled:
    """What the scores of the endpoint in focus were in the last ``window_s`` seconds: ``points`` by score, of those
    ``asked`` for; ``lacking`` says why there is nothing from a drift source, by its name."""

    ref: EndpointRef
    window_s: float
    at: float
    asked: frozenset[ScoreKey] = frozenset()
    points: Mapping[ScoreKey, Past] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)


class Recall:
    """Thread-safe: what is kept is replaced as a whole."""

    def __init__(self, adapters: Callable[[], Mapping[str, Adapter]], clock: Callable[[], float]) -> None:
        self._adapters = adapters
        self._clock = clock
        self._last: Recalled | None = None
        self._joined: tuple[EndpointView, Recalled, EndpointView] | None = None

    def read(self, view: EndpointView | None, window_s: float) -> Recalled | None:
        """The past of all scores of an endpoint: a query for each source of scores and each of its measures. What was
        read lately is not read again."""
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
        self._last = Recalled(view.ref, window_s, now, asked, points, lacking)
        return self._last

    def into(self, fleet: FleetView, recalled: Recalled | None) -> FleetView:
        """The fleet with the histories of that endpoint's scores begun as long ago as they are known."""
        selected = fleet.endpoint(recalled.ref) if recalled is not None else None
        if recalled is None or selected is None:
            return fleet
        joined = self._joined
        if joined is None or joined[0] is not selected or joined[1] is not recalled:
            whole = tuple(with_past(score, recalled.points.get(score.key, ())) for score in selected.drift)
            by_old = {id(old): new for old, new in zip(selected.drift, whole, strict=True)}
            variants = tuple(
                replace(one, drift=tuple(by_old.get(id(score), score) for score in one.drift))
                for one in selected.variants
            )
            self._joined = joined = selected, recalled, replace(selected, drift=whole, variants=variants)
        endpoints = tuple(joined[2] if one is selected else one for one in fleet.endpoints)
        return replace(fleet, endpoints=endpoints)


def _covers(last: Recalled, view: EndpointView, window_s: float, now: float) -> bool:
    fresh_s = RETRY_S if last.lacking else AGAIN_S
    if not last.asked.issuperset(score.key for score in view.drift):
        return False  # a source has begun to tell, or another version is served
    return (last.ref, last.window_s) == (view.ref, window_s) and now - last.at < fresh_s


def with_past(score: DriftScore, past: Past) -> DriftScore:
    """The score with what came before its own history put in front of it."""
    if score.value is None or not past:
        return score
    times, values = (score.times, score.history) if score.times else ((score.at,), (score.value,))
    older = [point for point in past if point[0] < times[0]]
    return replace(score, times=(*(at for at, _ in older), *times), history=(*(value for _, value in older), *values))
