"""Verdicts: what makes an endpoint red, amber, grey or green."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from backends.contracts import (
    Alert,
    AlertState,
    Direction,
    Endpoint,
    Histogram,
    Phase,
    Role,
    Subject,
    Variant,
    VariantMetrics,
)
from shiftdeck.config.loader import Slo
from shiftdeck.health.judge import Facts, is_live, judge
from shiftdeck.health.verdict import Level, Reason
from tests.fakes import Behaviour
from tests.unit.builders import SLO, WELL, canary, endpoint, gpu, metrics, score, stable, variant

FAULTY = Behaviour(0.06, 0.5, 0.062)
SLOW = Behaviour(0.15, 0.5)
SLOWISH = Behaviour(0.078, 0.5)
ERRING = Behaviour(0.06, 0.5, 0.009)


def facts(of: Endpoint | None = None, v7: VariantMetrics | None = None, v8: VariantMetrics | None = None) -> Facts:
    """A canary beside its stable variant, both well unless given otherwise."""
    both = {"v7": v7 or metrics("v7", samples=9000), "v8": v8 or metrics("v8", samples=1000)}
    return Facts(of or endpoint(), both, (), (), (), SLO)


WELL_FACTS = facts()
DOWN = Reason(Level.NO_DATA, "gateway unreachable")

BEYOND = Histogram({}, (0.5, 1.0, math.inf), (10.0, 10.0, 980.0))
CASES: dict[str, tuple[Facts, Level, str]] = {
    "all well": (WELL_FACTS, Level.OK, ""),
    "errors above the objective": (
        facts(v8=metrics("v8", FAULTY, 1000)),
        Level.CRITICAL,
        "v8 errors 6.2 % > 1.0 %",
    ),
    "slower than the objective": (facts(v8=metrics("v8", SLOW, 1000)), Level.CRITICAL, "v8 p95 341 ms > 200 ms"),
    "a slow model, to the millisecond": (
        replace(facts(v8=replace(metrics("v8", samples=1000), p95=4.321)), slo=replace(SLO, p95_s=2.0)),
        Level.CRITICAL,
        "v8 p95 4321 ms > 2000 ms",
    ),
    "stable itself in breach": (facts(v7=metrics("v7", FAULTY, 9000)), Level.CRITICAL, "v7 errors 6.2 % > 1.0 %"),
    "latency beyond the last bucket": (
        facts(v8=replace(metrics("v8", samples=1000), p95=None, latency=BEYOND)),
        Level.CRITICAL,
        "v8 p95 over 1000 ms > 200 ms",
    ),
    "latency that is infinite": (
        facts(v8=replace(metrics("v8", samples=1000), p95=math.inf)),
        Level.NO_DATA,
        "v8 p95 not measured",
    ),
    "errors that are infinite": (
        facts(v8=replace(metrics("v8", samples=1000), error_ratio=1.7976931348623157e308)),
        Level.NO_DATA,
        "v8 errors not measured",
    ),
    "canary significantly slower, within the objective": (
        facts(v8=metrics("v8", SLOWISH, 1000)),
        Level.WARNING,
        "v8 p95 +30 % against v7",
    ),
    "canary twice as slow, within the objective": (
        facts(v8=metrics("v8", Behaviour(0.12, 0.3), 1000), v7=metrics("v7", Behaviour(0.06, 0.3), 9000)),
        Level.WARNING,
        "v8 p95 +100 % against v7",
    ),
    "canary a little slower, which is no chance among so many": (
        facts(v7=metrics("v7", samples=900_000), v8=metrics("v8", Behaviour(0.063, 0.5), 900_000)),
        Level.OK,
        "",
    ),
    "canary significantly faster": (facts(v8=metrics("v8", Behaviour(0.03, 0.5), 1000)), Level.OK, ""),
    "canary significantly more errors, within the objective": (
        facts(v8=metrics("v8", ERRING, 1000)),
        Level.WARNING,
        "v8 errors +0.7 points against v7",
    ),
    "the same difference on few requests is chance": (facts(v8=metrics("v8", ERRING, 110)), Level.OK, ""),
    "too few requests to judge": (facts(v8=metrics("v8", FAULTY, 40)), Level.NO_DATA, "v8 n 40 of 100"),
    "no requests at all": (facts(v8=metrics("v8", samples=0)), Level.NO_DATA, "v8 no requests seen"),
    "a variant that no metrics know": (
        replace(WELL_FACTS, metrics={"v7": metrics("v7")}),
        Level.NO_DATA,
        "v8 no requests seen",
    ),
    "nothing measured, and the system does not tell what is in effect": (
        replace(facts(endpoint(stable(100.0, observed=None))), metrics={}),
        Level.NO_DATA,
        "v7 no requests seen",
    ),
    "no weights told and nothing measured": (
        replace(facts(endpoint(stable(None))), metrics={}),
        Level.NO_DATA,
        "v7 no requests seen",
    ),
    "no weights told, and in breach": (
        facts(endpoint(stable(None)), v7=metrics("v7", FAULTY)),
        Level.CRITICAL,
        "v7 errors 6.2 % > 1.0 %",
    ),
    "errors not measured": (
        facts(v7=replace(metrics("v7"), error_ratio=None)),
        Level.NO_DATA,
        "v7 errors not measured",
    ),
    "latency is not a number": (facts(v7=replace(metrics("v7"), p95=math.nan)), Level.NO_DATA, "v7 p95 not measured"),
    "metrics source down": (replace(WELL_FACTS, metrics_fault=DOWN), Level.NO_DATA, DOWN.text),
    "metrics source down from the start": (
        replace(WELL_FACTS, metrics={}, metrics_fault=DOWN),
        Level.NO_DATA,
        DOWN.text,
    ),
    "no metrics source at all": (replace(WELL_FACTS, has_metrics=False), Level.NO_DATA, "no metrics source"),
    "serving system not read": (
        replace(WELL_FACTS, endpoint_fault=Reason(Level.NO_DATA, "lab stale")),
        Level.NO_DATA,
        "lab stale",
    ),
    "nothing gets traffic": (
        facts(endpoint(variant("v7", Role.IDLE, 0.0))),
        Level.NO_DATA,
        "no variant gets traffic",
    ),
    "no variants": (facts(replace(endpoint(), variants=())), Level.NO_DATA, "no variant gets traffic"),
    "failed": (facts(endpoint(phase=Phase.FAILED, message="image pull failed")), Level.CRITICAL, "image pull failed"),
    "degraded": (facts(endpoint(phase=Phase.DEGRADED)), Level.WARNING, "degraded"),
    "no ready replica": (facts(endpoint(stable(), canary(ready=0))), Level.CRITICAL, "v8 has no ready replica"),
    "some replicas missing": (facts(endpoint(stable(ready=1), canary())), Level.WARNING, "v7 1/2 ready"),
    "replicas of a shadow do not matter": (
        facts(endpoint(stable(100.0), variant("v8", Role.SHADOW, None, ready=0))),
        Level.OK,
        "",
    ),
    "drift": (replace(WELL_FACTS, drift=(score("amount", 0.31),)), Level.WARNING, "drift amount 0.31"),
    "drift as a p-value": (
        replace(WELL_FACTS, drift=(score("amount", 0.01, threshold=0.05, direction=Direction.BELOW),)),
        Level.WARNING,
        "drift amount 0.01",
    ),
    "no drift score is no drift": (replace(WELL_FACTS, drift=(score("amount", None, note="n 12"),)), Level.OK, ""),
    "paged": (
        replace(WELL_FACTS, alerts=(Alert("HighErrorRate", AlertState.FIRING, "page"),)),
        Level.CRITICAL,
        "alert HighErrorRate",
    ),
    "an alert of less weight": (
        replace(WELL_FACTS, alerts=(Alert("SlowBuild", AlertState.FIRING, "info"),)),
        Level.WARNING,
        "alert SlowBuild",
    ),
    "a silenced alert": (replace(WELL_FACTS, alerts=(Alert("X", AlertState.SILENCED, "page"),)), Level.OK, ""),
    "gpu fault": (replace(WELL_FACTS, gpus=(gpu("XID 79"),)), Level.WARNING, "gpu node-a/0: XID 79"),
}


@pytest.mark.parametrize(("given", "level", "text"), CASES.values(), ids=CASES.keys())
def test_verdict(given: Facts, level: Level, text: str) -> None:
    verdict = judge(given)
    assert verdict.level is level
    assert [reason.text for reason in verdict.reasons][:1] == ([text] if text else [])


def test_worst_first_and_all_reasons_kept() -> None:
    given = replace(facts(v8=metrics("v8", FAULTY, 1000)), metrics_fault=DOWN, drift=(score("amount", 0.3),))
    verdict = judge(given)
    assert [reason.level for reason in verdict.reasons] == [Level.CRITICAL, Level.WARNING, Level.NO_DATA]


def test_what_was_bad_stays_bad_when_the_metrics_go_away() -> None:
    verdict = judge(replace(facts(v8=metrics("v8", FAULTY, 1000)), metrics_fault=DOWN))
    assert verdict.level is Level.CRITICAL
    assert verdict.condemned() == {"v8"}
    assert DOWN in verdict.reasons


def test_a_source_that_is_down_is_named_once_however_many_variants_there_are() -> None:
    verdict = judge(replace(WELL_FACTS, metrics_fault=DOWN))
    assert list(verdict.reasons) == [DOWN]


def test_without_objectives_nothing_is_in_breach() -> None:
    given = replace(facts(v7=metrics("v7", FAULTY), v8=metrics("v8", FAULTY)), slo=Slo(min_samples=100))
    assert judge(given).level is Level.OK


def test_a_shadow_is_not_judged_by_what_callers_get() -> None:
    shadowed = endpoint(stable(100.0), variant("v8", Role.SHADOW, None, mirror=20.0))
    assert judge(replace(facts(shadowed), metrics={"v7": metrics("v7"), "v8": metrics("v8", FAULTY)})).level is Level.OK


def test_a_page_about_a_variant_condemns_it() -> None:
    alert = Alert("HighErrorRate", AlertState.FIRING, "critical", subject=Subject("sentiment", "v8", "prod"))
    assert judge(replace(WELL_FACTS, alerts=(alert,))).condemned() == {"v8"}


@pytest.mark.parametrize(
    ("one", "live"),
    [
        (canary(10.0), True),
        (canary(0.0), False),
        (canary(0.0, observed=5.0), True),
        (canary(5.0, observed=0.0), True),
        (canary(None), True),
        (variant("v8", Role.SHADOW, 100.0), False),
        (variant("v8", Role.IDLE, None), False),
    ],
)
def test_who_may_answer_callers(one: Variant, live: bool) -> None:
    assert is_live(one) is live


def test_on_its_way_is_not_missing() -> None:
    moving = endpoint(stable(90.0, observed=100.0), canary(10.0, observed=0.0), phase=Phase.PROGRESSING)
    given = replace(facts(moving), metrics={"v7": metrics("v7", WELL)})
    assert judge(given).level is Level.OK


def test_levels_are_ordered_by_how_bad_they_are() -> None:
    assert sorted(Level, key=lambda level: level.rank) == [Level.CRITICAL, Level.WARNING, Level.NO_DATA, Level.OK]
