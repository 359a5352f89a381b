"""Requests, errors and mean latency as HAProxy counts them, from the socket through which weights are set.

HAProxy has no histogram, so there are no quantiles. Its times are means over a server's last 1024 requests, for any
window. Errors are the 5xx answers and the requests that a server failed to answer: no connection (``econ``) or no valid
answer (``eresp``). ``stot`` is not used, as it counts retries too.
https://docs.haproxy.org/2.6/management.html#9.1
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

from backends.contracts import Histogram, Measure, Probe, ProbeKind, Sample, Series, Subject, VariantMetrics, Wiring
from backends.errors import BackendError
from backends.metrics.exposition import escaped
from backends.metrics.openmetrics import OpenMetrics, OpenMetricsOptions
from backends.options import Options, duration
from backends.platforms.haproxy.answers import STATISTICS, number, statistics_of
from backends.platforms.haproxy.naming import Naming, NamingOptions
from backends.platforms.haproxy.runtime import runtime_at

COUNTER = "haproxy_answers_total"
ANSWERS = ("1xx", "2xx", "3xx", "4xx", "5xx", "other")
FAILURES = ("econ", "eresp")
TIMES = ("qtime", "ctime", "rtime")
"""Milliseconds in the queue, until the connection, and until the head of the answer."""

_SERVER = "2"


class HaproxyMetricsOptions(NamingOptions):
    """Options: the HAProxy, the names of its servers, and the length of the memory."""

    retention = duration("how far back the memory goes", default=3600.0)


class HaproxyMetrics:
    """Counts of one HAProxy process, kept in memory as ``OpenMetrics`` keeps its scrapes. Thread-safe."""

    OPTIONS: ClassVar[type[Options]] = HaproxyMetricsOptions

    def __init__(self, wiring: Wiring[HaproxyMetricsOptions]) -> None:
        options = wiring.options
        self._runtime = runtime_at(options.socket, options.timeout_s)
        self._naming = Naming.of(options)
        self._means: Mapping[Subject, float] = {}
        ours = OpenMetricsOptions(
            options.timeout_s,
            url="http://haproxy",
            retention=options.retention,
            requests=COUNTER,
            latency="",
            error_codes=f"5xx|{'|'.join(FAILURES)}",
        )
        self._memory = OpenMetrics(wiring.telling(ours), self._fetch)

    def current(self, window_s: float) -> tuple[VariantMetrics, ...]:
        """As ``OpenMetrics.current``, with a mean latency over the last 1024 requests of each server."""
        found = self._memory.current(window_s)
        means = self._means
        return tuple(replace(one, mean=means.get(one.subject)) for one in found)

    def history(self, subject: Subject, measure: Measure, window_s: float, step_s: float) -> Series:
        return self._memory.history(subject, measure, window_s, step_s)

    def samples(self, name: str) -> tuple[Sample, ...]:
        return self._memory.samples(name)

    def histograms(self, name: str, window_s: float, by: tuple[str, ...]) -> tuple[Histogram, ...]:
        return self._memory.histograms(name, window_s, by)

    def vanished(self) -> Mapping[Subject, float]:
        return self._memory.vanished()

    def remarks(self) -> tuple[str, ...]:
        return self._memory.remarks()

    def probe(self) -> tuple[Probe, ...]:
        reach, *rest = self._memory.probe()
        if not rest:
            return (reach,)
        reach = replace(reach, detail=f"HAProxy's statistics at {self._runtime.address}")
        try:
            backends = {row["pxname"] for row in self._rows(self._runtime.ask(STATISTICS))}
        except BackendError as error:
            return reach, Probe(ProbeKind.READ, False, error.message, error.hint)
        hint = "" if backends else "set `backends` to patterns that fit, or leave it out"
        return reach, Probe(ProbeKind.READ, bool(backends), f"counts of {len(backends)} backends; no quantiles", hint)

    def close(self) -> None:
        self._memory.close()

    def _fetch(self) -> str:
        rows = tuple(self._rows(self._runtime.ask(STATISTICS)))
        self._means = self._mean_latencies(rows)
        lines = [f"# TYPE {COUNTER} counter", *(line for row in rows for line in self._counted(row))]
        return "\n".join([*lines, ""])

    def _rows(self, answer: str) -> Iterator[Mapping[str, str]]:
        for row in statistics_of(answer):
            if row["type"] == _SERVER and self._naming.wants(row["pxname"]):
                yield row

    def _counted(self, row: Mapping[str, str]) -> Iterator[str]:
        """The lines of the text format for one server's answers by code. A server of a TCP backend has no codes."""
        subject = self._subject(row)
        named = {"endpoint": subject.endpoint, "variant": subject.variant, "scope": subject.scope}
        labels = ",".join(f'{name}="{escaped(value)}"' for name, value in {**named, "server": row["svname"]}.items())
        counts = {code: row.get(f"hrsp_{code}", "") for code in ANSWERS}
        if not any(counts.values()):
            counts = {"": row.get("lbtot", "")}
        else:
            counts |= {name: row.get(name, "") for name in FAILURES}
        for code, told in counts.items():
            yield f'{COUNTER}{{{labels},code="{code}"}} {number(told, code)}'

    def _mean_latencies(self, rows: tuple[Mapping[str, str], ...]) -> dict[Subject, float]:
        """Seconds by variant: the mean over its servers, weighted by how often each server was chosen."""
        found: dict[Subject, list[tuple[float, int]]] = {}
        for row in rows:
            chosen = number(row.get("lbtot", ""), "lbtot")
            if chosen:
                took = sum(number(row.get(name, ""), name) for name in TIMES) / 1000.0
                found.setdefault(self._subject(row), []).append((took, chosen))
        return {
            subject: math.fsum(took * chosen for took, chosen in told) / sum(chosen for _, chosen in told)
            for subject, told in found.items()
        }

    def _subject(self, row: Mapping[str, str]) -> Subject:
        backend = row["pxname"]
        return Subject(backend, self._naming.variant(backend, row["svname"]), self._naming.scope)
