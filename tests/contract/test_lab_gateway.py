"""The lab as a process and its gateway over HTTP: what it promises to whoever talks to it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from backends.lab import state
from backends.lab.gpus import DEVICES, FAULTY
from backends.lab.world import ENDPOINTS
from tests.lab import DELAY_S, RunningLab, fresh_lab
from tests.waiting import wait_until

SENTIMENT = "/v1/endpoints/prod/sentiment"
PRICING = "/v1/endpoints/prod/pricing"
SETTLE_S = 20.0


@pytest.fixture
def http(lab: RunningLab) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=lab.gateway, timeout=10.0) as client:
        yield client


@pytest.fixture
def drill(http: httpx.Client) -> Iterator[Callable[[str], None]]:
    """Starts drills that end with the test."""
    started: list[str] = []

    def start(name: str) -> None:
        http.put(f"/lab/drills/{name}").raise_for_status()
        started.append(name)

    yield start
    for name in started:
        http.delete(f"/lab/drills/{name}").raise_for_status()


@pytest.fixture
def pricing(http: httpx.Client) -> Iterator[str]:
    """The traffic of an endpoint that the test may change: it is put right before, and put back afterwards."""
    path = f"{PRICING}/traffic"
    put_right(http, path)
    yield path
    put_right(http, path)


def put_right(http: httpx.Client, path: str) -> None:
    """Pricing as the lab begins with it."""
    wanted = {"v21": 95, "v22": 5}
    if weights(http.get(path).json(), "desired") != wanted:
        http.put(path, json={"weights": wanted, "stable": "v21"}, headers={"If-Match": "*"})
    wait_until(lambda: weights(http.get(path).json(), "observed") == wanted, SETTLE_S, "pricing as it was")


def weights(traffic: dict[str, Any], kind: str) -> dict[str, float]:
    return {variant["name"]: variant["weight"][kind] for variant in traffic["variants"]}


def samples(http: httpx.Client, name: str, **labels: str) -> list[tuple[dict[str, str], float]]:
    answer = http.get("/metrics").raise_for_status()
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]


def count(http: httpx.Client, name: str, **labels: str) -> float:
    return sum(value for _, value in samples(http, name, **labels))


# ── starting ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_says_how_far_it_is_and_then_where_everything_is(lab: RunningLab) -> None:
    assert list(lab.progress) == sorted(lab.progress)
    assert lab.progress[-1] == 1.0
    assert lab.metrics == f"{lab.gateway}/metrics"
    assert urlsplit(lab.gateway).hostname == "127.0.0.1"


def test_its_files_are_for_its_owner_only(lab: RunningLab) -> None:
    folder = lab.config.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path.name


def test_its_configuration_points_at_it(lab: RunningLab) -> None:
    config = tomllib.loads(lab.config.read_text(encoding="utf-8"))
    context = config["contexts"][config["default_context"]]
    assert context["registries"]["mlflow"]["uri"] == lab.registry
    assert context["serving"]["lab"]["url"] == lab.gateway
    assert context["metrics"]["gateway"]["url"] == lab.metrics
    assert context["slo"]["endpoints"]["lab:prod/ranker"]["p95"] == "400ms"
    assert Path(config["journal"]).parent == lab.config.parent
    reference = json.loads(Path(context["drift"]["psi"]["reference"]).read_text(encoding="utf-8"))
    assert {one["model"] for one in reference["features"]} == {spec.model for spec in ENDPOINTS}


# ── traffic ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_lists_every_endpoint_as_it_tells_of_each(http: httpx.Client) -> None:
    listed = http.get("/v1/endpoints").json()["endpoints"]
    assert [one["name"] for one in listed] == [spec.name for spec in ENDPOINTS]
    churn = next(one for one in listed if one["name"] == "churn")
    answer = http.get("/v1/endpoints/prod/churn/traffic")
    assert answer.json() == churn
    assert answer.headers["etag"] == f'"{churn["generation"]}"'


def test_a_split_is_desired_at_once_observed_later_and_then_routes_requests(http: httpx.Client, pricing: str) -> None:
    before = http.get(pricing)
    headers = {"If-Match": before.headers["etag"], "X-Operator": "zo%C3%AB", "X-Reason": "half and half"}
    began = time.monotonic()
    answer = http.put(pricing, json={"weights": {"v21": 50, "v22": 50}}, headers=headers)
    assert answer.status_code == 200
    assert weights(answer.json(), "desired") == {"v21": 50, "v22": 50}
    assert weights(answer.json(), "observed") == {"v21": 95, "v22": 5}
    assert answer.json()["phase"] == "progressing"
    release = answer.json()["releases"][0]
    assert (release["by"], release["reason"], release["current"]) == ("zoë", "half and half", True)
    wait_until(
        lambda: weights(http.get(pricing).json(), "observed")["v22"] == 50, SETTLE_S, "the split to be in effect"
    )
    assert time.monotonic() - began >= 0.5 * DELAY_S
    before_v22 = count(http, "model_requests_total", endpoint="pricing", variant="v22")
    before_all = count(http, "model_requests_total", endpoint="pricing")
    wait_until(
        lambda: count(http, "model_requests_total", endpoint="pricing") - before_all > 60, 30, "60 requests for pricing"
    )
    share = (count(http, "model_requests_total", endpoint="pricing", variant="v22") - before_v22) / (
        count(http, "model_requests_total", endpoint="pricing") - before_all
    )
    assert 0.25 < share < 0.75


def test_a_lost_update_is_refused_and_says_who_was_faster(http: httpx.Client, pricing: str) -> None:
    stale = http.get(pricing).headers["etag"]
    faster = http.put(
        pricing, json={"weights": {"v21": 90, "v22": 10}}, headers={"If-Match": stale, "X-Operator": "mei"}
    )
    answer = http.put(pricing, json={"weights": {"v21": 0, "v22": 100}}, headers={"If-Match": stale})
    assert answer.status_code == 412
    assert answer.json()["error"] == "changed"
    assert "mei" in answer.json()["detail"]
    assert answer.headers["etag"] == faster.headers["etag"]
    assert weights(http.get(pricing).json(), "desired") == {"v21": 90, "v22": 10}


@pytest.mark.parametrize(
    ("content", "status", "error"),
    [
        ('{"weights": {"v21": 50, "v22": 60}}', 422, "bad_sum"),
        ('{"weights": {"v21": 50, "v99": 50}}', 422, "unknown_variant"),
        ('{"weights": {"v21": NaN, "v22": 100}}', 422, "bad_weight"),
        ('{"weights": {"v21": 1e999, "v22": 100}}', 422, "bad_weight"),
        ('{"weights": {"v21": "all"}}', 400, "bad_request"),
        ('{"weights": [50, 50]}', 400, "bad_request"),
        ('{"wieghts": {"v21": 100}}', 400, "bad_request"),
        ("{}", 400, "bad_request"),
        ("[]", 400, "bad_request"),
        ("weights", 400, "bad_request"),
        ("[" * 60_000, 400, "bad_request"),
        (" " * 70_000, 400, "bad_request"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_what_does_not_fit_is_refused_with_a_clear_reason(
    http: httpx.Client, content: str, status: int, error: str
) -> None:
    before = asked(http)
    answer = http.put(f"{PRICING}/traffic", content=content, headers={"If-Match": "*"})
    assert answer.status_code == status
    assert answer.json()["error"] == error
    assert len(answer.json()["detail"]) > 10
    assert asked(http) == before


def asked(http: httpx.Client) -> tuple[object, dict[str, float]]:
    """What the endpoint is wanted to be, whether it is there yet or not."""
    traffic = http.get(f"{PRICING}/traffic").json()
    return traffic["generation"], weights(traffic, "desired")


def test_a_write_without_a_guard_and_one_to_nowhere_are_refused(http: httpx.Client) -> None:
    assert http.put(f"{PRICING}/traffic", json={"weights": {"v21": 100}}).status_code == 428
    assert http.get("/v1/endpoints/prod/nope/traffic").status_code == 404
    nowhere = http.put("/v1/endpoints/prod/nope/traffic", json={"weights": {}}, headers={"If-Match": "*"})
    assert nowhere.status_code == 404
    assert http.delete(f"{PRICING}/traffic").status_code == 405


# ── predictions and metrics ─────────────────────────────────────────────────────────────────────────────────────


def test_a_request_is_scored_by_a_real_model(http: httpx.Client) -> None:
    def score(praise: float) -> float:
        features = {"text_len": 80, "exclamations": 1, "negations": 0, "praise": praise, "lang_score": 0.9}
        while True:  # a request in five hundred fails, as in life
            answer = http.post(f"{SENTIMENT}/predict", json={"features": features})
            if answer.status_code == 200:
                told = answer.json()
                assert (told["model"], told["variant"]) == ("sentiment-classifier", f"v{told['version']}")
                return float(told["prediction"])

    assert score(0.95) > 0.9
    assert score(0.05) < 0.2


def test_a_request_without_its_features_is_refused(http: httpx.Client) -> None:
    answer = http.post(f"{SENTIMENT}/predict", json={"features": {"text_len": 80}})
    assert answer.status_code == 400
    assert "exclamations" in answer.json()["detail"]
    assert http.post(f"{SENTIMENT}/predict", json={"features": [1]}).status_code == 400


def test_requests_come_by_themselves_and_are_split_and_mirrored(http: httpx.Client) -> None:
    def counted() -> dict[str, float]:
        return {
            "all": count(http, "model_requests_total", endpoint="sentiment"),
            "canary": count(http, "model_requests_total", endpoint="sentiment", variant="v8"),
            "mirrored": count(http, "model_requests_total", endpoint="fraud", variant="v13", mirrored="true"),
            "shadow_live": count(http, "model_requests_total", endpoint="fraud", variant="v13", mirrored="false"),
        }

    before = counted()
    wait_until(lambda: counted()["all"] - before["all"] > 200, 60, "200 requests for sentiment")
    found = {name: value - before[name] for name, value in counted().items()}
    assert 0.03 < found["canary"] / found["all"] < 0.2
    assert found["mirrored"] > 0
    assert found["shadow_live"] == 0


def test_a_healthy_endpoint_is_quick_in_its_histogram(http: httpx.Client) -> None:
    """On a busy machine its answers are late for a while: there is a stretch in which they are not."""

    def counted() -> tuple[float, float]:
        return (
            count(http, "model_request_duration_seconds_count", endpoint="sentiment"),
            count(http, "model_request_duration_seconds_bucket", endpoint="sentiment", le="0.2"),
        )

    began = counted()

    def healthy() -> bool:
        nonlocal began
        now = counted()
        timed, quick = now[0] - began[0], now[1] - began[1]
        if timed < 100:
            return False
        began = now
        return quick / timed > 0.94

    wait_until(healthy, 90, "p95 to be under 200 ms, give or take", every_s=0.2)


def test_feature_values_are_counted_by_model_version_and_feature(http: httpx.Client) -> None:
    labels = {"endpoint": "eta", "model": "eta-regressor", "version": "5"}
    wait_until(lambda: count(http, "model_feature_value_count", feature="stops", **labels) > 5, 30, "values of stops")
    found = {one["feature"] for one, _ in samples(http, "model_feature_value_count", **labels)}
    assert found == {"distance_km", "congestion", "stops", "rain_mm", "prediction"}
    buckets = samples(http, "model_feature_value_bucket", feature="stops", **labels)
    assert [one["le"] for one, _ in buckets] == ["0.0", "1.0", "2.0", "3.0", "4.0", "6.0", "+Inf"]
    values = [value for _, value in buckets]
    assert values == sorted(values)


def test_gpus_are_named_as_the_dcgm_exporter_does_and_marked_as_simulated(http: httpx.Client) -> None:
    for metric in ("GPU_UTIL", "FB_USED", "FB_FREE", "GPU_TEMP", "POWER_USAGE", "SM_CLOCK", "XID_ERRORS"):
        found = samples(http, f"DCGM_FI_DEV_{metric}")
        assert len(found) == len(DEVICES)
        assert all(labels["simulated"] == "true" for labels, _ in found)
    pods = {labels["pod"] for labels, _ in samples(http, "DCGM_FI_DEV_GPU_UTIL", namespace="prod")}
    assert {"sentiment-v7-0", "sentiment-v8-0", "fraud-v12-0"} <= pods


# ── drills ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_drills_can_be_listed_started_and_ended(http: httpx.Client) -> None:
    def running() -> set[str]:
        return {one["name"] for one in http.get("/lab/drills").json()["drills"] if one["running"]}

    assert http.put("/lab/drills/slow-control-plane").json()["running"] is True
    assert running() == {"slow-control-plane"}
    assert http.delete("/lab/drills/slow-control-plane").json()["running"] is False
    assert running() == set()
    assert http.put("/lab/drills/nope").status_code == http.delete("/lab/drills/nope").status_code == 404


def test_a_bad_canary_fails_and_is_slow_while_stable_is_well(http: httpx.Client, drill: Callable[[str], None]) -> None:
    labels = {"endpoint": "sentiment", "variant": "v8"}
    ok, failed = (count(http, "model_requests_total", code=code, **labels) for code in ("200", "500"))
    drill("bad-canary")

    def answered() -> tuple[float, float]:
        return (
            count(http, "model_requests_total", code="500", **labels) - failed,
            count(http, "model_requests_total", code="200", **labels) - ok,
        )

    wait_until(lambda: answered()[0] >= 2 and sum(answered()) >= 30, 120, "requests to v8, of which some fail")
    bad, good = answered()
    assert 0.01 < bad / (bad + good) < 0.5
    stable = {"endpoint": "sentiment", "variant": "v7"}
    assert count(http, "model_requests_total", code="500", **stable) < 0.02 * count(
        http, "model_requests_total", **stable
    )


@pytest.mark.parametrize(
    ("name", "endpoint", "variant"), [("bad-canary", "sentiment", "v8"), ("latency-regression", "pricing", "v22")]
)
def test_a_slow_variant_is_slow_in_its_histogram(
    http: httpx.Client, drill: Callable[[str], None], name: str, endpoint: str, variant: str
) -> None:
    labels = {"endpoint": endpoint, "variant": variant, "mirrored": "false"}

    def timed() -> tuple[float, float]:
        return (
            count(http, "model_request_duration_seconds_count", **labels),
            count(http, "model_request_duration_seconds_sum", **labels),
        )

    drill(name)
    first = timed()
    wait_until(lambda: timed()[0] - first[0] >= 8, 60, f"requests for {endpoint} {variant}")
    last = timed()
    assert (last[1] - first[1]) / (last[0] - first[0]) > 0.1, "its mean is about 50 ms when it is well"


def test_drift_moves_the_amounts_of_payments(http: httpx.Client, drill: Callable[[str], None]) -> None:
    labels = {"endpoint": "fraud", "variant": "v12", "feature": "amount"}

    def counted() -> tuple[float, float]:
        return (
            count(http, "model_feature_value_count", **labels),
            count(http, "model_feature_value_bucket", le="130.0", **labels),
        )

    drill("feature-drift")
    first = counted()
    wait_until(lambda: counted()[0] - first[0] >= 60, 60, "sixty payments")
    last = counted()
    assert (last[1] - first[1]) / (last[0] - first[0]) < 0.75, "without drift nine in ten are below 130"


def test_a_gpu_that_fell_off_the_bus_says_so(http: httpx.Client, drill: Callable[[str], None]) -> None:
    drill("gpu-fault")
    assert samples(http, "DCGM_FI_DEV_XID_ERRORS", UUID=FAULTY.uuid)[0][1] == 79
    assert samples(http, "DCGM_FI_DEV_GPU_UTIL", UUID=FAULTY.uuid) == [], "it answers nobody"
    assert [value for _, value in samples(http, "DCGM_FI_DEV_XID_ERRORS")].count(79) == 1


def test_metrics_can_be_down_while_the_rest_serves(http: httpx.Client, drill: Callable[[str], None]) -> None:
    drill("metrics-down")
    assert http.get("/metrics").status_code == 503
    assert http.get("/v1/endpoints").status_code == 200
    http.delete("/lab/drills/metrics-down")
    assert http.get("/metrics").status_code == 200


def test_a_slow_control_plane_takes_its_time(http: httpx.Client, pricing: str, drill: Callable[[str], None]) -> None:
    drill("slow-control-plane")
    began = time.monotonic()
    http.put(pricing, json={"weights": {"v21": 100, "v22": 0}}, headers={"If-Match": "*"})
    wait_until(lambda: weights(http.get(pricing).json(), "observed")["v22"] == 0, SETTLE_S, "a slow change")
    assert time.monotonic() - began >= 10 * DELAY_S


def test_a_rival_is_faster_than_whoever_planned_before(http: httpx.Client, drill: Callable[[str], None]) -> None:
    path = f"{SENTIMENT}/traffic"
    drill("rival-operator")
    plain = http.get(path)
    assert http.get(path).headers["etag"] == plain.headers["etag"]
    answer = http.put(path, json={"weights": {"v7": 100, "v8": 0}}, headers={"If-Match": plain.headers["etag"]})
    assert answer.status_code == 412
    now = http.get(path)
    assert now.json()["releases"][0]["by"] == "ana"
    assert weights(now.json(), "desired") == {"v7": 85, "v8": 15}
    again = http.put(path, json={"weights": {"v7": 90, "v8": 10}}, headers={"If-Match": now.headers["etag"]})
    assert again.status_code == 200, "the rival acts once"


def test_a_rival_acts_a_second_after_a_plan_was_begun(http: httpx.Client, drill: Callable[[str], None]) -> None:
    path = f"{SENTIMENT}/traffic"
    drill("rival-operator")
    planned = http.get(path, headers={"X-Intent": "plan"}).headers["etag"]
    wait_until(lambda: http.get(path).headers["etag"] != planned, 5, "ana to change the split")
    assert http.get(path).json()["releases"][0]["by"] == "ana"
    http.put(path, json={"weights": {"v7": 90, "v8": 10}}, headers={"If-Match": "*"}).raise_for_status()


# ── the registry ────────────────────────────────────────────────────────────────────────────────────────────────

LOOK = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient(tracking_uri=sys.argv[1], registry_uri=sys.argv[1])
models = {
    model.name: {alias: str(version) for alias, version in model.aliases.items()}
    for model in client.search_registered_models()
}
versions = client.search_model_versions("name='sentiment-classifier'")
newest = max(versions, key=lambda version: int(version.version))
run = client.get_run(newest.run_id)
print(json.dumps({
    "models": models, "versions": sorted(int(version.version) for version in versions), "tags": newest.tags,
    "age_ordered": [version.creation_timestamp for version in sorted(versions, key=lambda v: int(v.version))],
    "metrics": run.data.metrics, "params": run.data.params, "status": run.info.status,
}))
"""


