"""Small exporters with the metrics and labels of real servers: they count on their own, a scrape at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate

Render = Callable[[int], str]
"""From how many times it was scraped to what it exposes."""


class Exporter:
    """Serves ``render(n)`` at the n-th scrape. ``down`` makes it answer 503. Use it as a context manager."""

    def __init__(self, render: Render) -> None:
        self.render = render
        self.down = False
        self.scrapes = 0
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                exporter.scrapes += 1
                body = exporter.render(exporter.scrapes).encode()
                self.send_response(503 if exporter.down else 200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.target = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def exporting(render: Render) -> Iterator[Exporter]:
    made = Exporter(render)
    try:
        yield made
    finally:
        made.close()


def line(name: str, value: float, **labels: str) -> str:
    said = ",".join(f'{label.rstrip("_")}="{text}"' for label, text in labels.items())
    return f"{name}{{{said}}} {value:g}\n"


def histogram(name: str, bins: Mapping[str, float], total: float, **labels: str) -> str:
    """``bins`` are counts by upper bound, not cumulative; ``total`` is the sum of what was observed."""
    upto = zip(bins, accumulate(bins.values()), strict=True)
    lines = [line(f"{name}_bucket", count, **labels, le=bound) for bound, count in upto]
    lines += [line(f"{name}_count", sum(bins.values()), **labels), line(f"{name}_sum", total, **labels)]
    return f"# TYPE {name} histogram\n" + "".join(lines)


def triton(n: int) -> str:
    """Two versions of one model: 20 requests a scrape each, of version 2 a quarter fail, 50 ms and 100 ms."""
    return "".join(
        line("nv_inference_request_success", good * n, model="sentiment", version=version, gpu_uuid="GPU-1")
        + line("nv_inference_request_failure", bad * n, model="sentiment", version=version, reason="BACKEND")
        + line(
            "nv_inference_request_duration_us", good * n * mean, model="sentiment", version=version, gpu_uuid="GPU-1"
        )
        for version, good, bad, mean in (("1", 20, 0, 50_000), ("2", 15, 5, 100_000))
    )


def kserve(n: int) -> str:
    """Two revisions of one service, two pods of the second: between 0.1 and 0.25 s, and between 0.25 and 0.5 s."""
    pods = {
        "churn-predictor-00001-deployment-7d9f8c6b5-abcde": {"0.1": 0, "0.25": 10 * n, "0.5": 0, "+Inf": 0},
        "churn-predictor-00002-deployment-5c4b3a2f1-fghij": {"0.1": 0, "0.25": 0, "0.5": 4 * n, "+Inf": 0},
        "churn-predictor-00002-deployment-5c4b3a2f1-klmno": {"0.1": 0, "0.25": 0, "0.5": 6 * n, "+Inf": 0},
    }
    return "".join(
        histogram("request_predict_seconds", bins, 3.0 * n, model_name="churn", namespace="ml", pod=pod)
        for pod, bins in pods.items()
    )


def dcgm(n: int) -> str:
    """Two GPUs, the second with an XID error and held by a pod."""
    made = ""
    for gpu, used, xid, pod in (("0", 20_000, 0, ""), ("1", 60_000, 79, "churn-v2-0")):
        labels = {
            "gpu": gpu, "UUID": f"GPU-{gpu}", "device": f"nvidia{gpu}", "modelName": "NVIDIA A100-SXM4-80GB",
            "Hostname": "node-a", "namespace": "ml" if pod else "", "pod": pod, "container": "predictor" if pod else "",
        }  # fmt: skip
        values = {
            "GPU_UTIL": 37, "FB_USED": used, "FB_FREE": 80_000 - used, "GPU_TEMP": 61, "POWER_USAGE": 251.5,
            "SM_CLOCK": 1410, "XID_ERRORS": xid,
        }  # fmt: skip
        made += "".join(line(f"DCGM_FI_DEV_{name}", value, **labels) for name, value in values.items())
    return made
