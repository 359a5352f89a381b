"""Past values of gauges and histograms from Prometheus, by one range query each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from backends.contracts import Histogram, Sample
from backends.dropped import Dropped
from backends.errors import Rejected
from backends.metrics import promql
from backends.metrics.answers import Points, bound_of, buckets
from backends.metrics.prometheus_client import Queries
from backends.metrics.prometheus_history import MAX_POINTS

Labels = tuple[str, ...]


def past_samples(
    queries: Queries, name: str, where: Mapping[str, str], window_s: float, step_s: float, now: float
) -> Mapping[float, tuple[Sample, ...]]:
    """The values of a gauge by time."""
    found: dict[float, list[Sample]] = {}
    for series in _asked(queries, promql.selector(name, _matchers(where)), window_s, step_s, now):
        labels = {key: value for key, value in series.labels.items() if key != "__name__"}
        for at, value in series.points:
            found.setdefault(at, []).append(Sample(labels, value))
    return {at: tuple(found[at]) for at in sorted(found)}


def past_histograms(
    queries: Queries,
    name: str,
    over_s: float,
    by: Labels,
    where: Mapping[str, str],
    window_s: float,
    step_s: float,
    now: float,
) -> Mapping[float, tuple[Histogram, ...]]:
    """The counts in the ``over_s`` seconds before each time."""
    series = promql.growth(promql.selector(f"{name}_bucket", _matchers(where)), over_s, new=True)
    query = f"sum by ({','.join(('le', *by))}) ({series})"
    found: dict[float, dict[Labels, dict[float, float]]] = {}
    for one in _asked(queries, query, window_s, step_s, now):
        bound, key = (
            bound_of(one.labels, queries.where, queries.dropped),
            tuple(one.labels.get(label, "") for label in by),
        )
        for at, value in one.points:
            if math.isfinite(value) and bound is not None:
                upto = found.setdefault(at, {}).setdefault(key, {})
                upto[bound] = upto.get(bound, 0.0) + value
    where_it_is = f"{queries.where}: {name}"
    return {at: tuple(histograms_of(found[at], by, where_it_is, queries.dropped)) for at in sorted(found)}


def histograms_of(
    groups: Mapping[Labels, Mapping[float, float]], by: Labels, where: str, dropped: Dropped
) -> Iterator[Histogram]:
    """Histograms from cumulative counts by the values of the labels ``by``, and by bound."""
    for values, upto in sorted(groups.items()):
        labels = {label: value for label, value in zip(by, values, strict=True) if value}
        made = buckets(upto, labels, 1.0, where, dropped)
        if made is not None:
            yield made


def _matchers(where: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [(label, "=", value) for label, value in where.items()]


def _asked(queries: Queries, query: str, window_s: float, step_s: float, now: float) -> tuple[Points, ...]:
    """A range query in steps that end at multiples of ``step_s``, so that consecutive queries use the same times."""
    if step_s <= 0 or window_s / step_s > MAX_POINTS:
        raise Rejected(f"a history of {window_s:g} s in steps of {step_s:g} s has too many points")
    until = math.floor(now / step_s) * step_s
    return queries.matrix(query, until - math.floor(window_s / step_s) * step_s, until, step_s)
