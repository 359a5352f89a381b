"""The queries of one preset for the metrics of every variant, and the evaluation of their answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from backends.contracts import EMPTY, Histogram, Measure, Subject, VariantMetrics
from backends.metrics import promql
from backends.metrics.answers import Value, bound_of, buckets, clean
from backends.metrics.preset import Preset, finite, suffixed
from backends.metrics.prometheus_client import Queries
from backends.metrics.quantiles import quantile

QUANTILES = {Measure.P50: 0.50, Measure.P95: 0.95, Measure.P99: 0.99}

Key = tuple[Subject, bool]  # the subject of the requests, and whether the requests are mirrored
Counts = dict[Key, "Counted"]
REQUESTS, MEAN = "requests", "mean"
PAST_S = (0.0, 60.0, 300.0, 900.0, 3600.0)  # moments at which what has vanished is looked for


@dataclass(slots=True)
class Counted:
    """The sums over one variant's series. ``errors`` is ``None`` if the outcome of some requests is unknown.

    ``upto`` holds cumulative counts by upper bound, and ``quantiles`` the values of a summary. ``time`` is the summed
    time of ``timed`` requests. ``damaged`` names the sums that a series without a usable value makes unknown.
    """

    requests: float = 0.0
    errors: float | None = 0.0
    upto: dict[float, float] = field(default_factory=dict)
    quantiles: dict[float, float] = field(default_factory=dict)
    time: float | None = None
    timed: float | None = None
    damaged: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for one preset. ``quiet`` are variants with requests in the window that no target reports any more.
    ``alive`` are those that a target reports."""

    found: tuple[VariantMetrics, ...]
    quiet: tuple[Subject, ...] = ()
    alive: frozenset[Key] = frozenset()


def current(queries: Queries, preset: Preset, window_s: float, stale_s: float, *, timed: bool = True) -> Answer:
    """The metrics of every variant over the last ``window_s`` seconds.

    It takes one aggregated query for each counter, the queries for latencies if ``timed``, one query for the age of the
    newest samples, and one that tells whether any series is new: then the queries count new series from 0 as well. A
    variant whose newest sample is older than ``stale_s`` is left out.
    """
    whose = promql.Owners(preset)
    seen = _newest(queries, preset, whose)
    new = _has_new(queries, preset, window_s)
    counted: Counts = {}
    _count(queries, preset, window_s, whose, counted, new=new)
    alive = {key: at for key, (at, now) in seen.items() if now - at <= stale_s and key[0].endpoint}
    if alive and timed:
        _time(queries, preset, window_s, whose, counted, new=new)
    made = [_measured(key, counted.get(key), preset, window_s, at, queries) for key, at in sorted(alive.items())]
    quiet = sorted({key[0] for key, one in counted.items() if one.requests and key not in alive and key[0].endpoint})
    return Answer(tuple(made), tuple(quiet), frozenset(alive))


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


def newest_query(preset: Preset, before_s: Sequence[float] = (0.0,)) -> str:
    """The query for the time at which each variant's requests were last scraped, by any of the counters: one that fails
    each request may have the counter of failures alone. ``before_s`` are the moments that it looks at, before now."""
    asked = (f"timestamp({promql.before(one, at)})" for at in before_s for one in _counters(preset))
    return promql.by(preset, "max", " or ".join(asked))


def last_seen(queries: Queries, preset: Preset) -> Mapping[Subject, float]:
    """The subjects that the server had data of in the last hour, each with the time of one of its last samples."""
    whose = promql.Owners(preset)
    found: dict[Subject, float] = {}
    for one in queries.vector(newest_query(preset, PAST_S)):
        subject, mirrored = whose(one.labels)
        if subject.endpoint and not mirrored:
            found[subject] = max(one.value, found.get(subject, 0.0))
    return found


def counter_query(
    preset: Preset, names: str, window_s: float, matchers: promql.Matchers = (), *, new: bool = True
) -> str:
    """The query for the increase of a counter of requests."""
    series = promql.selector(names, [*promql.where(preset.where), *matchers])
    return promql.by(preset, "sum", promql.growth(series, window_s, new=new), preset.code)


def latency_query(
    preset: Preset, names: str, window_s: float, *more: str, matchers: promql.Matchers = (), new: bool = True
) -> str:
    """The query for the increase of a histogram's buckets (with ``le`` in ``more``) or of a counter of time."""
    series = promql.selector(names, [*promql.where(preset.latency.where), *matchers])
    return promql.by(preset, "sum", promql.growth(series, window_s, new=new), *more)


def _counters(preset: Preset) -> list[str]:
    """The selectors of all counters of requests."""
    return [promql.selector(names, promql.where(preset.where)) for names in (*preset.requests, *preset.failures)]


def _has_new(queries: Queries, preset: Preset, window_s: float) -> bool:
    """Whether any counter of requests began in the window. What cannot be counted of it is noted."""
    counters = _counters(preset)
    if not queries.vector(f"count({' or '.join(promql.newcomers(one, window_s) for one in counters)})"):
        return False
    lost = queries.vector(f"count({' or '.join(promql.unknown_starts(one, window_s) for one in counters)})")
    if lost:
        queries.dropped.add(
            f"the first values of new series of {preset.name}: neither `up` nor process_start_time_seconds tells when"
            " their targets began",
            preset.requests[0],
            count_in(lost[0].value),
        )
    return True


