"""Every other parser of what others answer: it is read, or one of our errors says what is wrong with it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.accelerators.dcgm import NAMES, XID_COUNT, DcgmAccelerators
from backends.accelerators.nvml import read_devices
from backends.child import read_answer
from backends.contracts import DriftScore, Histogram, Sample, Wiring
from backends.drift.gauges import GaugeDrift
from backends.drift.histograms import HistogramDrift
from backends.drift.methods import METHODS
from backends.drift.quality import QualityDrift
from backends.drift.reference import parse
from backends.errors import BackendError, Unauthenticated
from backends.http import HttpResponse, refusal
from backends.platforms.kubernetes.credentials import read_credential
from backends.platforms.kubernetes.failures import failure
from shiftdeck.health import drift_help
from shiftdeck.health.drift import findings
from tests.foreign import json_of

NOW = 1_795_000_000.0


def written(*words: str) -> st.SearchStrategy[bytes]:
    """Bytes, more often than not JSON."""
    beyond = st.sampled_from(
        (b"[" * 50_000, b"9" * 5_000, b'{"%b": %b}' % (b"".join(map(str.encode, words[:1])), b"9" * 5_000))
    )
    return st.binary() | json_of(*words).map(lambda value: json.dumps(value).encode()) | beyond


def refused(body: bytes) -> None:
    for status in (301, 401, 403, 404, 409, 412, 429, 500, 503):
        for retry_after in ("7", "-1", "soon", body.decode("latin-1")):
            raised = refusal(HttpResponse(status, {"retry-after": retry_after}, body, "it", write=True))
            assert raised.message.isprintable()


def kube_refused(body: bytes) -> None:
    for status in (200, 302, 400, 401, 403, 404, 409, 410, 422, 429, 500, 502, 503, 504):
        for method in ("GET", "PATCH"):
            failure(method, "/api/v1/namespaces", status, {"Retry-After": body.decode("latin-1")}, body, "it")


def devices(body: bytes) -> None:
    read_devices(read_answer(b'{"answer": %b}' % body, "it"), "node")


@pytest.mark.parametrize(
    ("read", "words"),
    [
        pytest.param(refused, ("error", "message", "detail"), id="a refusal"),
        pytest.param(kube_refused, ("message", "details", "retryAfterSeconds", "cannot get resource "), id="a Status"),
        pytest.param(lambda raw: HttpResponse(200, {}, raw, "it").json(), (), id="an answer"),
        pytest.param(lambda raw: read_answer(raw, "it"), ("answer", "error", "TimedOut", "BackendError"), id="a child"),
        pytest.param(devices, ("index", "xid", "memory_used"), id="NVML"),
        pytest.param(lambda raw: read_credential(raw, "aws"), ("status", "token"), id="a plug-in"),
    ],
)
def test_what_is_written_is_read_or_refused(read: Callable[[bytes], object], words: tuple[str, ...]) -> None:
    @given(written(*words))
    def tried(raw: bytes) -> None:
        with suppress(BackendError):
            read(raw)

    tried()


def test_a_plug_in_that_prints_no_credential_says_so() -> None:
    with pytest.raises(Unauthenticated, match="printed no credential"):
        read_credential("{}", "aws")


COLUMNS = ("model", "version", "feature", "bound", "category", "count")
CELLS = st.sampled_from(["", "1", "2.5", "-1", "nan", "+Inf", "1e999", "DE", '"', "churn", *COLUMNS])


@given(st.lists(st.lists(CELLS, max_size=7), max_size=6), st.booleans())
def test_a_table_of_references(rows: list[list[str]], headed: bool) -> None:
    lines = [",".join(COLUMNS)] if headed else []
    with suppress(BackendError):
        for one in parse("\n".join([*lines, *(",".join(row) for row in rows)]).encode(), "r.csv").values():
            assert math.isfinite(one.total)


# ── labels and values of any metric ─────────────────────────────────────────────────────────────────────────────


class AnyMetrics:
    """A metrics source in which every metric is what a test says."""

    def __init__(self, samples: list[Sample], histograms: list[Histogram]) -> None:
        self.found, self.counted = tuple(samples), tuple(histograms)

    def samples(self, name: str) -> tuple[Sample, ...]:
        return self.found

    def histograms(self, name: str, window_s: float, by: tuple[str, ...]) -> tuple[Histogram, ...]:
        return self.counted


DRIFT = ("endpoint", "variant", "scope", "model", "version", "feature", "method", "threshold", "direction", "delay")
LABEL = st.sampled_from([*DRIFT, "metric", "index", "value", "gpu", "Hostname", "UUID", "pod", "exported_pod"])
WORD = st.text(max_size=4) | st.sampled_from(["psi", "ks_p", "p_val", "above", "BELOW", "nan", "inf", "-1", "7", "60s"])
SAMPLES = st.lists(st.builds(Sample, st.dictionaries(LABEL, WORD, max_size=6), st.floats()), max_size=4)
COUNTS = st.lists(st.floats(0, 1e15) | st.just(0.0), min_size=1, max_size=5)


@st.composite
def histograms(draw: st.DrawFn) -> list[Histogram]:
    found = []
    for labels in draw(st.lists(st.dictionaries(LABEL, WORD, max_size=6), max_size=4)):
        counts = draw(COUNTS)
        edges = sorted(draw(st.sets(st.floats(-1e9, 1e9), min_size=len(counts) - 1, max_size=len(counts) - 1)))
        found.append(Histogram(labels, (*edges, math.inf), tuple(counts)))
    return found


def made(cls: Any, metrics: AnyMetrics, **options: object) -> Any:
    given = cls.OPTIONS(metrics="prom", **options)
    return cls(Wiring("it", given, lambda *_: metrics, lambda: NOW))  # type: ignore[arg-type]


def makes_sense(scores: tuple[DriftScore, ...]) -> None:
    for score in scores:
        assert (score.value is None) == (score.gap is not None)
        figures = (score.value, score.at, score.threshold, score.delay_s, *score.history, *score.times, *score.live)
        assert all(figure is None or math.isfinite(figure) for figure in figures)
        assert score.samples >= 0
        drift_help.meaning(score), drift_help.moved(score), drift_help.onset(score)
    for finding in findings(scores):
        drift_help.headline(finding)


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (GaugeDrift, {}),
        (GaugeDrift, {"timestamp": "when", "samples": "n"}),
        (GaugeDrift, {"format": "seldon"}),
        (QualityDrift, {}),
    ],
)
def test_any_gauge_is_a_score_or_says_why_not(cls: Any, options: dict[str, object]) -> None:
    @given(SAMPLES)
    def scored(samples: list[Sample]) -> None:
        # The gauge, its thresholds, moments and counts: all are what the test says.
        adapter = made(cls, AnyMetrics(samples, []), **options)
        for _ in range(2):
            makes_sense(adapter.scores())

    scored()


@given(histograms(), SAMPLES, st.sampled_from(list(METHODS)), st.sampled_from(["window", "stable"]))
def test_any_histogram_is_scored_or_says_why_not(
    counted: list[Histogram], samples: list[Sample], method: str, against: str
) -> None:
    metrics = AnyMetrics(samples, counted)
    adapter = made(HistogramDrift, metrics, method=method, against=against, categories="c", min_samples=1)
    for _ in range(2):
        makes_sense(adapter.scores())


READ = (*NAMES, XID_COUNT)


@given(st.lists(SAMPLES, min_size=len(READ), max_size=len(READ)))
def test_any_gauge_is_of_a_gpu_or_of_none(samples: list[list[Sample]]) -> None:
    answers = dict(zip(READ, samples, strict=True))
    metrics = AnyMetrics([], [])
    metrics.samples = lambda name: tuple(answers[name])  # type: ignore[method-assign]
    for gpu in made(DcgmAccelerators, metrics).gpus():
        assert gpu.memory_used is None or isinstance(gpu.memory_used, int)
