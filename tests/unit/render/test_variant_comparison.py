"""Variants side by side: what differs, and whether chance would do it."""

from __future__ import annotations

import pytest

from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.sources.source import SourceState
from tests.fakes import Behaviour, FakeWorld
from tests.unit.planned import look as fleet_of
from tui.render.theme import Look
from tui.render.variant_comparison import chance, variants
from tui.terminal.capabilities import Capabilities, Colours

LOOK = Look.for_terminal(Capabilities(Colours.FULL, unicode=True))


def seen(world: FakeWorld, name: str, gateway: SourceState = SourceState.OK) -> tuple[View, EndpointView]:
    fleet = fleet_of(world, gateway=gateway)
    view = fleet.endpoint(world.ref(name))
    assert view is not None
    return fleet, view


def shown(world: FakeWorld, name: str = "sentiment", width: int = 100) -> str:
    fleet, view = seen(world, name)
    return "\n".join(line.plain.rstrip() for line in variants(fleet, view, LOOK, width).lines)


def row(text: str, name: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [name])[1:]


def test_variants_stand_side_by_side_stable_first_with_the_objectives() -> None:
    text = shown(FakeWorld())
    assert text.splitlines()[0].split() == ["v7", "stable", "v8", "canary", "objective"]
    assert row(text, "aliases") == ["@champion", "@challenger"]
    assert row(text, "f1") == ["0.935", "0.941"]
    assert row(text, "desired") == ["90", "%", "10", "%"]
    assert row(text, "measured") == ["90", "%", "10", "%"]
    assert row(text, "p95") == ["141", "ms", "132", "ms", "200", "ms"]
    assert row(text, "requests") == ["43,848", "4,872", "n", "100"]


def test_a_bad_canary_is_told_with_its_significance_and_its_samples() -> None:
    world = FakeWorld()
    world.make_bad_canary()
    text = shown(world, width=120)
    assert "▲ v8 against v7" in text
    assert "p95 +81 %, p < 0.001" in text
    assert "errors +6.0 points, p < 0.001" in text
    assert "n 4,872 against 43,848" in text


def test_a_difference_that_chance_would_make_is_not_called_worse() -> None:
    world = FakeWorld()
    text = shown(world)
    assert "● v8 against v7" in text
    assert "errors +0.0 points, p 1.00" in text


def test_too_few_requests_tell_nothing() -> None:
    world = FakeWorld()
    world.make_bad_canary()
    world.endpoint("sentiment").rps = 5.0
    text = shown(world, width=160)
    assert "? v8 against v7" in text
    assert "n 30 against 270 · too few to tell, 100 are wanted" in text


def test_every_candidate_is_compared_with_stable() -> None:
    world = FakeWorld()
    world.endpoint("ranker").behaviour["v11"] = Behaviour(0.5)
    text = shown(world, "ranker", width=120)
    assert "● v10 against v9" in text
    assert "▲ v11 against v9" in text


def test_a_shadow_is_judged_by_the_copies_that_it_got() -> None:
    text = shown(FakeWorld(), "fraud")
    assert row(text, "mirrored") == ["–", "20", "%"]
    assert row(text, "p95")[2:4] == ["57", "ms"]
    assert "v13 against v12" in text


def test_a_single_variant_is_compared_with_nothing() -> None:
    text = shown(FakeWorld(), "churn")
    assert "against" not in text
    assert row(text, "model") == ["churn-predictor/3"]


def test_what_is_beyond_its_objective_stands_out_and_old_figures_do_not() -> None:
    world = FakeWorld()
    world.make_bad_canary()
    for state, style in ((SourceState.OK, "critical"), (SourceState.UNREACHABLE, "muted")):
        fleet, view = seen(world, "sentiment", state)
        line = next(one for one in variants(fleet, view, LOOK, 100).lines if one.plain.startswith("p95"))
        at = line.plain.index("255 ms")
        assert [span.style for span in line.spans if span.start <= at < span.end][-1] == LOOK[style]


@pytest.mark.parametrize("name", ["sentiment", "ranker", "fraud", "churn"])
@pytest.mark.parametrize("width", [56, 76, 110])
def test_nothing_is_wider_than_its_place(name: str, width: int) -> None:
    fleet, view = seen(FakeWorld(), name)
    assert all(line.cell_len <= width for line in variants(fleet, view, LOOK, width).lines)


def test_chance_in_words() -> None:
    assert chance(None) == ""
    assert chance(1e-9) == ", p < 0.001"
    assert chance(0.004) == ", p 0.004"
    assert chance(0.34) == ", p 0.34"
