"""Triton's statistics, for a Triton whose metrics port is closed: requests, failures and times by version.

They get the names of Triton's own exposition, and the preset ``triton`` reads them. Durations are means, as Triton has
no buckets. Counters start again at 0 when a version is loaded again.
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from backends.connection import ConnectionOptions, connection
from backends.contracts import Histogram, Measure, Probe, ProbeKind, Sample, Series, Subject, VariantMetrics, Wiring
from backends.metrics.exposition import escaped
from backends.metrics.openmetrics import OpenMetrics, OpenMetricsOptions
from backends.options import Options, duration, text
from backends.serving.triton_wire import Counted, statistics_of

SUCCESS, FAILURE, DURATION = (
    f"nv_inference_{name}" for name in ("request_success", "request_failure", "request_duration_us")
)
NOT_COUNTED = (
    "errors leave out what Triton does not count as failures: answers that a Python model makes as errors, a full "
    "queue, requests that are not valid, and versions that are not loaded"
)
STAGES = {
    "queue": "nv_inference_queue_duration_us",
    "compute_input": "nv_inference_compute_input_duration_us",
    "compute_infer": "nv_inference_compute_infer_duration_us",
    "compute_output": "nv_inference_compute_output_duration_us",
}


class TritonMetricsOptions(ConnectionOptions):
    """Options: the Triton server, and the length of the memory."""

    scope = text("the scope to give its models", default="")
    retention = duration("how far back the memory goes", default=3600.0)


class TritonMetrics:
    """The statistics of one Triton, kept in memory as ``OpenMetrics`` keeps its scrapes. Thread-safe."""

    OPTIONS: ClassVar[type[Options]] = TritonMetricsOptions

    def __init__(self, wiring: Wiring[TritonMetricsOptions]) -> None:
        options = wiring.options
        self._http = connection(options)
        self._scope = options.scope
        ours = OpenMetricsOptions(options.timeout_s, url=options.url, retention=options.retention, preset="triton")
        self._memory = OpenMetrics(wiring.telling(ours), self._fetch)

    def current(self, window_s: float) -> tuple[VariantMetrics, ...]:
        return self._memory.current(window_s)

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
        return (*self._memory.probe(), Probe(ProbeKind.READ, None, NOT_COUNTED, "measure errors at the proxy as well"))

    def close(self) -> None:
        self._http.close()
        self._memory.close()

    def _fetch(self) -> str:
        found = tuple(statistics_of(self._http.request("GET", "/v2/models/stats").json()))
        lines = [f"# TYPE {name} counter" for name in (SUCCESS, FAILURE, DURATION, *STAGES.values())]
        return "\n".join([*lines, *(line for one in found for line in self._written(one)), ""])

    def _written(self, one: Counted) -> Iterator[str]:
        named = {"model": one.model, "version": one.version, "namespace": self._scope}
        labels = ",".join(f'{name}="{escaped(value)}"' for name, value in named.items())
        for name, value in ((SUCCESS, one.success), (FAILURE, one.fail), (DURATION, one.success_ns // 1000)):
            yield f"{name}{{{labels}}} {value}"
        for stage, ns in one.stages.items():
            yield f"{STAGES[stage]}{{{labels}}} {ns // 1000}"
