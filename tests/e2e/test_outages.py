"""Registry, metrics and gateway gone, slow, answering garbage, answering 401: each is named, and the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.program import endpoint, journal, outcomes, run, source, variant
from tests.e2e.watcher import Watcher
from tests.faults import Fault, FaultProxy
from tests.lab import Lab
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

SENTIMENT = "lab:prod/sentiment"
PRICING = "lab:prod/pricing"

FAULTS: tuple[tuple[Fault, int, tuple[str, ...]], ...] = (
    (Fault.GONE, 0, ("unreachable",)),
    (Fault.HANG, 0, ("unreachable",)),
    (Fault.GARBAGE, 0, ("malformed",)),
    (Fault.STATUS, 401, ("unauthenticated",)),
)


@dataclass(frozen=True, slots=True)
class World:
    """The lab behind a proxy for its gateway and one for its metrics."""

    lab: Lab
    gateway: FaultProxy
    metrics: FaultProxy
    folder: Path

    def config(self, registry: str = "", timeout: str = "3s") -> Path:
        return self.lab.configure(
            self.folder,
            gateway=self.gateway.url,
            metrics=f"{self.metrics.url}/metrics",
            registry=registry,
            timeout=timeout,
        )


@pytest.fixture
def world(lab: Lab, tmp_path: Path) -> Iterator[World]:
    with FaultProxy(lab.gateway) as gateway, FaultProxy(lab.gateway) as metrics:
        yield World(lab, gateway, metrics, tmp_path)


def test_a_metrics_outage_is_named_and_hides_nothing_else(world: World) -> None:
    with Watcher(world.config(timeout="1s")) as watcher:
        watcher.wait_state("gateway", "ok")
        for fault, status, states in FAULTS:
            world.metrics.set(fault, status=status)
            failing = watcher.wait_state("gateway", *states)
            assert failing["error"], fault
            watcher.wait_state("lab", "ok")
            assert len(watcher.latest["endpoints"]) == 6, fault
            world.metrics.set(Fault.PASS)
            watcher.wait_state("gateway", "ok")


def test_a_gateway_outage_is_named_and_its_data_is_not_taken_for_fresh(world: World) -> None:
    with Watcher(world.config(timeout="1s")) as watcher:
        watcher.wait_state("lab", "ok")
        for fault, status, states in FAULTS:
            world.gateway.set(fault, status=status)
            failing = watcher.wait_state("lab", *states)
            assert failing["error"], fault
            watcher.wait_state("gateway", "ok")
            assert len(watcher.latest["endpoints"]) == 6, "what was known stays on the screen, marked with its age"
            world.gateway.set(Fault.PASS)
            watcher.wait_state("lab", "ok")


@pytest.mark.parametrize(("fault", "status", "states"), FAULTS)
def test_a_registry_outage_is_named_and_traffic_is_still_shown(
    world: World, fault: Fault, status: int, states: tuple[str, ...]
) -> None:
    with FaultProxy(world.lab.gateway) as registry:
        registry.set(fault, status=status)
        found = run("status", "--json", config=world.config(registry=registry.url)).json
    assert source(found, "mlflow")["state"] in states
    assert source(found, "mlflow")["error"]
    assert source(found, "mlflow")["age_s"] is None
    assert {source(found, name)["state"] for name in ("lab", "gateway")} == {"ok"}
    assert variant(found, SENTIMENT, "v8")["observed"] == 10.0


def test_the_drill_registry_down_is_seen_and_gets_over(lab: Lab, config: Path) -> None:
    with Watcher(config) as watcher:
        watcher.wait_state("mlflow", "ok")
        lab.drill("registry-down", running=True)
        assert watcher.wait_state("mlflow", "unreachable")["error"]
        watcher.wait_state("lab", "ok")
        lab.drill("registry-down", running=False)
        watcher.wait_state("mlflow", "ok")


def test_without_metrics_nothing_is_healthy_and_checks_say_so(world: World) -> None:
    world.metrics.set(Fault.GONE)
    config = world.config()
    found = run("status", "--json", config=config).json
    for one in found["endpoints"]:
        assert one["health"] not in ("healthy", "ok"), one
        assert all(each["measured"] is None for each in one["variants"]), one
    done = run("shift", PRICING, "v22=10", "--dry-run", "--json", "--observe", "0", config=config)
    checks = {one["name"]: one for one in done.json["plan"]["checks"]}
    assert checks["data fresh"]["verdict"] != "pass", checks
    assert "gateway" in checks["data fresh"]["evidence"]
    assert all(one["verdict"] != "pass" for name, one in checks.items() if "SLO" in name), checks


def test_a_retreat_needs_no_metrics(world: World) -> None:
    world.metrics.set(Fault.GONE)
    release = next(one["id"] for one in world.lab.traffic("prod/sentiment")["releases"] if one["good"])
    done = run(
        "rollback", SENTIMENT, release, "--reason", "blind", "--yes", "--json", "--timeout", "6", config=world.config()
    )
    assert done.code == 0, done
    assert done.json["outcome"]["confirmed"] is None, "nobody could measure it, and nobody says so"
    assert world.lab.weights("prod/sentiment") == {"v7": 100.0, "v8": 0.0}


def test_an_answer_that_is_lost_is_read_back_and_not_sent_again(world: World) -> None:
    """The gateway takes the change, and the connection breaks before its answer arrives."""
    config = world.config()
    with Watcher(config) as watcher:  # its reads keep the proxy busy, as the app's do
        watcher.wait_state("lab", "ok")
    before = world.lab.traffic("prod/pricing")["generation"]
    world.gateway.set(Fault.LOST_ANSWER, only="PUT")
    words = ("shift", PRICING, "v22=10", "--reason", "a step", "--yes", "--override", "--json", "--observe", "0")
    done = run(*words, config=config)
    assert world.lab.traffic("prod/pricing")["generation"] == before + 1, "sent once"
    assert done.code == 0, done
    assert done.json["outcome"]["kind"] == "settled"
    [outcome] = outcomes(journal(config), done.json["seq"])
    assert outcome["outcome"] == "settled"


def test_a_gateway_that_dies_before_the_call_fails_and_changes_nothing(world: World) -> None:
    config = world.config()
    world.gateway.set(Fault.STATUS, status=503, only="PUT")
    words = ("shift", PRICING, "v22=10", "--reason", "a step", "--yes", "--override", "--json", "--observe", "0")
    done = run(*words, config=config)
    assert done.code == 1, done
    assert done.json["outcome"]["kind"] == "failed"
    assert world.lab.weights("prod/pricing", "desired") == {"v21": 95.0, "v22": 5.0}


def test_data_ages_while_its_source_is_gone(world: World) -> None:
    with Watcher(world.config()) as watcher:
        watcher.wait_state("lab", "ok")
        world.gateway.set(Fault.GONE)
        watcher.wait_state("lab", "unreachable")
        first = source(watcher.latest, "lab")["age_s"]
        world.metrics.set(Fault.GONE)  # what else changes has the status printed again
        watcher.wait_state("gateway", "unreachable")
        older = wait_until(
            lambda: source(watcher.latest, "lab")["age_s"] > first, 10, "the age of the data to grow", every_s=0.2
        )
        assert older
        assert endpoint(watcher.latest, SENTIMENT)["health"] not in ("healthy", "ok")
