"""Metrics directly from a target's ``/metrics``, for use without a Prometheus server.

It keeps a bounded memory of scrapes, and computes rates from counters and quantiles from histograms. It has no data
from before its first scrape, except for what ``histograms`` returns for an infinite window.
"""

from __future__ import annotations

import copy
import math
import threading
import time
from array import array
from collections.abc import Callable
from typing import ClassVar
from urllib.parse import urlsplit, urlunsplit

from backends.contracts import (
    Histogram,
    Measure,
    Probe,
    ProbeKind,
    Sample,
    Series,
    Subject,
    VariantMetrics,
    Wiring,
)
from backends.errors import BackendError, Rejected
from backends.http import HttpClient
from backends.metrics import selection
from backends.metrics.exposition import Parser, Scrape, SeriesId, Wanted
from backends.metrics.naming import NamingOptions, preset_of
from backends.metrics.preset import AUTO, Preset, find_presets
from backends.metrics.quantiles import quantile
from backends.metrics.ring import Ring, Snapshot, increase
from backends.metrics.selection import Traffic
from backends.options import Options, duration, secret, table, url

FRESH_S = 5.0  # ``history``, ``samples`` and ``histograms`` use a scrape up to this old
SHARED_S = 0.5  # ``current`` and ``rates`` use a scrape up to this old, as callers ask for several windows in a row
MAX_POINTS = 11_000  # the limit of Prometheus' query_range
# The text format, not OpenMetrics, as every target can write it.
ACCEPT = "text/plain;version=0.0.4;q=1,*/*;q=0.1"

QUANTILES = {Measure.P50: 0.50, Measure.P95: 0.95, Measure.P99: 0.99}


class _Target(Options):
    url = url("the address that serves the metrics", required=True)
    token = secret("bearer token")
    headers = table("further headers to send", default={})


class OpenMetricsOptions(_Target, NamingOptions):
    """Options: the target, and the names of its series."""

    retention = duration("how far back the memory goes", default=3600.0)


