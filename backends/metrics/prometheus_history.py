"""One measure over time, from Prometheus."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from backends.contracts import Measure, Series, Subject
from backends.errors import Rejected
from backends.metrics import promql
from backends.metrics.answers import Points
from backends.metrics.fleet_queries import QUANTILES, counter_query, latency_query, suffixed
from backends.metrics.preset import Preset, finite
from backends.metrics.prometheus_client import Queries

MAX_POINTS = 11_000  # the server's own limit

Values = dict[int, float]  # by the number of the step


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for one measure over time. Each point covers ``span_s`` seconds."""

    subject: Subject
    measure: Measure
    window_s: float
    step_s: float
    span_s: float


def history(queries: Queries, presets: Sequence[Preset], asked: Asked, now: float) -> Series:
    """The measure from the first preset that has values of it. A step without a value is ``None``.

    Raises:
        Rejected: more than 11,000 points.
    """
    step = asked.step_s
    if step <= 0 or asked.window_s / step > MAX_POINTS:
        raise Rejected(f"a history of {asked.window_s:g} s in steps of {step:g} s has too many points")
    last = math.floor(now / step)
    first = last - max(1, math.ceil(asked.window_s / step)) + 1
    found: Values = {}
    for preset in presets:
        found = _History(queries, preset, asked, first, last).values()
        if found:
            break
    points = tuple((number * step, found.get(number)) for number in range(first, last + 1))
    return Series(asked.subject, asked.measure, points)


@dataclass(frozen=True, slots=True)
class _History:
    """One request to one preset, for the steps from ``first`` to ``last``."""

    queries: Queries
    preset: Preset
    asked: Asked
    first: int
    last: int

    def values(self) -> Values:
        matchers = promql.about(self.preset, self.asked.subject)
        if matchers is None:
            return {}
        if self.asked.measure in QUANTILES:
            return self._latency(matchers)
        return self._requests(matchers)

    def _requests(self, matchers: list[tuple[str, str, str]]) -> Values:
        preset, errors = self.preset, self.asked.measure is Measure.ERRORS
        if errors and not preset.tells_errors:
            return {}
        whose = promql.Owners(preset)
        total: dict[bool, Values] = {}
        bad: dict[bool, Values] = {}
        for names in (*preset.requests, *preset.failures):
            for series in self._ask(counter_query(preset, names, self.asked.span_s, matchers)):
                mirrored = whose(series.labels)[1]
                _add(total.setdefault(mirrored, {}), self._numbered(series))
                code = series.labels.get(preset.code, "")
                if names in preset.failures or preset.is_error(code):
                    _add(bad.setdefault(mirrored, {}), self._numbered(series))
        counted = total.get(False) or total.get(True) or {}
        if not errors:
            return {number: value / self.asked.span_s for number, value in counted.items()}
        failed = bad.get(False not in total or not total[False], {})
        return {number: failed.get(number, 0.0) / value for number, value in counted.items() if value > 0}

    def _latency(self, matchers: list[tuple[str, str, str]]) -> Values:
        latency, q = self.preset.latency, QUANTILES[self.asked.measure]
        whose = promql.Owners(self.preset)
        by_mirrored: dict[bool, Values] = {}
        for series in self._ask(self._quantile_query(q, matchers)) if latency.histogram or latency.summary else ():
            into = by_mirrored.setdefault(whose(series.labels)[1], {})
            for number, value in self._numbered(series).items():
                into[number] = max(value * latency.unit, into.get(number, 0.0))
        return by_mirrored.get(False) or by_mirrored.get(True) or {}

    def _quantile_query(self, q: float, matchers: list[tuple[str, str, str]]) -> str:
        """The query over all variants of the subject, with mirrored requests separate."""
        preset, latency = self.preset, self.preset.latency
        mirrored = preset.rule("mirrored").label
        if latency.histogram:
            names = suffixed(latency.histogram, "_bucket")
            summed = latency_query(preset, names, self.asked.span_s, "le", matchers=matchers)
            return f"histogram_quantile({q:g},sum by ({_labels('le', mirrored)}) ({summed}))"
        exact = ("quantile", "=", f"{q:g}")
        series = promql.selector(latency.summary, [*promql.where(latency.where), *matchers, exact])
        return f"max by ({_labels(mirrored)}) ({series})"

    def _ask(self, query: str) -> tuple[Points, ...]:
        step = self.asked.step_s
        return self.queries.matrix(query, self.first * step, self.last * step, step)

    def _numbered(self, series: Points) -> Values:
        found = ((round(at / self.asked.step_s), finite(value)) for at, value in series.points)
        return {number: value for number, value in found if value is not None}


def _labels(*names: str) -> str:
    return ",".join(name for name in names if name)


def _add(into: Values, more: Values) -> None:
    for number, value in more.items():
        into[number] = into.get(number, 0.0) + value