def count_in(value: float) -> int:
    """A count as a server tells it; 1 if it is no number."""
    return round(value) if math.isfinite(value) else 1


def _newest(queries: Queries, preset: Preset, whose: promql.Owners) -> dict[Key, tuple[float, float]]:
    """By variant: the time of its last scrape, and the server's current time."""
    found: dict[Key, tuple[float, float]] = {}
    for one in queries.vector(newest_query(preset)):
        key = whose(one.labels)
        before = found.get(key)
        found[key] = (max(one.value, before[0]) if before else one.value, one.at)
    return found


def _count(
    queries: Queries, preset: Preset, window_s: float, whose: promql.Owners, counted: Counts, *, new: bool
) -> None:
    for names in (*preset.requests, *preset.failures):
        failed = names in preset.failures
        for one in queries.vector(counter_query(preset, names, window_s, new=new)):
            key = whose(one.labels)
            into = counted.setdefault(key, Counted())
            if not _usable(one.value):
                queries.dropped.add(f"counter that grew by {one.value:g}", f"{names} of {_named(key)}")
                into.damaged.add(REQUESTS)
                continue
            into.requests += one.value
            bad = _is_bad(preset, one.labels, failed=failed)
            if into.errors is not None:
                into.errors = None if bad is None else into.errors + (one.value if bad else 0.0)


def _usable(value: float) -> bool:
    """Whether the growth of a counter is a number that a counter can grow by."""
    return math.isfinite(value) and value >= 0


def _named(key: Key) -> str:
    return clean(" ".join(part for part in (key[0].scope, key[0].endpoint, key[0].variant) if part) or "no endpoint")


def _is_bad(preset: Preset, labels: Mapping[str, str], *, failed: bool) -> bool | None:
    if failed:
        return True
    if not preset.tells_errors:
        return None
    return preset.is_error(labels.get(preset.code, "")) if preset.code else False


def _time(
    queries: Queries, preset: Preset, window_s: float, whose: promql.Owners, counted: Counts, *, new: bool
) -> None:
    latency = preset.latency
    if latency.histogram:
        query = latency_query(preset, suffixed(latency.histogram, "_bucket"), window_s, "le", new=new)
        for one, into in _each(queries.vector(query), whose, counted):
            bound = bound_of(one.labels, queries.where, queries.dropped)
            if bound is not None:
                into.upto[bound] = into.upto.get(bound, 0.0) + one.value
    if latency.summary:
        series = promql.selector(latency.summary, promql.where(latency.where))
        for one, into in _each(queries.vector(promql.by(preset, "max", series, "quantile")), whose, counted):
            q = _number(one.labels.get("quantile", ""))
            if q is not None and math.isfinite(one.value):
                into.quantiles[q] = max(one.value, into.quantiles.get(q, 0.0))
    # A mean costs two more queries, so it is asked for where nothing better is told.
    if latency.mean_sum or any(_blind(one) for one in counted.values()):
        time, count = latency.mean
        for names, into_time in ((time, True), (count, False)) if time else ():
            for one, into in _each(queries.vector(latency_query(preset, names, window_s, new=new)), whose, counted):
                if not _usable(one.value):
                    queries.dropped.add(f"counter that grew by {one.value:g}", names)
                    into.damaged.add(MEAN)
                elif into_time:
                    into.time = (into.time or 0.0) + one.value
                else:
                    into.timed = (into.timed or 0.0) + one.value


def _blind(one: Counted) -> bool:
    """Whether requests were timed and no bucket with an end holds the usual ones."""
    last = max((bound for bound in one.upto if bound < math.inf), default=None)
    total = one.upto.get(math.inf, 0.0)
    return total > 0 and (last is None or one.upto[last] < 0.95 * total)


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
    key: Key, counted: Counted | None, preset: Preset, window_s: float, at: float, queries: Queries
) -> VariantMetrics:
    subject, mirrored = key
    if counted is None:  # only one scrape so far: an increase needs two
        return VariantMetrics(subject, window_s, at, mirrored=mirrored)
    unit = preset.latency.unit
    where = f"{queries.where}: {_named(key)}"
    latency = buckets(counted.upto, EMPTY, unit, where, queries.dropped) if counted.upto else None
    p50, p95, p99 = (_quantile(q, latency, counted.quantiles, unit) for q in QUANTILES.values())
    requests, errors = counted.requests, counted.errors
    whole = REQUESTS not in counted.damaged
    mean = counted.time / counted.timed * unit if counted.time is not None and counted.timed else None
    return VariantMetrics(
        subject,
        window_s,
        at,
        rps=requests / window_s if whole else None,
        error_ratio=errors / requests if whole and errors is not None and requests > 0 else None,
        p50=p50,
        p95=p95,
        p99=p99,
        samples=round(requests),
        mirrored=mirrored,
        latency=latency,
        mean=finite(mean) if MEAN not in counted.damaged else None,
    )


def _quantile(q: float, latency: Histogram | None, told: Mapping[float, float], unit: float) -> float | None:
    if latency is not None:
        return finite(quantile(q, latency.bounds, latency.counts))
    value = told.get(q)
    return None if value is None else value * unit
