"""What the registry and the price list have to say before a version gets more traffic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Column, Gpu, ModelRef, ModelVersion, Promote, Signature, Split
from backends.errors import Unreachable
from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.changes.plan import Plan
from shiftdeck.changes.promotion_gates import Gating
from shiftdeck.config.loader import Gates, MetricGate, Weight
from shiftdeck.engine.view import View
from shiftdeck.registry.schema import Fit, compared
from shiftdeck.sources.source import SourceState
from tests.fakes import FakeWorld
from tests.unit.planned import check, look, plan

PASS, WARN, BLOCK, UNKNOWN = CheckVerdict.PASS, CheckVerdict.WARN, CheckVerdict.BLOCK, CheckVerdict.UNKNOWN
FORWARD = Split({"v7": 75.0, "v8": 25.0})
MODEL = "sentiment-classifier"
OLD = Signature((Column("age", "long"), Column("lang", "string")), (Column("score", "double"),))


def gated(
    gates: Gates,
    *,
    change: Split | Promote = FORWARD,
    fleet: Callable[[View], View] = lambda seen: seen,
    signatures: dict[str, Signature | None] | None = None,
    **gating: object,
) -> Plan:
    """The plan for v8, which is to replace v7, the champion."""
    world = FakeWorld()
    told = {"7": OLD, "8": OLD, **(signatures or {})}

    def describe(ref: ModelRef) -> ModelVersion:
        return ModelVersion(ref, signature=told[ref.version], signature_note="")

    made = {"describe": describe, **gating}
    return plan(
        world,
        "sentiment",
        change,
        fleet=fleet(look(world)),
        gating=Gating(gates, **made),  # type: ignore[arg-type]
    )


def gate(gates: Gates, name: str, **more: object) -> Check:
    return check(gated(replace(gates, configured=True), **more), f"v8 {name}")  # type: ignore[arg-type]


def metrics(old: float | None, new: float | None, name: str = "f1") -> Callable[[View], View]:
    """The registry with that metric of v7 and v8."""
    values = {"7": old, "8": new}

    def changed(seen: View) -> View:
        versions = tuple(
            replace(one, metrics={name: value} if (value := values.get(one.ref.version)) is not None else {})
            if one.ref.model == MODEL
            else one
            for one in seen.versions
        )
        return replace(seen, versions=versions)

    return changed


def tagged(**tags: str) -> Callable[[View], View]:
    def changed(seen: View) -> View:
        return replace(seen, versions=tuple(replace(one, tags=tags) for one in seen.versions))

    return changed


def silent(seen: View) -> View:
    """The registry stopped answering; what it said is kept."""
    sources = tuple(
        replace(one, state=SourceState.UNREACHABLE, at=seen.at - 120) if one.kind == "registries" else one
        for one in seen.sources
    )
    return replace(seen, sources=sources)


def never_read(seen: View) -> View:
    return replace(silent(seen), versions=(), registry_of={})


# ── metrics ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wanted", "old", "new", "verdict", "words"),
    [
        (MetricGate(least="champion"), 0.93, 0.94, PASS, "0.94 ≥ 0.93 of champion 7"),
        (MetricGate(least="champion"), 0.93, 0.93, PASS, "0.93 ≥ 0.93 of champion 7"),
        (MetricGate(least="champion"), 0.93, 0.91, BLOCK, "0.91 < 0.93 of champion 7"),
        (MetricGate(least="stable", slack=0.02), 0.93, 0.91, PASS, "0.91 < 0.93 of stable 7, 0.02 to spare"),
        (MetricGate(least="champion", weight=Weight.WARN), 0.93, 0.91, WARN, "0.91 < 0.93 of champion 7"),
        (MetricGate(least=0.9), None, 0.91, PASS, "0.91 ≥ 0.9"),
        (MetricGate(most=4.2), None, 4.3, BLOCK, "4.3 > 4.2"),
        (MetricGate(most="champion"), 4.2, 4.1, PASS, "4.1 ≤ 4.2 of champion 7"),
        (MetricGate(least=0.9, most=0.95), None, 0.97, BLOCK, "0.97 ≥ 0.9 and > 0.95"),
        (MetricGate(least="champion"), None, 0.9, UNKNOWN, "0.9 with nothing to compare: champion 7 has no f1"),
        (MetricGate(least=0.9), 0.93, None, BLOCK, "f1 was not recorded by its run"),
        (MetricGate(least=0.9), 0.93, float("nan"), BLOCK, "f1 is not a finite number: NaN"),
        # As SQL stores keep infinity (mlflow/mlflow #1573): a division by zero would pass best of all.
        (MetricGate(least=1.05), 0.93, 1.7976931348623157e308, BLOCK, "f1 is not a finite number: ∞"),
        (MetricGate(least=1.05), 0.93, float("inf"), BLOCK, "f1 is not a finite number: ∞"),
        (MetricGate(most=0.9), 0.93, -1.7976931348623157e308, BLOCK, "f1 is not a finite number: -∞"),
        (
            MetricGate(most="champion"),
            1.7976931348623157e308,
            0.93,
            UNKNOWN,
            "0.93 with nothing to compare: champion 7 has ∞",
        ),
    ],
)
def test_a_metric_is_held_against_its_baseline(
    wanted: MetricGate, old: float | None, new: float | None, verdict: CheckVerdict, words: str
) -> None:
    found = gate(Gates(metrics={"f1": wanted}), "f1", fleet=metrics(old, new))
    assert (found.verdict, found.evidence) == (verdict, words)
    assert found.age_s == pytest.approx(1.0, abs=0.5)


def test_without_a_champion_there_is_nothing_to_hold_it_against() -> None:
    def unaliased(seen: View) -> View:
        return replace(seen, versions=tuple(replace(one, aliases=()) for one in seen.versions))

    found = gate(Gates(metrics={"f1": MetricGate(least="champion")}), "f1", fleet=unaliased)
    assert (found.verdict, "no version is @champion" in found.evidence) == (UNKNOWN, True)


# ── tags ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("tags", "verdict", "words"),
    [
        ({"security_scan": "passed"}, PASS, "passed"),
        ({"security_scan": "failed"}, BLOCK, "'failed'; passed or waived* is required"),
        ({"security_scan": "waived by eve"}, PASS, "waived by eve"),
        ({}, BLOCK, "not set; passed or waived* is required"),
    ],
)
def test_a_tag_is_required(tags: dict[str, str], verdict: CheckVerdict, words: str) -> None:
    found = gate(Gates(tags={"security_scan": ("passed", "waived*")}), "tag security_scan", fleet=tagged(**tags))
    assert (found.verdict, found.evidence) == (verdict, words)


# ── a registry that does not answer ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("weight", "verdict"), [(Weight.BLOCK, BLOCK), (Weight.WARN, UNKNOWN)])
def test_a_gate_that_blocks_is_not_opened_by_a_registry_that_was_never_read(
    weight: Weight, verdict: CheckVerdict
) -> None:
    gates = Gates(
        metrics={"f1": MetricGate(least=0.9, weight=weight)},
        tags={"scan": ("*",)},
        tags_weight=weight,
        signature=weight,
        schema=weight,
        configured=True,
    )
    made = gated(gates, fleet=never_read)
    for name in ("f1", "tag scan", "signature", "schema"):
        found = check(made, f"v8 {name}")
        assert (found.verdict, found.evidence) == (verdict, "mlflow unreachable 2m")


def test_what_was_read_before_still_blocks_and_no_longer_passes() -> None:
    gates = Gates(tags={"scan": ("passed",)})
    passing = gate(gates, "tag scan", fleet=lambda seen: silent(tagged(scan="passed")(seen)))
    assert (passing.verdict, passing.evidence) == (UNKNOWN, "mlflow unreachable 2m; last passed")
    assert passing.age_s == pytest.approx(120, abs=5)
    assert gate(gates, "tag scan", fleet=lambda seen: silent(tagged(scan="failed")(seen))).verdict is BLOCK


def test_a_version_that_the_registry_does_not_have_does_not_pass() -> None:
    def gone(seen: View) -> View:
        eight = ModelVersion(ModelRef(MODEL, "8"), absent="the registry has no such version")
        return replace(seen, versions=tuple(eight if one.ref == eight.ref else one for one in seen.versions))

    found = gate(Gates(tags={"scan": ("*",)}), "tag scan", fleet=gone)
    assert (found.verdict, found.evidence) == (BLOCK, f"{MODEL}/8: the registry has no such version")


def test_a_champion_that_is_gone_is_no_champion_that_never_was() -> None:
    def gone(seen: View) -> View:
        champion = ModelVersion(ModelRef(MODEL, "7"), aliases=("champion",), absent="the registry has no such version")
        return replace(seen, versions=tuple(champion if one.ref == champion.ref else one for one in seen.versions))

    found = gate(Gates(metrics={"f1": MetricGate(least="champion")}), "f1", fleet=gone)
    assert found.verdict is UNKNOWN
    assert "champion 7: the registry has no such version" in found.evidence


def test_a_version_that_was_not_read_does_not_pass_and_is_not_said_to_be_missing() -> None:
    def without(seen: View) -> View:
        return replace(seen, versions=tuple(one for one in seen.versions if one.ref != ModelRef(MODEL, "8")))

    found = gate(Gates(tags={"scan": ("*",)}), "tag scan", fleet=without)
    assert (found.verdict, found.evidence) == (BLOCK, f"{MODEL}/8 was not read")


# ── signature and schema ────────────────────────────────────────────────────────────────────────────────────────


def test_a_signature_can_be_asked_for() -> None:
    assert gate(Gates(signature=Weight.BLOCK), "signature").evidence == "2 inputs, 1 outputs"
    found = gate(Gates(signature=Weight.BLOCK), "signature", signatures={"8": None})
    assert (found.verdict, "the model has none" in found.evidence) == (BLOCK, True)


@pytest.mark.parametrize("weight", [Weight.WARN, Weight.BLOCK])
def test_a_signature_and_a_schema_are_asked_for_each_by_itself(weight: Weight) -> None:
    def asked(gates: Gates) -> set[str]:
        names = {one.name for one in gated(replace(gates, configured=True)).checks}
        return names & {"v8 signature", "v8 schema"}

    assert asked(Gates(signature=weight, schema=Weight.OFF)) == {"v8 signature"}
    assert asked(Gates(signature=Weight.OFF, schema=weight)) == {"v8 schema"}
    assert asked(Gates(signature=Weight.OFF, schema=Weight.OFF)) == set()


@pytest.mark.parametrize(
    ("new", "verdict", "words"),
    [
        (OLD, PASS, "the same inputs and outputs, against stable 7"),
        (replace(OLD, inputs=(*OLD.inputs, Column("x", "long"))), WARN, "input x is new and required: long"),
        (replace(OLD, inputs=(*OLD.inputs, Column("x", "long", required=False))), PASS, "input x is new and optional"),
        (replace(OLD, inputs=OLD.inputs[:1]), WARN, "input lang is no longer taken"),
        (replace(OLD, inputs=(Column("age", "string"), OLD.inputs[1])), WARN, "input age was long and is string"),
        (replace(OLD, outputs=()), WARN, "output score is gone"),
        (None, WARN, "no signature, and stable 7 has one"),
    ],
)
def test_a_schema_that_does_not_fit_warns_though_nobody_asked(
    new: Signature | None, verdict: CheckVerdict, words: str
) -> None:
    found = check(gated(Gates(), signatures={"8": new}), "v8 schema")
    assert (found.verdict, words in found.evidence) == (verdict, True), found


def test_a_schema_that_does_not_fit_blocks_where_that_is_configured() -> None:
    wrong = replace(OLD, outputs=(Column("score", "string"),))
    assert gate(Gates(schema=Weight.BLOCK), "schema", signatures={"8": wrong}).verdict is BLOCK
    # Dropping an input is for the server to mind, and most do not.
    assert gate(Gates(schema=Weight.BLOCK), "schema", signatures={"8": replace(OLD, inputs=())}).verdict is WARN


def test_going_forward_to_an_older_version_is_held_against_the_newer_one_that_it_replaces() -> None:
    world = FakeWorld()
    world.endpoint("sentiment").stable = "v8"
    told = {"7": replace(OLD, inputs=OLD.inputs[:1]), "8": OLD}
    gating = Gating(Gates(), describe=lambda ref: ModelVersion(ref, signature=told[ref.version], signature_note=""))
    found = check(plan(world, "sentiment", Split({"v7": 95.0, "v8": 5.0}), gating=gating), "v7 schema")
    assert (found.verdict, found.evidence) == (WARN, "input lang is no longer taken, against stable 8")


def test_where_nobody_asked_what_is_not_known_is_left_out() -> None:
    for signatures in ({"7": None, "8": None}, {"7": None}):
        names = [one.name for one in gated(Gates(), signatures=signatures).checks]  # type: ignore[arg-type]
        assert not [name for name in names if "schema" in name or "signature" in name]
    assert gate(Gates(), "schema", signatures={"7": None}).verdict is UNKNOWN


def test_a_registry_that_will_not_tell_the_signature_says_so() -> None:
    def describe(ref: ModelRef) -> ModelVersion:
        raise Unreachable("no connection to mlflow")

    found = gate(Gates(signature=Weight.BLOCK), "signature", describe=describe)
    assert (found.verdict, "no connection to mlflow" in found.evidence) == (BLOCK, True)


COLUMNS = st.lists(
    st.builds(Column, st.sampled_from("abc"), st.sampled_from(("long", "double", "string")), st.booleans()),
    max_size=3,
    unique_by=lambda one: one.name,
).map(tuple)
SIGNATURES = st.builds(Signature, COLUMNS, COLUMNS, COLUMNS)


@given(SIGNATURES)
def test_a_signature_fits_itself(one: Signature) -> None:
    assert compared(one, one) == ()


@given(SIGNATURES, SIGNATURES)
def test_every_column_that_differs_is_named_once(old: Signature, new: Signature) -> None:
    found = compared(old, new)
    assert len({(one.part, one.column) for one in found}) == len(found)
    differing = set(old.inputs) ^ set(new.inputs)
    assert {one.column for one in found if one.part == "input"} == {column.name for column in differing}
    assert all(one.fit is not Fit.SAME and one.column in one.words for one in found)


# ── cost ────────────────────────────────────────────────────────────────────────────────────────────────────────


def cost_of(gates: Gates, **prices: float) -> Check | None:
    made = gated(gates, prices=prices)
    return next((one for one in made.checks if one.name == "cost"), None)


def test_cost_is_replicas_times_the_price_of_their_instance() -> None:
    found = cost_of(Gates(instance="g5", max_cost=100.0), g5=1.25)
    assert found is not None
    assert (found.verdict, found.evidence) == (PASS, "12.50/h of 100.00/h (v7 9 × g5 at 1.25, v8 1 × g5 at 1.25)")
    dear = cost_of(Gates(instance="g5", max_cost=4.0), g5=1.25)
    assert dear is not None
    assert dear.verdict is BLOCK
    noted = cost_of(Gates(instance="g5", max_cost=4.0, cost_weight=Weight.WARN), g5=1.25)
    assert noted is not None
    assert noted.verdict is WARN


def test_cost_is_gpus_times_the_price_of_their_model() -> None:
    card = Gpu("node-a", "0", "GPU-1", "NVIDIA A100-SXM4-80GB")

    def held(seen: View) -> View:
        endpoints = tuple(
            replace(one, variants=tuple(replace(view, gpus=(card, card)) for view in one.variants))
            for one in seen.endpoints
        )
        return replace(seen, endpoints=endpoints)

    made = gated(Gates(), fleet=held, prices={"NVIDIA A100*": 3.5})
    found = check(made, "cost")
    cards = "2 × NVIDIA A100-SXM4-80GB at 3.5"
    assert (found.verdict, found.evidence) == (PASS, f"14.00/h (v7 {cards}, v8 {cards})")


def test_gpus_of_which_one_has_no_price_cost_nobody_knows_what() -> None:
    held = {
        "v7": (Gpu("a", "0", "GPU-1", "H100"), Gpu("a", "1", "GPU-2", "A100")),
        "v8": (Gpu("b", "0", "GPU-3", "A100"),),
    }

    def on_them(seen: View) -> View:
        endpoints = tuple(
            replace(one, variants=tuple(replace(view, gpus=held.get(view.name, ())) for view in one.variants))
            for one in seen.endpoints
        )
        return replace(seen, endpoints=endpoints)

    found = check(gated(Gates(max_cost=9.0), fleet=on_them, prices={"A100": 3.5}), "cost")
    assert (found.verdict, found.evidence) == (
        UNKNOWN,
        "3.50/h of 9.00/h (v8 1 × A100 at 3.5); v7 ?: no price for H100",
    )


def test_a_variant_without_replicas_costs_nothing() -> None:
    world = FakeWorld()
    world.rival("sentiment", {"v7": 100.0})
    made = plan(world, "sentiment", FORWARD, gating=Gating(Gates(), prices={"g5": 1.25}))
    assert check(made, "cost").evidence == (
        "0.00/h (v8 no replicas); v7 ?: neither its instance type nor its GPUs are known"
    )


def test_without_a_price_the_cost_is_not_known() -> None:
    assert cost_of(Gates()) is None, "nobody asked"
    found = cost_of(Gates(instance="p5"), g5=1.25)
    assert found is not None
    assert (found.verdict, "no price for p5" in found.evidence) == (UNKNOWN, True)


def test_going_back_is_hindered_by_no_gate() -> None:
    gates = Gates(tags={"scan": ("passed",)}, max_cost=0.0, instance="g5", configured=True)
    made = gated(gates, change=Split({"v7": 100.0, "v8": 0.0}), prices={"g5": 1.0})
    assert not {one.name for one in made.checks} & {"v8 tag scan", "cost"}