def test_the_real_library_opens_the_registry_and_finds_models_runs_and_aliases(lab: RunningLab) -> None:
    looked = subprocess.run(
        [sys.executable, "-c", LOOK, lab.registry], capture_output=True, text=True, timeout=170, check=True
    )
    found = json.loads(looked.stdout)
    assert found["models"].keys() == {spec.model for spec in ENDPOINTS}
    assert found["models"]["sentiment-classifier"] == {"champion": "7", "challenger": "8"}
    assert found["versions"] == list(range(1, 9))
    assert found["age_ordered"] == sorted(found["age_ordered"])
    assert found["tags"]["security_scan"] == "passed"
    assert 0.8 < found["metrics"]["auc"] < 1.0
    assert int(found["params"]["rows"]) > 100
    assert found["status"] == "FINISHED"


def test_a_registry_that_is_down_answers_nobody(lab: RunningLab, drill: Callable[[str], None]) -> None:
    import sqlite3

    path = lab.registry.removeprefix("sqlite:///")
    drill("registry-down")
    with closing(sqlite3.connect(path, timeout=0.1)) as reader, pytest.raises(sqlite3.OperationalError, match="locked"):
        reader.execute("SELECT count(*) FROM registered_models")
    httpx.delete(f"{lab.gateway}/lab/drills/registry-down").raise_for_status()
    with closing(sqlite3.connect(path, timeout=5)) as reader:
        assert reader.execute("SELECT count(*) FROM registered_models").fetchone() == (len(ENDPOINTS),)


