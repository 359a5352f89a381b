"""The queries of one preset for the metrics of every variant, and the evaluation of their answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from backends.contracts import EMPTY, Histogram, Measure, Subject, VariantMetrics
from backends.errors import Malformed
from backends.metrics import promql
from backends.metrics.answers import Value, bound_of, buckets
from backends.metrics.preset import Preset, finite
from backends.metrics.prometheus_client import Queries
from backends.metrics.quantiles import quantile

QUANTILES = {Measure.P50: 0.50, Measure.P95: 0.95, Measure.P99: 0.99}

Key = tuple[Subject, bool]  # the subject of the requests, and whether the requests are mirrored
Counts = dict[Key, "Counted"]


@dataclass(slots=True)
class Counted:
    """The sums over one variant's series. ``errors`` is ``None`` if the outcome of some requests is unknown.

    ``upto`` holds cumulative counts by upper bound, and ``quantiles`` the values of a summary. ``time`` is the summed
    time of ``timed`` requests.
    """

    requests: float = 0.0
    errors: float | None = 0.0
    upto: dict[float, float] = field(default_factory=dict)
    quantiles: dict[float, float] = field(default_factory=dict)
    time: float | None = None
    timed: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for one preset. ``quiet`` are variants with requests in the window that no target reports any more."""

    found: tuple[VariantMetrics, ...]
    quiet: tuple[Subject, ...] = ()


def current(queries: Queries, preset: Preset, window_s: float, stale_s: float, *, timed: bool = True) -> Answer:
    """The metrics of every variant over the last ``window_s`` seconds.

    It takes one aggregated query for each counter, the queries for latencies if ``timed``, and one query for the age of
    the newest samples. A variant whose newest sample is older than ``stale_s`` is left out.
    """
    whose = promql.Owners(preset)
    seen = _newest(queries, preset, whose)
    counted: Counts = {}
    _count(queries, preset, window_s, whose, counted)
    alive = {key: at for key, (at, now) in seen.items() if now - at <= stale_s}
    if alive and timed:
        _time(queries, preset, window_s, whose, counted)
    made = [
        _measured(key, counted.get(key), preset, window_s, at, queries.where)
        for key, at in sorted(alive.items())
        if key[0].endpoint
    ]
    quiet = sorted({key[0] for key, one in counted.items() if one.requests and key not in alive and key[0].endpoint})
    return Answer(tuple(made), tuple(quiet))


def merged(answers: Iterable[tuple[VariantMetrics, ...]]) -> tuple[VariantMetrics, ...]:
    """One entry for each variant: the first one, in which later ones fill unknown errors, latencies and means."""
    found: dict[Key, VariantMetrics] = {}
    for one in (one for answer in answers for one in answer):
        key = (one.subject, one.mirrored)
        have = found.get(key)
        found[key] = one if have is None else _filled(have, one)
    return tuple(found[key] for key in sorted(found))


def _filled(have: VariantMetrics, more: VariantMetrics) -> VariantMetrics:
    if have.error_ratio is None:
        have = replace(have, error_ratio=more.error_ratio)
    if have.p95 is None and have.latency is None:
        have = replace(have, p50=more.p50, p95=more.p95, p99=more.p99, latency=more.latency)
    return have if have.mean is not None else replace(have, mean=more.mean)


# ── the queries ─────────────────────────────────────────────────────────────────────────────────────────────────


def newest_query(preset: Preset) -> str:
    """The query for the time at which each variant's requests were last scraped."""
    series = promql.selector(preset.requests[0], promql.where(preset.where))
    return promql.by(preset, "max", f"timestamp({series})")


def counter_query(preset: Preset, names: str, window_s: float, matchers: promql.Matchers = ()) -> str:
    """The query for the increase of a counter of requests."""
    series = promql.selector(names, [*promql.where(preset.where), *matchers])
    return promql.by(preset, "sum", f"increase({series}[{promql.duration(window_s)}])", preset.code)


def latency_query(preset: Preset, names: str, window_s: float, *more: str, matchers: promql.Matchers = ()) -> str:
    """The query for the increase of a histogram's buckets (with ``le`` in ``more``) or of a counter of time."""
    series = promql.selector(names, [*promql.where(preset.latency.where), *matchers])
    return promql.by(preset, "sum", f"increase({series}[{promql.duration(window_s)}])", *more)


