"""One measure over time, from Prometheus."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from backends.contracts import EMPTY, Measure, Series, Subject
from backends.errors import Rejected
from backends.metrics import promql
from backends.metrics.answers import Points, bound_of, buckets
from backends.metrics.fleet_queries import QUANTILES, counter_query, latency_query
from backends.metrics.preset import Preset, finite, suffixed
from backends.metrics.prometheus_client import Queries
from backends.metrics.quantiles import capped

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


@dataclass(frozen=True, slots=True)
class Course:
    """The values of a measure by the number of the step; those of ``least`` are lower bounds only."""

    values: Values = field(default_factory=dict)
    least: frozenset[int] = frozenset()


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
    found = Course()
    for preset in presets:
        found = _History(queries, preset, asked, first, last).course()
        if found.values:
            break
    points = tuple((number * step, found.values.get(number)) for number in range(first, last + 1))
    return Series(asked.subject, asked.measure, points, frozenset(number * step for number in found.least))


@dataclass(frozen=True, slots=True)
class _History:
    """One request to one preset, for the steps from ``first`` to ``last``."""

    queries: Queries
    preset: Preset
    asked: Asked
    first: int
    last: int

    def course(self) -> Course:
        matchers = promql.about(self.preset, self.asked.subject)
        if matchers is None:
            return Course()
        if self.asked.measure not in QUANTILES:
            return Course(self._requests(matchers))
        if self.preset.latency.histogram:
            return self._quantiles(matchers)
        return Course(self._summary(matchers)) if self.preset.latency.summary else Course()

    def _requests(self, matchers: list[tuple[str, str, str]]) -> Values:
        preset, errors = self.preset, self.asked.measure is Measure.ERRORS
        if errors and not preset.tells_errors:
            return {}
        total: dict[bool, Values] = {}
        bad: dict[bool, Values] = {}
        for names in (*preset.requests, *preset.failures):
            for series, mirrored in self._ask(counter_query(preset, names, self.asked.span_s, matchers)):
                _add(total.setdefault(mirrored, {}), self._numbered(series))
                code = series.labels.get(preset.code, "")
                if names in preset.failures or preset.is_error(code):
                    _add(bad.setdefault(mirrored, {}), self._numbered(series))
        counted = total.get(False) or total.get(True) or {}
        if not errors:
            return {number: value / self.asked.span_s for number, value in counted.items()}
        failed = bad.get(False not in total or not total[False], {})
        return {number: failed.get(number, 0.0) / value for number, value in counted.items() if value > 0}

    def _quantiles(self, matchers: list[tuple[str, str, str]]) -> Course:
        """From the buckets: ``histogram_quantile`` would give the highest bound for what lies beyond it."""
        preset, q = self.preset, QUANTILES[self.asked.measure]
        names = suffixed(preset.latency.histogram, "_bucket")
        query = latency_query(preset, names, self.asked.span_s, "le", matchers=matchers)
        upto: dict[bool, dict[int, dict[float, float]]] = {}
        for series, mirrored in self._ask(query):
            bound = bound_of(series.labels, self.queries.where, self.queries.dropped)
            if bound is None:
                continue
            for number, value in self._numbered(series).items():
                of_step = upto.setdefault(mirrored, {}).setdefault(number, {})
                of_step[bound] = of_step.get(bound, 0.0) + value
        values: Values = {}
        least: set[int] = set()
        for number, counts in (upto.get(False) or upto.get(True) or {}).items():
            if math.inf not in counts:  # the scraping of the target has only just begun
                continue
            latency = buckets(counts, EMPTY, preset.latency.unit, self.queries.where, self.queries.dropped)
            found, bounded = capped(q, latency.bounds, latency.counts) if latency is not None else (None, False)
            if found is not None:
                values[number] = found
                least.update([number] if bounded else [])
        return Course(values, frozenset(least))

    def _summary(self, matchers: list[tuple[str, str, str]]) -> Values:
        """The highest of the replicas' quantiles."""
        preset, latency, q = self.preset, self.preset.latency, QUANTILES[self.asked.measure]
        exact = ("quantile", "=", f"{q:g}")
        series = promql.selector(latency.summary, [*promql.where(latency.where), *matchers, exact])
        by_mirrored: dict[bool, Values] = {}
        for found, mirrored in self._ask(promql.by(preset, "max", series)):
            into = by_mirrored.setdefault(mirrored, {})
            for number, value in self._numbered(found).items():
                into[number] = max(value * latency.unit, into.get(number, 0.0))
        return by_mirrored.get(False) or by_mirrored.get(True) or {}

    def _ask(self, query: str) -> Iterator[tuple[Points, bool]]:
        """The series about the subject, and whether their requests are mirrored."""
        step, whose = self.asked.step_s, promql.Owners(self.preset)
        for series in self.queries.matrix(query, self.first * step, self.last * step, step):
            subject, mirrored = whose(series.labels)
            if promql.matches(subject, self.asked.subject):
                yield series, mirrored

    def _numbered(self, series: Points) -> Values:
        found = ((round(at / self.asked.step_s), finite(value)) for at, value in series.points)
        return {number: value for number, value in found if value is not None}


def _add(into: Values, more: Values) -> None:
    for number, value in more.items():
        into[number] = into.get(number, 0.0) + value
