"""What real model servers expose, written anew with neutral names: 40 requests, of which some failed, ``n`` times."""

from __future__ import annotations

from collections.abc import Iterable


def buckets(name: str, labels: str, upto: Iterable[tuple[str, int]], total: float, n: int) -> str:
    """A classic histogram with cumulative counts, and the ``_created`` series that Python's client adds."""
    counts = list(upto)
    comma = "," if labels else ""
    lines = [f'{name}_bucket{{le="{le}"{comma}{labels}}} {float(count * n)}' for le, count in counts]
    whole = f"{{{labels}}}" if labels else ""
    lines += [f"{name}_count{whole} {float(counts[-1][1] * n)}", f"{name}_sum{whole} {total * n}"]
    return f"# HELP {name} Time\n# TYPE {name} histogram\n" + "\n".join(lines) + "\n"


def created(name: str, labels: str) -> str:
    return f"# TYPE {name}_created gauge\n{name}_created{{{labels}}} 1.7957572151152866e+09\n"


PYTHON = """\
# HELP python_info Python platform information
# TYPE python_info gauge
python_info{implementation="CPython",major="3",minor="11",patchlevel="7",version="3.11.7"} 1.0
# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.7957572e+09
"""


def mlserver(n: int, version: str = "v1", failed: int = 10, good: int = 30) -> str:
    """MLServer 1.7: counters made at the first request of their kind; client errors are failures of a model "none"."""
    whose = f'model="churn",version="{version}"'
    text = "# TYPE model_infer_request_success_total counter\n# TYPE model_infer_request_failure_total counter\n"
    if good:
        text += f"model_infer_request_success_total{{{whose}}} {float(good * n)}\n"
        text += created("model_infer_request_success", whose)
    if failed:
        text += f"model_infer_request_failure_total{{{whose}}} {float(failed * n)}\n"
    text += 'model_infer_request_failure_total{model="none",version="None"} 11.0\n'
    text += f"# TYPE model_infer_request_duration summary\nmodel_infer_request_duration_count{{{whose}}} {40.0 * n}\n"
    text += f"model_infer_request_duration_sum{{{whose}}} {1.6 * n}\n"
    for status, count in (("200", good), ("500", failed)):
        rest = f'app_name="mlserver",method="POST",path="/v2/models/{{model_name}}/infer",status_code="{status}"'
        text += f"rest_server_requests_total{{{rest}}} {float(count * n)}\n"
        text += buckets(
            "rest_server_request_duration_seconds",
            rest,
            (("0.05", 0), ("0.1", count), ("+Inf", count)),
            0.08 * count,
            n,
        )
    ready = 'app_name="mlserver",method="GET",path="/v2/models/{model_name}/ready",status_code="200"'
    return f"{text}rest_server_requests_total{{{ready}}} {500.0 * n}\n{PYTHON}"


def kserve(n: int) -> str:
    """KServe's ModelServer 0.21: three stages, of which post-processing sees only what went well. No status."""
    text = ""
    for stage, count in (("preprocess", 40), ("predict", 40), ("postprocess", 30), ("explain", 0)):
        upto = (("0.05", 0), ("0.075", count), ("0.1", count), ("0.25", count), ("+Inf", count))
        text += buckets(f"request_{stage}_seconds", 'model_name="churn"', upto, 0.06 * count, n)
    return text + created("request_predict_seconds", 'model_name="churn"') + PYTHON


def bentoml(n: int, version: str = "v1") -> str:
    """BentoML 1.4, several processes in one page: the gauges of each have its pid. No process metrics."""
    text = ""
    for code, count in (("200", 30), ("500", 10)):
        whose = f'endpoint="/predict",http_response_code="{code}",runner_name="churn",service_name="churn"'
        whose += f',service_version="{version}"'
        text += f"bentoml_service_request_total{{{whose}}} {float(count * n)}\n"
        upto = (("0.05", 0), ("0.1", count), ("0.25", count), ("+Inf", count))
        text += buckets("bentoml_service_request_duration_seconds", whose, upto, 0.08 * count, n)
    for pid in ("154", "155"):
        text += (
            f'bentoml_service_last_request_timestamp_seconds{{pid="{pid}",runner_name="churn",service_name="churn"'
            f',service_version="{version}"}} 1.7957567281312928e+09\n'
        )
    return text


def ray(n: int) -> str:
    """Ray Serve 2.60: labels of where it ran, and the deprecated twins without ``_total``."""
    node = 'Component="core_worker",NodeAddress="192.0.2.2",SessionName="session",Version="2.60.0",WorkerId="w"'
    scope = 'otel_scope_name="ray",otel_scope_schema_url="",otel_scope_version=""'
    text = ""
    for application, status, count in (("churn-v1", "200", 40), ("churn-v2", "200", 30), ("churn-v2", "500", 10)):
        whose = (
            f'{node},application="{application}",method="POST",{scope},route="/{application}",status_code="{status}"'
        )
        text += f"ray_serve_num_http_requests_total{{{whose}}} {float(count * n)}\n"
        upto = (("50.0", 0), ("100.0", count), ("200.0", count), ("+Inf", count))
        text += buckets("ray_serve_http_request_latency_ms", whose, upto, 80.0 * count, n)
    return text


def fastapi(n: int) -> str:
    """The instrumentator 8.1: grouped statuses, and a histogram without labels that counts /metrics as well."""
    text = f'http_requests_total{{handler="/metrics",method="GET",status="2xx"}} {38.0 * n}\n'
    for status, count in (("2xx", 27), ("5xx", 10), ("4xx", 3)):
        text += f'http_requests_total{{handler="/predict",method="POST",status="{status}"}} {float(count * n)}\n'
    text += buckets("http_request_duration_highr_seconds", "", (("0.05", 40), ("0.1", 78), ("+Inf", 78)), 5.0, n)
    upto = (("0.1", 40), ("0.5", 40), ("1.0", 40), ("+Inf", 40))
    return text + buckets("http_request_duration_seconds", 'handler="/predict",method="POST"', upto, 2.4, n) + PYTHON


def triton_summaries(n: int) -> str:
    """Triton with summary_latencies (triton-inference-server/server #8125, #6011)."""
    whose = 'model="churn",version="2"'
    text = f"nv_inference_request_success{{{whose}}} {30 * n}\nnv_inference_request_failure{{{whose}}} {10 * n}\n"
    for q, value in (("0.5", 61000), ("0.9", 80000), ("0.95", 90000), ("0.99", 99000)):
        text += f'nv_inference_request_summary_us{{{whose},quantile="{q}"}} {value}\n'
    text += f"nv_inference_request_summary_us_count{{{whose}}} {40 * n}\n"
    return f"{text}nv_inference_request_summary_us_sum{{{whose}}} {2_600_000 * n}\n"
