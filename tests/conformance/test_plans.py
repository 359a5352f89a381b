"""Laws of plans, over the samples of all our adapters: the next adapter is held to them as well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from backends.conformance import Sample
from backends.conformance.trying import compiled, every_change
from backends.contracts import Abort, Change, Endpoint, Mirror, Pause, Role, Rollback, Serving
from shiftdeck.changes.plan import Friction, Plan
from shiftdeck.changes.planner import make_plan
from shiftdeck.changes.way_back import condemnation, is_older, last_good
from shiftdeck.fleet.endpoint import EndpointView, VariantView
from tests.conformance.ours import SERVING, adapter_of, samples_of
from tests.fakes import FakeWorld
from tests.unit.planned import look

FLEET = look(FakeWorld())
SAMPLES = [pytest.param(name, one, id=f"{name}: {one.name}") for name in SERVING for one in samples_of(name)]


def view_of(endpoint: Endpoint) -> EndpointView:
    known = FLEET.endpoints[0]
    return replace(known, endpoint=endpoint, variants=tuple(VariantView(one) for one in endpoint.variants))


def plan_of(adapter: Serving, endpoint: Endpoint, change: Change) -> Plan:
    return make_plan(
        fleet=FLEET,
        arming=FLEET.arming,
        view=view_of(endpoint),
        fresh=endpoint,
        change=change,
        serving=adapter,
        registries={},
        move_alias=False,
        now=FLEET.at,
    )


def plans(name: str, sample: Sample) -> Iterator[Plan]:
    adapter = adapter_of(name)
    for change, _ in compiled(adapter, sample):
        yield plan_of(adapter, sample.endpoint, change)


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_a_plan_that_gives_more_traffic_to_what_is_not_stable_is_never_a_retreat(name: str, sample: Sample) -> None:
    """By what is observed. An older release is the exception: going back to it is what a rollback is for."""
    for plan in plans(name, sample):
        for row in plan.rows:
            variant = plan.before.variant(row.variant)
            if variant is None or variant.role is Role.STABLE or variant.observed is None or row.after is None:
                continue
            back = isinstance(plan.change, Rollback) and variant.role is Role.IDLE
            if row.after > variant.observed + 0.01 and not back:
                assert not plan.back, f"{plan.words}: {row.variant} {variant.observed:g} → {row.after:g} %"
                assert plan.friction is not Friction.ENTER


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_a_rollback_never_leads_to_a_release_that_is_known_to_be_bad(name: str, sample: Sample) -> None:
    adapter, endpoint = adapter_of(name), sample.endpoint
    chosen = last_good(view_of(endpoint))
    assert chosen is None or (not condemnation(endpoint, chosen) and is_older(endpoint, chosen))
    for change, _ in compiled(adapter, sample):
        if isinstance(change, Rollback):
            bad = tuple(replace(one, good=False if one.id == change.release else one.good) for one in endpoint.releases)
            known = replace(endpoint, releases=bad)
            assert getattr(last_good(view_of(known)), "id", None) != change.release
            plan = plan_of(adapter, known, change)
            assert (plan.back, plan.blocked, plan.unable) == (False, True, ""), plan.words


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_a_plan_that_gives_more_traffic_to_a_variant_says_which_version_that_is(name: str, sample: Sample) -> None:
    for plan in plans(name, sample):
        if isinstance(plan.change, Mirror | Pause | Abort):
            continue
        told = " ".join(check.name for check in plan.checks)
        for given in plan.gives:
            variant = plan.before.variant(given)
            if variant is None or variant.role is not Role.STABLE:
                assert f"{given} version" in told or "release" in told or plan.back, f"{plan.words}: {told}"


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_what_is_refused_carries_no_caution_of_what_it_would_do(name: str, sample: Sample) -> None:
    adapter = adapter_of(name)
    for change in every_change(sample):
        plan = plan_of(adapter, sample.endpoint, change)
        if not plan.steps:
            assert not [one.evidence for one in plan.checks if one.name == "caution"], plan.words
