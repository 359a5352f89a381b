"""Metrics from Prometheus, and from servers with the same API: Thanos, Mimir, VictoriaMetrics.

Presets (``backends.metrics.preset``) say which metrics are read, and which labels name the endpoint, variant and scope.
Several presets can be in use at once. Every measure is one aggregated query for the whole fleet. A value that
Prometheus does not know is ``None``. A variant that is not scraped any more is left out, and told by ``vanished``. An
answer that the server calls incomplete is an error. A damaged series is dropped and told in the remarks.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from backends.connection import ConnectionOptions, connection
from backends.contracts import Histogram, Measure, Probe, Sample, Series, Subject, VariantMetrics, Wiring
from backends.errors import BackendError, Rejected, Unreachable
from backends.metrics import prometheus_history, prometheus_past, prometheus_probe, promql
from backends.metrics.answers import bound_of
from backends.metrics.fleet_queries import Answer, current, last_seen, merged
from backends.metrics.memory import Memory
from backends.metrics.preset import AUTO, LabelRule, Preset, find_presets
from backends.metrics.prometheus_client import MAX_BODY, Queries
from backends.options import Options, duration, flag, path, table, text

CHOSEN_S = 60.0  # how long the presets that "auto" chose stay in use
SCRAPES = 4  # the shortest window, in scrapes: a rate over fewer scrapes is unreliable
STALE_SCRAPES = 4  # a variant that was not scraped for this many scrapes is gone


class PrometheusOptions(ConnectionOptions):
    """Options: the server, and the presets for its series."""

    params = table("further query parameters (partial_response, dedup)", default={})
    preset = text("presets to use: names, files, or auto", default=AUTO)
    presets = path("folder with presets of your own")
    endpoint_label = text("label that names the endpoint, instead of the presets'")
    variant_label = text("label that names the variant, instead of the presets'")
    scope_label = text("label that names the scope, instead of the presets'")
    scrape = duration("how often the targets are scraped", default=15.0)
    partial = flag("accept answers that the server calls incomplete", default=False)


class PrometheusMetrics:
    """Queries one server. It implements ``Remembers`` and ``Vanishes`` as well. Thread-safe."""

    OPTIONS: ClassVar[type[Options]] = PrometheusOptions

    def __init__(self, wiring: Wiring[PrometheusOptions]) -> None:
        options = wiring.options
        self._clock = wiring.clock
        self._preset = options.preset
        self._folder = options.presets
        labels = {"endpoint": options.endpoint_label, "variant": options.variant_label, "scope": options.scope_label}
        self._overrides = {role: LabelRule(label) for role, label in labels.items() if label}
        self._scrape_s = options.scrape
        self._http = connection(options, MAX_BODY)
        self.queries = Queries(
            self._http,
            timeout_s=options.timeout_s,
            params=options.params,
            partial=options.partial,
        )
        self._lock = threading.Lock()
        self._chosen: tuple[float, tuple[Preset, ...]] | None = None
        self._remarks: tuple[str, ...] = ()
        self._memory = Memory()
        self._recalled = False

    def current(self, window_s: float) -> tuple[VariantMetrics, ...]:
        """Every variant that is scraped now, over ``window_s`` seconds or four scrapes, whichever is longer.

        Raises:
            Unreachable: all requests in the window are from targets that do not answer any more.
        """
        return self._asked(window_s, timed=True)

    def rates(self, window_s: float) -> tuple[VariantMetrics, ...]:
        """As ``current``, but without latencies. Buckets are most of the data that a server has to read and send."""
        return self._asked(window_s, timed=False)

    def _asked(self, window_s: float, *, timed: bool) -> tuple[VariantMetrics, ...]:
        dropped = self.queries.begin()
        window = self._window(window_s)
        stale = max(STALE_SCRAPES * self._scrape_s, 10.0)
        answers = [(one, current(self.queries, one, window, stale, timed=timed)) for one in self.presets()]
        found = merged(answer.found for _, answer in answers)
        quiet = [subject for _, answer in answers for subject in answer.quiet]
        now = self._clock()
        past = {} if self._recalled else self._past()
        with self._lock:
            self._recalled = True
            self._memory.recall({**past, **{one: now for one in quiet if one not in self._memory.vanished()}})
            self._memory.note((one.subject for one in found), now)
            if timed:
                self._remarks = dropped.remarks()
        if quiet and not found:
            raise Unreachable(
                f"{self._http.where} cannot scrape any target with {_counters(answers)} any more",
                hint="see its page /targets",
            )
        return found

    def _past(self) -> Mapping[Subject, float]:
        """Whom the server had data of in the last hour: a target may have gone before this program began."""
        chosen = self._known()
        if self._automatic:
            chosen = prometheus_probe.choose(self.queries, chosen, past=True)
        return {one: at for preset in chosen for one, at in last_seen(self.queries, preset).items()}

    def vanished(self) -> Mapping[Subject, float]:
        with self._lock:
            return self._memory.vanished()

    def remarks(self) -> tuple[str, ...]:
        with self._lock:
            return self._remarks

    def history(self, subject: Subject, measure: Measure, window_s: float, step_s: float) -> Series:
        """One measure in steps that end at multiples of ``step_s``.

        Each point covers the step or four scrapes, whichever is longer. A subject without a variant means the whole
        endpoint. Mirrored requests count only if there are no others.

        Raises:
            Rejected: more than 11,000 points.
        """
        presets = self.presets()
        span = self._window(step_s)
        return prometheus_history.history(
            self.queries, presets, prometheus_history.Asked(subject, measure, window_s, step_s, span), self._clock()
        )

    def samples(self, name: str) -> tuple[Sample, ...]:
        found = self.queries.vector(promql.selector(_checked(name)))
        return tuple(
            Sample({key: value for key, value in one.labels.items() if key != "__name__"}, one.value) for one in found
        )

    def histograms(self, name: str, window_s: float, by: tuple[str, ...]) -> tuple[Histogram, ...]:
        """The counts in the window; for an infinite window, the counts since the counters began.

        Counts are fractional, as the server extrapolates to the ends of the window.
        """
        series = promql.selector(f"{_checked(name)}_bucket")
        if not math.isinf(window_s):
            window = self._window(window_s)
            new = bool(self.queries.vector(f"count({promql.newcomers(series, window)})"))
            series = promql.growth(series, window, new=new)
        kept = ",".join(("le", *(_checked(label) for label in by)))
        dropped = self.queries.begin()
        groups: dict[tuple[str, ...], dict[float, float]] = {}
        for one in self.queries.vector(f"sum by ({kept}) ({series})"):
            upto = groups.setdefault(tuple(one.labels.get(label, "") for label in by), {})
            bound = bound_of(one.labels, self._http.where, dropped)
            if bound is not None:
                upto[bound] = upto.get(bound, 0.0) + one.value
        where = f"{self._http.where}: {name}"
        return tuple(prometheus_past.histograms_of(groups, by, where, dropped))

    def past_samples(
        self, name: str, where: Mapping[str, str], window_s: float, step_s: float
    ) -> Mapping[float, tuple[Sample, ...]]:
        labels = {_checked(label): value for label, value in where.items()}
        return prometheus_past.past_samples(self.queries, _checked(name), labels, window_s, step_s, self._clock())

    def past_histograms(
        self, name: str, over_s: float, by: tuple[str, ...], where: Mapping[str, str], window_s: float, step_s: float
    ) -> Mapping[float, tuple[Histogram, ...]]:
        labels = {_checked(label): value for label, value in where.items()}
        kept, over = tuple(_checked(label) for label in by), self._window(over_s)
        return prometheus_past.past_histograms(
            self.queries, _checked(name), over, kept, labels, window_s, step_s, self._clock()
        )

    def probe(self) -> tuple[Probe, ...]:
        try:
            known = self._known()
        except BackendError as error:
            return (prometheus_probe.refused(error),)
        return prometheus_probe.probe(
            self._http, self.queries, known, named=not self._automatic, scrape_s=self._scrape_s
        )

    def close(self) -> None:
        self._http.close()

    # ── presets ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _automatic(self) -> bool:
        return self._preset.strip() in ("", AUTO)

    def _known(self) -> tuple[Preset, ...]:
        found = find_presets(self._preset, self._folder)
        return tuple(replace(preset, labels={**preset.labels, **self._overrides}) for preset in found)

    def presets(self) -> tuple[Preset, ...]:
        """The presets in use: the named ones; for "auto", those whose metrics the server has, found once a minute.

        Raises:
            BackendError: a preset is not valid, or the server cannot be queried.
        """
        if not self._automatic:
            return self._known()
        with self._lock:
            kept = self._chosen
        if kept is not None and 0 <= time.monotonic() - kept[0] < CHOSEN_S:
            return kept[1]
        chosen = prometheus_probe.choose(self.queries, self._known())
        with self._lock:
            # An empty choice is not kept: metrics can appear soon, so the next call looks again.
            self._chosen = (time.monotonic(), chosen) if chosen else None
        return chosen

    def _window(self, window_s: float) -> float:
        return max(window_s, SCRAPES * self._scrape_s)


def _counters(answers: list[tuple[Preset, Answer]]) -> str:
    quiet = (preset for preset, answer in answers if answer.quiet)
    return ", ".join(sorted({name for preset in quiet for name in (*preset.requests, *preset.failures)}))


def _checked(name: str) -> str:
    """The name of a metric or label, which goes into a query without quotes."""
    if not re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", name, re.ASCII):
        raise Rejected(f"{name!r} is not the name of a metric or label")
    return name
