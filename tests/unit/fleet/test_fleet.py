"""Joining what the sources answered: what belongs together, what is shown of it, and what belongs nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from backends.contracts import (
    Alert,
    AlertState,
    Direction,
    DriftScore,
    Endpoint,
    EndpointRef,
    Gpu,
    ModelRef,
    ModelVersion,
    Role,
    Subject,
    VariantMetrics,
)
from shiftdeck.changes.access import Arming
from shiftdeck.config.loader import Slo, SloConfig
from shiftdeck.fleet.endpoint import EndpointView, worst_of
from shiftdeck.fleet.joiner import Joiner
from shiftdeck.fleet.label_matching import shares_among
from shiftdeck.fleet.view import outdated, trouble
from shiftdeck.health.verdict import Level
from shiftdeck.source_kinds.answers import MetricsReading
from shiftdeck.sources.readings import Readings
from shiftdeck.sources.source import Snapshot, SourceState, SourceStatus, lasting
from tests.fakes import Behaviour, fake_context
from tests.unit.builders import NOW, REF, canary, endpoint, gpu, metrics, score, stable, status, untidy, variant
from tests.views import fleet_view

CONTEXT = fake_context()
LAB = status("lab", kind="serving")
GATEWAY = status("gateway")


def reading(*current: VariantMetrics, recent: tuple[VariantMetrics, ...] | None = None) -> MetricsReading:
    return MetricsReading(current, current if recent is None else recent)


def readings(
    *endpoints: Endpoint,
    lab: SourceStatus = LAB,
    sources: Mapping[str, Snapshot[MetricsReading]] | None = None,
    drift: tuple[DriftScore, ...] = (),
    gpus: tuple[Gpu, ...] = (),
    alerts: tuple[Alert, ...] = (),
    versions: tuple[ModelVersion, ...] = (),
) -> Readings:
    """By default one endpoint with a canary, all of it measured and well."""
    well = Snapshot(reading(metrics("v7", samples=9000), metrics("v8", samples=1000)), GATEWAY)
    return Readings(
        {
            "serving": {"lab": Snapshot(endpoints or (endpoint(),), lab)},
            "metrics": {"gateway": well} if sources is None else sources,
            "registries": {"mlflow": Snapshot(versions, status("mlflow", kind="registries"))},
            "drift": {"psi": Snapshot(drift, status("psi", kind="drift"))},
            "accelerators": {"dcgm": Snapshot(gpus, status("dcgm", kind="accelerators"))},
            "alerts": {"am": Snapshot(alerts, status("am", kind="alerts"))},
        }
    )


def only(given: Readings) -> EndpointView:
    (view,), _ = Joiner(CONTEXT).join(given)
    return view


# ── what belongs together ───────────────────────────────────────────────────────────────────────────────────────


def test_everything_known_of_a_variant_is_with_it() -> None:
    model = ModelRef("sentiment-classifier", "8")
    version = ModelVersion(model, aliases=("challenger",))
    given = readings(
        endpoint(stable(), canary(model=model)),
        drift=(score("text_len", 0.1),),
        gpus=(gpu(subject=Subject("sentiment", "v8", "prod")),),
        versions=(version,),
    )
    view = only(given)
    v8 = view.variant("v8")
    assert v8 is not None
    assert v8.metrics is not None
    assert (v8.metrics.samples, v8.version, len(v8.drift), len(v8.gpus)) == (1000, version, 1, 1)
    assert v8.variant.measured == pytest.approx(10.0)
    assert view.verdict.level is Level.OK
    assert view.rps == pytest.approx(10_000 / 60)


def test_labels_without_a_scope_join_by_name() -> None:
    current = reading(metrics("v7", scope=""), metrics("v8", scope=""))
    given = readings(sources={"gateway": Snapshot(current, GATEWAY)}, drift=(score(value=0.3, scope=""),))
    view = only(given)
    assert all(one.metrics is not None for one in view.variants)
    assert view.verdict.level is Level.WARNING


def test_an_endpoint_without_a_scope_has_each_score_once() -> None:
    bare = replace(endpoint(), ref=EndpointRef("lab", "", "sentiment"))
    view = only(readings(bare, drift=(score(scope=""),)))
    assert len(view.drift) == 1


def test_labels_without_a_variant_join_where_there_is_only_one() -> None:
    single = endpoint(stable(100.0))
    bare = metrics("")
    given = readings(single, sources={"gateway": Snapshot(reading(bare), GATEWAY)}, drift=(score(variant=""),))
    (view,), strangers = Joiner(CONTEXT).join(given)
    assert view.variants[0].metrics == bare
    assert view.variants[0].drift
    assert strangers == ()


def test_another_scope_is_another_endpoint() -> None:
    elsewhere = Snapshot(reading(metrics("v7", scope="staging")), GATEWAY)
    view = only(readings(sources={"gateway": elsewhere}))
    assert all(one.metrics is None for one in view.variants)


def test_copies_that_a_shadow_got_are_not_live_requests() -> None:
    shadow = variant("v8", Role.SHADOW, None, mirror=20.0)
    current = reading(metrics("v7"), metrics("v8", mirrored=True))
    view = only(readings(endpoint(stable(100.0), shadow), sources={"gateway": Snapshot(current, GATEWAY)}))
    v8 = view.variant("v8")
    assert v8 is not None
    assert v8.metrics is None
    assert v8.mirrored is not None
    assert v8.variant.measured is None


def test_shares_are_measured_over_the_short_window() -> None:
    slow = reading(metrics("v7", samples=9000), metrics("v8", samples=1000))
    fast = (metrics("v7", samples=500), metrics("v8", samples=500))
    view = only(readings(sources={"gateway": Snapshot(replace(slow, recent=fast), GATEWAY)}))
    assert [one.variant.measured for one in view.variants] == [50.0, 50.0]


def test_no_requests_no_shares() -> None:
    assert shares_among(endpoint(), ()) == {}
    assert shares_among(endpoint(), (metrics("v7", rps=0.0),)) == {}


def test_shares_are_picked_out_of_a_whole_fleet() -> None:
    fleet = (
        metrics("v7", samples=900),
        metrics("v8", samples=100),
        metrics("v8", samples=5000, mirrored=True),
        metrics("v7", samples=5000, endpoint="fraud"),
        metrics("v7", samples=5000, scope="staging"),
    )
    assert shares_among(endpoint(), fleet) == {"v7": pytest.approx(90.0), "v8": pytest.approx(10.0)}


def test_the_objectives_of_an_endpoint_are_its_own() -> None:
    strict = SloConfig(Slo(p95_s=0.2, min_samples=100), {str(REF): Slo(p95_s=0.05, min_samples=100)})
    (view,), _ = Joiner(replace(CONTEXT, slo=strict)).join(readings())
    assert view.slo.p95_s == 0.05
    assert view.verdict.level is Level.CRITICAL


def test_a_drift_objective_is_what_psi_is_held_against() -> None:
    strict = SloConfig(Slo(drift=0.1, min_samples=100))
    scores = (score("a", 0.15), score("b", 0.15, method="wasserstein"), score("c", 0.2, threshold=0.3))
    (view,), _ = Joiner(replace(CONTEXT, slo=strict)).join(readings(drift=scores))
    assert [one.crossed for one in view.drift] == [True, False, True]
    (view,), _ = Joiner(CONTEXT).join(readings(drift=scores))
    assert [one.crossed for one in view.drift] == [False, False, False]


def test_the_runbook_of_the_configuration_goes_first() -> None:
    assert only(readings(endpoint(runbook="https://elsewhere"))).endpoint.runbook.endswith("/sentiment")


# ── trust ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", [SourceState.STALE, SourceState.UNREACHABLE, SourceState.FORBIDDEN, SourceState.OFF])
def test_a_serving_system_that_cannot_be_trusted_is_never_green(state: SourceState) -> None:
    view = only(readings(lab=replace(LAB, state=state, at=NOW - 120.0)))
    assert view.verdict.level is Level.NO_DATA
    assert view.verdict.reasons[0].words(NOW) == f"lab {state} 2m"


def test_metrics_that_are_down_are_named_with_the_age_of_the_last_data() -> None:
    down = replace(GATEWAY, state=SourceState.UNREACHABLE, at=NOW - 120.0)
    given = readings(sources={"gateway": Snapshot(reading(metrics("v7"), metrics("v8")), down)})
    view = only(given)
    assert (view.verdict.level, view.verdict.reasons[0].words(NOW)) == (Level.NO_DATA, "gateway unreachable 2m")
    assert all(one.variant.measured is None for one in view.variants)
    assert view.metrics_source == lasting(down)


def test_one_failing_metrics_source_blinds_only_its_own_endpoints() -> None:
    down = status("west", SourceState.UNREACHABLE, at=NOW - 60.0)
    ranker = replace(endpoint(), ref=EndpointRef("lab", "prod", "ranker"))
    sources = {
        "east": Snapshot(reading(metrics("v7", samples=9000), metrics("v8", samples=1000)), status("east")),
        "west": Snapshot(reading(metrics("v7", endpoint="ranker"), metrics("v8", endpoint="ranker")), down),
    }
    views, _ = Joiner(CONTEXT).join(readings(endpoint(), ranker, sources=sources))
    assert {view.ref.name: view.verdict.level for view in views} == {"sentiment": Level.OK, "ranker": Level.NO_DATA}


@pytest.mark.parametrize("dead", ["east", "west"])
def test_of_two_metrics_sources_that_measure_one_endpoint_the_dead_one_counts(dead: str) -> None:
    """Whichever comes first: what the dead one saw is old, and its share is missing in what the other sees."""
    current = reading(metrics("v7", samples=9000), metrics("v8", samples=1000))
    sources = {
        name: Snapshot(current, status(name, SourceState.UNREACHABLE, at=NOW - 60.0) if name == dead else status(name))
        for name in ("east", "west")
    }
    view = only(readings(sources=sources))
    assert (view.verdict.level, view.verdict.reasons[0].words(NOW)) == (Level.NO_DATA, f"{dead} unreachable 1m")
    assert view.metrics_source is not None
    assert view.metrics_source.name == dead


def test_desired_observed_and_measured_stay_three_numbers() -> None:
    current = reading(metrics("v7", samples=9300), metrics("v8", samples=700))
    view = only(readings(untidy(), sources={"gateway": Snapshot(current, GATEWAY)}))
    assert [(one.variant.desired, one.variant.observed) for one in view.variants] == [(75.0, 90.0), (25.0, 10.0)]
    assert [one.variant.measured for one in view.variants] == pytest.approx([93.0, 7.0])


def test_an_endpoint_without_metrics_blames_the_source_that_fails() -> None:
    sources: dict[str, Snapshot[MetricsReading]] = {
        "east": Snapshot(reading(), status("east")),
        "west": Snapshot(None, status("west", SourceState.UNREACHABLE, at=None, since=NOW - 60.0)),
    }
    assert only(readings(sources=sources)).verdict.reasons[0].words(NOW) == "west unreachable 1m"


def test_a_context_without_metrics_is_never_green() -> None:
    assert only(readings(sources={})).verdict.level is Level.NO_DATA


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (status(), ""),
        (status(state=SourceState.OFF, at=None), ""),
        (status(state=SourceState.OFF, at=NOW - 60.0), "gateway off 1m"),
        (status(state=SourceState.STARTING, at=None), "gateway not read yet"),
        (status(state=SourceState.UNREACHABLE, at=None, since=NOW - 120.0), "gateway unreachable 2m"),
        (status(state=SourceState.STALE, at=NOW - 45.0), "gateway stale 45s"),
    ],
)
def test_trouble_in_a_few_words(given: SourceStatus, words: str) -> None:
    assert trouble(given, NOW) == words


def test_a_view_that_cannot_be_renewed_loses_its_green() -> None:
    broken = SourceStatus("engine", "engine", "", SourceState.MALFORMED, NOW, NOW, 1.0, error="no view")
    view = replace(fleet_view(CONTEXT, readings(), Arming(CONTEXT.access, True), NOW), number=7)
    assert view.endpoints[0].verdict.level is Level.OK
    old = outdated(view, broken, NOW + 60.0)
    assert (old.number, old.at, old.endpoints[0].verdict.level) == (8, NOW + 60.0, Level.NO_DATA)
    assert old.endpoints[0].verdict.reasons[0].words(NOW + 60.0) == "engine malformed 1m"
    assert not old.endpoints[0].source.fresh
    again = outdated(old, broken, NOW + 120.0)
    assert [reason.words(NOW + 120.0) for reason in again.endpoints[0].verdict.reasons] == ["engine malformed 2m"]
    assert [one.name for one in again.sources].count("engine") == 1


# ── what belongs nowhere ────────────────────────────────────────────────────────────────────────────────────────


def test_what_no_serving_system_knows_is_named() -> None:
    sources = {
        "gateway": Snapshot(
            reading(
                metrics("v7"),
                metrics("v8"),
                metrics("v9"),
                metrics(""),
                metrics("v1", endpoint="old"),
                metrics("v1", endpoint="bare", scope=""),
            ),
            GATEWAY,
        )
    }
    given = readings(
        sources=sources,
        drift=(score(endpoint="gone"),),
        alerts=(Alert("X", AlertState.FIRING, subject=Subject("lost", scope="prod")), Alert("Y", AlertState.FIRING)),
        gpus=(gpu(subject=Subject("sentiment", "v6", "prod")), gpu()),
    )
    assert Joiner(CONTEXT).join(given)[1] == (
        "GPUs of prod/sentiment v6",
        "alerts of prod/lost",
        "drift of prod/gone",
        "metrics of bare",
        "metrics of prod/old",
        "metrics of prod/sentiment (no variant told)",
        "metrics of prod/sentiment v9",
    )


# ── the whole view ──────────────────────────────────────────────────────────────────────────────────────────────


def test_worst_first_then_by_name() -> None:
    names = ("alpha", "beta", "gamma")
    endpoints = tuple(replace(endpoint(stable(100.0)), ref=EndpointRef("lab", "prod", name)) for name in names)
    measured = reading(
        metrics("v7", endpoint="alpha"),
        metrics("v7", endpoint="beta"),
        metrics("v7", Behaviour(0.3), endpoint="gamma"),
    )
    views, _ = Joiner(CONTEXT).join(readings(*endpoints, sources={"gateway": Snapshot(measured, GATEWAY)}))
    assert [view.ref.name for view in views] == ["gamma", "alpha", "beta"]


def test_a_view_tells_which_registry_a_model_is_in() -> None:
    version = ModelVersion(ModelRef("sentiment-classifier", "8"))
    view = fleet_view(CONTEXT, readings(versions=(version,)), Arming(CONTEXT.access, True), NOW)
    assert view.registry_of == {"sentiment-classifier": "mlflow"}
    assert view.endpoint(REF) is not None
    assert view.endpoint(EndpointRef("lab", "prod", "none")) is None
    assert view.source("gateway") == GATEWAY
    assert view.source("none") is None
    assert view.loaded


def test_the_variant_that_tells_the_story() -> None:
    bad = reading(metrics("v7", samples=9000), metrics("v8", Behaviour(0.3), 1000))
    shown_variant = only(readings(sources={"gateway": Snapshot(bad, GATEWAY)})).shown_variant
    assert shown_variant is not None
    assert shown_variant.name == "v8"
    quiet = reading(metrics("v7", samples=9000))
    shown_variant = only(readings(sources={"gateway": Snapshot(quiet, GATEWAY)})).shown_variant
    assert shown_variant is not None
    assert shown_variant.name == "v7"


def test_the_worst_drift_is_the_one_furthest_past_its_own_threshold() -> None:
    psi = score("a", 0.30)
    p_value = score("b", 0.001, method="ks", threshold=0.05, direction=Direction.BELOW)
    harmless = score("c", 0.9, method="ks", threshold=0.05, direction=Direction.BELOW)
    assert worst_of((psi, p_value, harmless)) == p_value
    assert worst_of((psi, harmless)) == psi
    assert worst_of((score("d", None),)) is None
    certain = replace(p_value, value=0.0)
    assert worst_of((psi, p_value, certain)) == certain