def suffixed(names: str, suffix: str) -> str:
    """The names in "a|b", each with the suffix."""
    return "|".join(name + suffix for name in names.split("|"))


def _newest(queries: Queries, preset: Preset, whose: promql.Owners) -> dict[Key, tuple[float, float]]:
    """By variant: the time of its last scrape, and the server's current time."""
    found: dict[Key, tuple[float, float]] = {}
    for one in queries.vector(newest_query(preset)):
        key = whose(one.labels)
        before = found.get(key)
        found[key] = (max(one.value, before[0]) if before else one.value, one.at)
    return found


def _count(queries: Queries, preset: Preset, window_s: float, whose: promql.Owners, counted: Counts) -> None:
    for names in (*preset.requests, *preset.failures):
        failed = names in preset.failures
        for one in queries.vector(counter_query(preset, names, window_s)):
            if not math.isfinite(one.value) or one.value < 0:
                raise Malformed(f"{queries.where} has a counter {names} that grew by {one.value:g}")
            into = counted.setdefault(whose(one.labels), Counted())
            into.requests += one.value
            bad = _is_bad(preset, one.labels, failed=failed)
            if into.errors is not None:
                into.errors = None if bad is None else into.errors + (one.value if bad else 0.0)


def _is_bad(preset: Preset, labels: Mapping[str, str], *, failed: bool) -> bool | None:
    if failed:
        return True
    if not preset.tells_errors:
        return None
    return preset.is_error(labels.get(preset.code, "")) if preset.code else False


def _time(queries: Queries, preset: Preset, window_s: float, whose: promql.Owners, counted: Counts) -> None:
    latency = preset.latency
    if latency.histogram:
        query = latency_query(preset, suffixed(latency.histogram, "_bucket"), window_s, "le")
        for one, into in _each(queries.vector(query), whose, counted):
            bound = bound_of(one.labels, queries.where)
            into.upto[bound] = into.upto.get(bound, 0.0) + one.value
    if latency.summary:
        series = promql.selector(latency.summary, promql.where(latency.where))
        for one, into in _each(queries.vector(promql.by(preset, "max", series, "quantile")), whose, counted):
            q = _number(one.labels.get("quantile", ""))
            if q is not None and math.isfinite(one.value):
                into.quantiles[q] = max(one.value, into.quantiles.get(q, 0.0))
    if latency.mean_sum:
        for one, into in _each(queries.vector(latency_query(preset, latency.mean_sum, window_s)), whose, counted):
            into.time = (into.time or 0.0) + one.value
        for one, into in _each(queries.vector(latency_query(preset, latency.mean_count, window_s)), whose, counted):
            into.timed = (into.timed or 0.0) + one.value


def _each(values: Iterable[Value], whose: promql.Owners, counted: Counts) -> Iterator[tuple[Value, Counted]]:
    for one in values:
        key = whose(one.labels)
        into = counted.get(key)
        if into is None:
            into = counted[key] = Counted()
        yield one, into


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


# ── results ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _measured(
    key: Key, counted: Counted | None, preset: Preset, window_s: float, at: float, where: str
) -> VariantMetrics:
    subject, mirrored = key
    if counted is None:  # only one scrape so far: an increase needs two
        return VariantMetrics(subject, window_s, at, mirrored=mirrored)
    unit = preset.latency.unit
    latency = buckets(counted.upto, EMPTY, unit, where) if counted.upto else None
    p50, p95, p99 = (_quantile(q, latency, counted.quantiles, unit) for q in QUANTILES.values())
    requests, errors = counted.requests, counted.errors
    mean = counted.time / counted.timed * unit if counted.time is not None and counted.timed else None
    return VariantMetrics(
        subject,
        window_s,
        at,
        rps=requests / window_s,
        error_ratio=errors / requests if errors is not None and requests > 0 else None,
        p50=p50,
        p95=p95,
        p99=p99,
        samples=round(requests),
        mirrored=mirrored,
        latency=latency,
        mean=finite(mean),
    )


def _quantile(q: float, latency: Histogram | None, told: Mapping[float, float], unit: float) -> float | None:
    if latency is not None:
        return finite(quantile(q, latency.bounds, latency.counts))
    value = told.get(q)
    return None if value is None else value * unit
