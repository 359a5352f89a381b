"""Metrics directly from a target's ``/metrics``, for use without a Prometheus server.

It keeps a bounded memory of scrapes, and computes rates from counters and quantiles from histograms. It has no data
from before its first scrape, except for what ``histograms`` returns for an infinite window.
"""

from __future__ import annotations

import copy
import math
import threading
from array import array
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar
from urllib.parse import urlsplit, urlunsplit

from backends.contracts import (
    Histogram,
    Measure,
    Probe,
    Sample,
    Series,
    Subject,
    VariantMetrics,
    Wiring,
)
from backends.dropped import shown
from backends.errors import BackendError, Rejected
from backends.http import HttpClient
from backends.metrics import selection
from backends.metrics.exposition import Parser, Scrape, SeriesId, Wanted
from backends.metrics.freshness import check_age, clock_ahead, without_old
from backends.metrics.memory import Memory
from backends.metrics.naming import NamingOptions, preset_of
from backends.metrics.openmetrics_probe import probe
from backends.metrics.preset import Preset
from backends.metrics.quantiles import capped, quantile
from backends.metrics.ring import Ring, Snapshot, increase
from backends.metrics.selection import Buckets, Key, Part, Traffic
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
        self._ahead_s = 0.0  # the server's clock against ours, at the newest scrape
        self._attempt: tuple[int, float, BackendError | None] = (0, -math.inf, None)  # number, time, failure
        self._lock = threading.Lock()  # guards all fields below
        self._parser = Parser(Wanted())
        self._ring = Ring(options.retention)
        self._body = ""
        self._scrape = Scrape({}, {}, frozenset())
        self._remarks: tuple[str, ...] = ()
        self._doubtful: Mapping[Key, frozenset[Part]] = {}
        self._summaries: Mapping[Key, Mapping[float, float]] = {}
        self._memory = Memory()
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
            alive = [part for part in self._parts() if self._alive(part, new, window_s)]
            if timed:
                self._memory.note((part.subject for part in alive if not part.mirrored), new.at)
            return tuple(self._measured(part, old, new, timed=timed) for part in alive)

    def vanished(self) -> Mapping[Subject, float]:
        with self._lock:
            return self._memory.vanished()

    def remarks(self) -> tuple[str, ...]:
        with self._lock:
            return self._remarks

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
        points: list[tuple[float, float | None]] = []
        least: set[float] = set()
        with self._lock:
            part = selection.combined(self._matching(subject))
            for number in range(last - steps + 1, last + 1):
                value, bounded = self._point(part, measure, (number - 1) * step_s, number * step_s)
                points.append((number * step_s, value))
                least.update([number * step_s] if bounded else [])
            since = self._ring.oldest
        return Series(subject, measure, tuple(points), frozenset(least), None if since is None else since.at)

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
            wanted = [series for series in self._series.values() if series.name == bucket]
            damaged = {tuple(one.labels.get(label, "") for label in by) for one in self._scrape.damaged}
            return tuple(
                part.between(old, new)
                for part in selection.grouped(wanted, by, self._ring.column)
                if tuple(part.labels.get(label, "") for label in by) not in damaged
            )

    def probe(self) -> tuple[Probe, ...]:
        return probe(self._fetch, self._named, self._http.where)

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
        """The text of a scrape.

        Raises:
            Unreachable: a cache on the way gave an old answer.
        """
        answer = self._http.request("GET", self._path)
        check_age(answer.headers.get("age", ""), self._http.where)
        self._ahead_s = clock_ahead(answer.headers.get("date", ""), self._clock())
        return answer.text()

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
        self._parser.want(selection.Names.of(preset).wanted)
        at = self._clock()
        scrape = without_old(self._parser.read(body), at + self._ahead_s, self._http.where)
        remarks = (*scrape.remarks, *selection.check(scrape, preset))
        if self._ring.newest is not None and at < self._ring.newest.at:
            self._since.clear()  # the ring starts again, and its first snapshot contains all histograms
        dropped = self._ring.append(at, self._counters(scrape))
        for key in dropped:
            self._series.pop(key, None)
        unsteady = [one for key in sorted(self._ring.unsteady) if (one := scrape.series.get(key)) is not None]
        if unsteady:
            words = "falls again and again: a page of one of several workers"
            remarks = (*remarks, f"not counted: {words} ({len(unsteady)} series, first {shown(unsteady[0].key)})")
        self._body, self._scrape, self._remarks = body, scrape, remarks
        self._doubtful = selection.doubtful((*scrape.damaged, *unsteady), preset)
        self._summaries = selection.summaries(scrape, preset)
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
        key = (part.subject, part.mirrored)
        doubts = self._doubtful.get(key, frozenset())
        made = VariantMetrics(
            part.subject,
            span,
            new.at,
            rps=None if Part.REQUESTS in doubts else requests / span,
            samples=round(requests),
            mirrored=part.mirrored,
        )
        if not timed:
            return made
        latency = None
        if part.latency is not None and Part.LATENCY not in doubts and self._whole(part.latency, new):
            latency = part.latency.between(old, new)
        told = self._summaries.get(key, {})
        p50, p95, p99 = (
            quantile(q, latency.bounds, latency.counts) if latency is not None else told.get(q)
            for q in QUANTILES.values()
        )
        # A mean is told where the usual quantiles are not known.
        mean = part.mean(old, new) if p95 is None and Part.MEAN not in doubts else None
        ratio = None if Part.REQUESTS in doubts else _ratio(part, old, new, requests)
        return replace(made, error_ratio=ratio, p50=p50, p95=p95, p99=p99, latency=latency, mean=mean)

    def _whole(self, latency: Buckets, new: Snapshot) -> bool:
        """Whether no bucket is missing in the newest scrape whose neighbours are there."""
        missing = (sum(self._ring.seen_at(one) < new.at for one in columns) for columns in latency.columns)
        return len(set(missing)) <= 1

    def _point(self, part: Traffic | None, measure: Measure, start: float, end: float) -> tuple[float | None, bool]:
        """The value over that time, and whether it is a lower bound only."""
        around = self._ring.around(start, end)
        if part is None or around is None:
            return None, False
        old, new = around
        if measure in QUANTILES:
            if part.latency is None:
                return None, False
            latency = part.latency.between(old, new)
            return capped(QUANTILES[measure], latency.bounds, latency.counts)
        requests = increase(old, new, part.requests)
        rate = requests / (new.at - old.at)
        return (rate if measure is Measure.RATE else _ratio(part, old, new, requests)), False


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