# ── ending ──────────────────────────────────────────────────────────────────────────────────────────────────────

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "backends.lab", "--with-parent"], stdin=subprocess.PIPE)
print(child.pid, flush=True)
time.sleep(300)
"""


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _ended(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True


@pytest.mark.parametrize("moment", ["while it starts", "when it is ready"])
def test_a_killed_parent_leaves_no_process_and_no_folder_behind(moment: str, tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    sign = '"sending requests"' if moment == "while it starts" else '"config"'
    line = next(line for line in parent.stdout if sign in line)
    family = _family(pid)
    assert len(family) == (2 if moment == "while it starts" else 1), "the registry is written by a process of its own"
    folders = list(tmp_path.glob(f"{state.PREFIX}*"))
    assert len(folders) == 1
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: all(map(_ended, family)), 2.0, f"the lab to end with its parent ({line.strip()})")
    assert not folders[0].exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_cleanly_at_any_time(number: signal.Signals, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "backends.lab"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    next(line for line in process.stdout if "training" in line)
    children = _family(process.pid)[1:]
    process.send_signal(number)
    _, complaints = process.communicate(timeout=5)
    assert (process.returncode, complaints) == (0, "")
    wait_until(lambda: all(map(_ended, children)), 2.0, "the registry's process to end")
    assert not list(tmp_path.glob(f"{state.PREFIX}*"))


def test_a_folder_of_ones_own_is_kept_and_used_by_one_lab_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    with fresh_lab("--state", str(folder), "--drill", "bad-canary", "--drill", "registry-down") as running:
        assert running.config == folder / "lab.toml"
        drills = httpx.get(f"{running.gateway}/lab/drills").json()["drills"]
        assert {one["name"] for one in drills if one["running"]} == {"bad-canary", "registry-down"}
        second = subprocess.run(
            [sys.executable, "-m", "backends.lab", "--state", str(folder)], capture_output=True, text=True, timeout=30
        )
        assert second.returncode == 1
        assert "another lab lives in" in second.stderr
    assert (folder / "lab.toml").exists()


def test_folders_of_labs_that_were_killed_are_swept_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with state.folder(None) as living:
        dead = tmp_path / f"{state.PREFIX}dead"
        dead.mkdir()
        (dead / state.LOCK).touch()
        (tmp_path / f"{state.PREFIX}not-ours").mkdir()
        state.sweep()
        assert {path.name for path in tmp_path.iterdir()} == {living.name, f"{state.PREFIX}not-ours"}