class OpenMetrics:
    """Scrapes one target. Callers at the same time share one scrape. Thread-safe.

    ``fetch`` returns the text of a scrape; without it, the text comes from ``url``.
    """

    OPTIONS: ClassVar[type[Options]] = OpenMetricsOptions

    def __init__(self, wiring: Wiring[OpenMetricsOptions], fetch: Callable[[], str] | None = None) -> None:
        options = wiring.options
        self._clock = wiring.clock
        self._fetch = fetch or self._get
        self._options = options
        self._preset: Preset | None = None
        base, self._path = _split(options.url)
        self._http = HttpClient(
            base,
            timeout_s=options.timeout_s,
            token=options.token,
            headers={"Accept": ACCEPT, **options.headers},
        )
        self._scraping = threading.Lock()  # held during a scrape: a caller that waits for it uses the same scrape
        self._attempt: tuple[int, float, BackendError | None] = (0, -math.inf, None)  # number, time, failure
        self._lock = threading.Lock()  # guards all fields below
        self._parser = Parser(Wanted())
        self._ring = Ring(options.retention)
        self._body = ""
        self._scrape = Scrape({}, {}, frozenset())
        self._series: dict[str, SeriesId] = {}  # every counter in the ring
        self._since: dict[str, float] = {}  # by histogram that was added later: the time of its first snapshot
        self._traffic: tuple[Traffic, ...] | None = None

    def current(self, window_s: float) -> tuple[VariantMetrics, ...]:
        """Compare a scrape at most ``SHARED_S`` old with the scrape of ``window_s`` ago, or with the oldest one.

        The result contains the real span. After the first scrape all rates are ``None``.
        """
        return self._over(window_s, timed=True)

    def rates(self, window_s: float) -> tuple[VariantMetrics, ...]:
        """As ``current``, but latencies are not computed."""
        return self._over(window_s, timed=False)

    def _over(self, window_s: float, *, timed: bool) -> tuple[VariantMetrics, ...]:
        self._refresh(SHARED_S)
        with self._lock:
            new = self._ring.newest
            assert new is not None
            old = self._ring.base(window_s)
            alive = (part for part in self._parts() if self._alive(part, new, window_s))
            return tuple(self._measured(part, old, new, timed=timed) for part in alive)

    def history(self, subject: Subject, measure: Measure, window_s: float, step_s: float) -> Series:
        """One measure in steps that end at multiples of ``step_s``, so that a chart does not jitter.

        A subject without a variant means the whole endpoint; a subject without a scope means any scope. Mirrored
        requests count only if there are no others. A step without observation is ``None``: if the target does not
        answer now, these are all steps since its last answer.

        Raises:
            Rejected: more than 11,000 points.
        """
        if step_s <= 0 or window_s / step_s > MAX_POINTS:
            raise Rejected(f"a history of {window_s:g} s in steps of {step_s:g} s has too many points")
        try:
            self._refresh(FRESH_S)
        except BackendError:
            with self._lock:
                if self._ring.newest is None:
                    raise
        last = math.floor(self._clock() / step_s)
        steps = max(1, math.ceil(window_s / step_s))
        with self._lock:
            part = selection.combined(self._matching(subject))
            return Series(
                subject,
                measure,
                tuple(
                    (number * step_s, self._point(part, measure, (number - 1) * step_s, number * step_s))
                    for number in range(last - steps + 1, last + 1)
                ),
            )

    def samples(self, name: str) -> tuple[Sample, ...]:
        """The newest value of each series; empty if the target has no such metric."""
        self._refresh(FRESH_S)
        with self._lock:
            scrape = self._wanting(Wanted(gauges=frozenset({name})))
            return tuple(
                Sample(series.labels, scrape.values[key])
                for key, series in scrape.series.items()
                if series.name == name
            )

    def histograms(self, name: str, window_s: float, by: tuple[str, ...]) -> tuple[Histogram, ...]:
        """The counts in the part of the window that was observed: zero after the first scrape.

        For an infinite window, these are all counts since the target began to count, or since a reset that was not
        observed. Empty if the target has no such histogram.
        """
        self._refresh(FRESH_S)
        bucket = f"{name}_bucket"
        with self._lock:
            self._keep(bucket)
            new = self._ring.newest
            assert new is not None
            if math.isinf(window_s):
                old = Snapshot(new.at, array("d"))
            else:
                old = self._ring.base(window_s, self._since.get(bucket, -math.inf)) or new
            wanted = (series for series in self._series.values() if series.name == bucket)
            return tuple(part.between(old, new) for part in selection.grouped(wanted, by, self._ring.column))

    def probe(self) -> tuple[Probe, ...]:
        began = time.monotonic()
        try:
            body = self._fetch()
        except BackendError as error:
            return (Probe(ProbeKind.REACH, False, error.message, error.hint),)
        took = time.monotonic() - began
        reach = Probe(ProbeKind.REACH, True, f"{self._http.where} answered {len(body):,} characters", latency_s=took)
        try:
            preset = self._named()
            names = selection.Names.of(preset)
            scrape = Parser(Wanted(counters=names.all)).read(body)
            selection.check(scrape, preset)
        except BackendError as error:
            fitting = self._fitting(body)
            hint = f"presets that fit: {fitting}" if fitting else error.hint
            return reach, Probe(ProbeKind.READ, False, error.message, hint)
        counted = sum(series.name in names.requests for series in scrape.series.values())
        found = f"{' or '.join(preset.requests)} has {counted} series"
        if not (names.buckets | names.time) & scrape.declared:
            wanted = " or ".join(sorted(names.buckets | names.time)) or "histogram"
            hint = "set `latency` to the histogram of latencies"
            return reach, Probe(ProbeKind.READ, True, f"{found}; no {wanted}, so no latencies", hint)
        return reach, Probe(ProbeKind.READ, True, found)

    def close(self) -> None:
        self._http.close()

    # ── the preset ──────────────────────────────────────────────────────────────────────────────────────────────

    def _named(self) -> Preset:
        """The preset that is configured, or the one made from the single settings. It is read on first use.

        Raises:
            Rejected: as ``preset_of`` does.
        """
        if self._preset is None:
            self._preset = preset_of(self._options)
        return self._preset

    def _fitting(self, body: str) -> str:
        """The names of the presets whose counter of requests is in the scrape."""
        try:
            declared = Parser(Wanted()).read(body).declared
        except BackendError:
            return ""
        return ", ".join(one.name for one in find_presets(AUTO) if selection.Names.of(one).requests & declared)

    # ── scraping ────────────────────────────────────────────────────────────────────────────────────────────────

    def _refresh(self, max_age_s: float) -> None:
        """Scrape, unless another caller did so while this one waited, or less than ``max_age_s`` ago.

        In that case the result of that scrape counts for this caller too, including its failure.
        """
        waited_from = self._attempt[0]
        with self._scraping:
            number, at, failure = self._attempt
            if number == waited_from and not 0 <= self._clock() - at < max_age_s:
                failure = self._try()
                self._attempt = (number + 1, self._clock(), failure)
            if failure is not None:
                # A copy, as each raise extends the traceback and several threads can raise this error.
                raise copy.copy(failure)

    def _get(self) -> str:
        return self._http.request("GET", self._path).text()

    def _try(self) -> BackendError | None:
        try:
            body = self._fetch()
            with self._lock:
                self._take_in(body)
        except BackendError as error:
            return error
        return None

    def _take_in(self, body: str) -> None:
        preset = self._named()
        self._parser.want(Wanted(counters=selection.Names.of(preset).all))
        scrape = self._parser.read(body)
        selection.check(scrape, preset)
        at = self._clock()
        if self._ring.newest is not None and at < self._ring.newest.at:
            self._since.clear()  # the ring starts again, and its first snapshot contains all histograms
        dropped = self._ring.append(at, self._counters(scrape))
        for key in dropped:
            self._series.pop(key, None)
        self._body, self._scrape = body, scrape
        self._learn(scrape, anew=bool(dropped))

    def _counters(self, scrape: Scrape) -> dict[str, float]:
        counters = self._parser.wanted.counters
        return {key: scrape.values[key] for key, series in scrape.series.items() if series.name in counters}

    def _learn(self, scrape: Scrape, *, anew: bool) -> None:
        counters = self._parser.wanted.counters
        fresh = {
            key: series for key, series in scrape.series.items() if key not in self._series and series.name in counters
        }
        self._series.update(fresh)
        if fresh or anew:
            self._traffic = None

    def _wanting(self, wanted: Wanted) -> Scrape:
        """The newest scrape with the wanted samples. Samples that were not wanted before are read from its text."""
        self._scrape = self._parser.also(wanted, self._scrape, self._body)
        return self._scrape

    def _keep(self, bucket: str) -> None:
        if bucket in self._parser.wanted.counters:
            return
        scrape = self._wanting(Wanted(counters=frozenset({bucket})))
        self._ring.amend({key: scrape.values[key] for key, series in scrape.series.items() if series.name == bucket})
        newest = self._ring.newest
        assert newest is not None
        self._since[bucket] = newest.at
        self._learn(scrape, anew=False)

    # ── reading the memory ──────────────────────────────────────────────────────────────────────────────────────

    def _parts(self) -> tuple[Traffic, ...]:
        if self._traffic is None:
            self._traffic = selection.traffic(self._series.values(), self._named(), self._ring.column)
        return self._traffic

    def _alive(self, part: Traffic, new: Snapshot, window_s: float) -> bool:
        return any(self._ring.seen_at(column) >= new.at - window_s for column in part.requests)

    def _matching(self, subject: Subject) -> list[Traffic]:
        found = [
            part
            for part in self._parts()
            if part.subject.endpoint == subject.endpoint
            and subject.variant in ("", part.subject.variant)
            and subject.scope in ("", part.subject.scope)
        ]
        return [part for part in found if not part.mirrored] or found

    def _measured(self, part: Traffic, old: Snapshot | None, new: Snapshot, *, timed: bool) -> VariantMetrics:
        if old is None:
            return VariantMetrics(part.subject, 0.0, new.at, mirrored=part.mirrored)
        span = new.at - old.at
        requests = increase(old, new, part.requests)
        if not timed:
            counted = round(requests)
            return VariantMetrics(
                part.subject, span, new.at, rps=requests / span, samples=counted, mirrored=part.mirrored
            )
        latency = part.latency.between(old, new) if part.latency is not None else None
        quantiles = {
            measure: quantile(q, latency.bounds, latency.counts) if latency is not None else None
            for measure, q in QUANTILES.items()
        }
        return VariantMetrics(
            part.subject,
            span,
            new.at,
            rps=requests / span,
            error_ratio=_ratio(part, old, new, requests),
            p50=quantiles[Measure.P50],
            p95=quantiles[Measure.P95],
            p99=quantiles[Measure.P99],
            samples=round(requests),
            mirrored=part.mirrored,
            latency=latency,
            mean=part.mean(old, new),
        )

    def _point(self, part: Traffic | None, measure: Measure, start: float, end: float) -> float | None:
        around = self._ring.around(start, end)
        if part is None or around is None:
            return None
        old, new = around
        if measure in QUANTILES:
            if part.latency is None:
                return None
            latency = part.latency.between(old, new)
            return quantile(QUANTILES[measure], latency.bounds, latency.counts)
        requests = increase(old, new, part.requests)
        return requests / (new.at - old.at) if measure is Measure.RATE else _ratio(part, old, new, requests)


def _ratio(part: Traffic, old: Snapshot, new: Snapshot, requests: float) -> float | None:
    if part.errors is None or requests <= 0:
        return None
    return increase(old, new, part.errors) / requests


def _split(url: str) -> tuple[str, str]:
    """The server's address, and the path with its query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, "", "", "")), urlunsplit(
        ("", "", parts.path or "/", parts.query, "")
    )
