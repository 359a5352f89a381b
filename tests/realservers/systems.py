"""What each system of a preset exposes, as an exporter's text: 20 requests a scrape, a quarter of them failed where
that can be told, all between 0.1 and 0.2 seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backends.contracts import Subject
from backends.metrics.preset import Preset, split
from tests.realservers.exporters import Render, histogram, line

REVISION = "churn-predictor-00002"
KNATIVE_POD = f"{REVISION}-deployment-5c4b3a2f1-fghij"
POD = "churn-blue-5c4b3a2f1-fgh7j"


@dataclass(frozen=True, slots=True)
class Example:
    """Labels as the system has them, values of its outcome's label, and what they join to."""

    labels: Mapping[str, str]
    subject: Subject
    good: str = "200"
    bad: str = "503"


EXAMPLES: Mapping[str, Example] = {
    "lab": Example(
        {"scope": "ml", "endpoint": "churn", "variant": "v2", "mirrored": "false"}, Subject("churn", "v2", "ml")
    ),
    "model": Example({"model": "churn", "version": "7", "namespace": "ml"}, Subject("churn", "7", "ml")),
    "istio": Example(
        {
            "reporter": "source",
            "destination_service_name": "churn-predictor",
            "destination_canonical_revision": "v2",
            "destination_service_namespace": "ml",
        },
        Subject("churn", "v2", "ml"),
        bad="0",
    ),
    "knative-1.18": Example(
        {"service_name": "churn-predictor", "revision_name": REVISION, "namespace_name": "ml"},
        Subject("churn", REVISION, "ml"),
        good="2xx",
        bad="5xx",
    ),
    "knative-1.19": Example({"pod": KNATIVE_POD, "namespace": "ml"}, Subject("churn", REVISION, "ml")),
    "knative-1.21": Example({"pod": KNATIVE_POD, "namespace": "ml"}, Subject("churn", REVISION, "ml")),
    "kserve": Example({"model_name": "churn", "pod": KNATIVE_POD, "namespace": "ml"}, Subject("churn", REVISION, "ml")),
    "seldon-v1": Example(
        {"deployment_name": "churn", "predictor_name": "canary", "namespace": "ml"}, Subject("churn", "canary", "ml")
    ),
    "seldon-v2": Example({"model": "churn", "model_internal": "churn_2"}, Subject("churn", "churn_2"), bad="500"),
    "triton": Example({"model": "churn", "version": "2"}, Subject("churn", "2")),
    "torchserve": Example({"model_name": "churn", "model_version": "2.0"}, Subject("churn", "2.0")),
    "tf-serving": Example(
        {"model_name": "churn", "pod": POD}, Subject("churn", "churn-blue"), good="OK", bad="INVALID_ARGUMENT"
    ),
    "vllm": Example({"model_name": "churn", "pod": POD}, Subject("churn", "churn-blue"), good="stop", bad="error"),
    "bentoml": Example({"service_name": "churn", "service_version": "2"}, Subject("churn", "2")),
    "haproxy": Example({"proxy": "churn", "server": "v2-1"}, Subject("churn", "v2"), good="2xx", bad="5xx"),
    "mlserver": Example({"model": "churn", "version": "2"}, Subject("churn", "2")),
    "mlserver-rest": Example(
        {"service": "churn", "pod": POD, "path": "/v2/models/{model_name}/infer"}, Subject("churn", "churn-blue")
    ),
    "ray-serve": Example({"application": "churn-v2", "route": "/churn"}, Subject("churn", "churn-v2")),
    "fastapi": Example(
        {"service": "churn", "pod": POD, "handler": "/predict"}, Subject("churn", "churn-blue"), good="2xx", bad="5xx"
    ),
}


def rendered(preset: Preset, example: Example) -> Render:
    """An exporter's text for that system."""

    def render(n: int) -> str:
        labels = dict(example.labels)
        made: dict[str, str] = {}
        latency = preset.latency
        if latency.histogram:
            bounds = {0.1: 0, 0.2: 20 * n, float("inf"): 0}
            bins = {f"{bound / latency.unit:g}".replace("inf", "+Inf"): count for bound, count in bounds.items()}
            name = split(latency.histogram)[0]
            with_code = {**labels, preset.code: example.good} if _counted_by(preset, name) else labels
            made[name] = histogram(name, bins, 3.0 * n / latency.unit, **with_code)
        if latency.summary:
            values = {"0.5": 0.12, "0.95": 0.19, "0.99": 0.2}
            made[latency.summary] = "".join(
                line(latency.summary, value / latency.unit, **labels, quantile=q) for q, value in values.items()
            )
        if latency.mean_sum:
            made[latency.mean_sum] = line(latency.mean_sum, 0.15 * 15 * n / latency.unit, **labels)
        for counter in preset.requests:
            name = split(counter)[0]
            outcomes = {example.good: 15, example.bad: 5} if preset.code else {"": 15 if preset.failures else 20}
            if name.removesuffix("_count") in made:
                if preset.code:
                    failed = {**labels, preset.code: example.bad}
                    made["failed"] = line(name, 5 * n, **failed).replace("_count{", "_count{")
                continue
            made[name] = "".join(
                line(name, count * n, **({**labels, preset.code: code} if preset.code else labels))
                for code, count in outcomes.items()
            )
        for counter in preset.failures:
            made[counter] = line(split(counter)[0], 0 if preset.code else 5 * n, **labels)
        if latency.mean_count and split(latency.mean_count)[0] not in made:
            made[latency.mean_count] = line(latency.mean_count, 15 * n, **labels)
        return "".join(made.values())

    return render


def _counted_by(preset: Preset, name: str) -> bool:
    """Whether a histogram's own count is the counter of requests, with the outcome as its label."""
    return bool(preset.code) and f"{name}_count" in preset.requests
