"""The past of drift scores, put in front of what was seen since the start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from backends.contracts import DriftScore, Past, ScoreKey
from backends.errors import Unreachable, Unsupported
from shiftdeck.engine.engine import Engine
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.history.drift_history import AGAIN_S, RETRY_S, WINDOW_S, DriftHistoryReader, with_past
from shiftdeck.journal.journal import Journal
from tests.fakes import FakeDrift, FakeWorld, fake_context, fake_factory
from tests.unit.planned import look


class Drift:
    """Only what recalling asks of an adapter: each score was 0.9 for the hour before it was first seen."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked: list[float] = []

    def past(self, scores: Sequence[DriftScore], window_s: float, step_s: float) -> Mapping[ScoreKey, Past]:
        self.asked.append(window_s)
        if self.error is not None:
            raise self.error
        return {score.key: past_of(score) for score in scores}


def past_of(score: DriftScore) -> Past:
    first = score.times[0] if score.times else score.at
    return tuple((first - 60.0 * minute, 0.9) for minute in range(60, -3, -1))


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


def sentiment(world: FakeWorld) -> tuple[View, EndpointView]:
    fleet = look(world)
    view = fleet.endpoint(world.ref("sentiment"))
    assert view is not None
    assert view.drift
    return fleet, view


def reader(*adapters: object, clock: Callable[[], float] = lambda: 0.0) -> DriftHistoryReader:
    named: dict[str, Any] = {f"drift-{number}": one for number, one in enumerate(adapters)}
    return DriftHistoryReader(lambda: named, clock)


def test_what_came_before_is_put_in_front_and_what_was_seen_stays(world: FakeWorld) -> None:
    _, view = sentiment(world)
    score = next(one for one in view.drift if one.value is not None)
    whole = with_past(score, past_of(score))
    assert whole.times[: len(whole.times) - len(score.times or (0,))] == tuple(
        at for at, _ in past_of(score) if at < (score.times or (score.at,))[0]
    )
    assert whole.history[-1] == score.value
    assert list(whole.times) == sorted(set(whole.times))
    assert with_past(score, ()) is score


def test_the_past_of_the_endpoint_is_in_its_view_and_in_no_other(world: FakeWorld) -> None:
    fleet, view = sentiment(world)
    one = reader(Drift())
    read = one.read(view, 900.0)
    whole = one.extended(fleet, read)
    selected = whole.endpoint(view.ref)
    assert selected is not None
    scored = [score for score in selected.drift if score.value is not None]
    assert all(len(score.times) > 60 for score in scored)
    assert [score for variant in selected.variants for score in variant.drift if score.value is not None] == scored
    others = [(old, new) for old, new in zip(fleet.endpoints, whole.endpoints, strict=True) if old.ref != view.ref]
    assert all(old is new for old, new in others)
    assert one.extended(fleet, read).endpoint(view.ref) is selected  # nothing is new where nothing is


def test_it_is_asked_for_once_in_a_while_and_anew_for_another_window(world: FakeWorld) -> None:
    _, view = sentiment(world)
    drift, clock = Drift(), Clock(view.drift[0].at)
    one = reader(drift, clock=clock)
    first = one.read(view, 900.0)
    assert drift.asked == [WINDOW_S]
    clock.now += AGAIN_S - 1
    assert one.read(view, 3600.0) is first
    one.read(view, 86_400.0)
    clock.now += AGAIN_S + 1
    one.read(view, 86_400.0)
    assert drift.asked == [WINDOW_S, 86_400.0, 86_400.0]
    assert one.read(None, 900.0) is None


def test_a_source_that_begins_to_tell_later_is_asked_as_well(world: FakeWorld) -> None:
    _, view = sentiment(world)
    drift = Drift()
    one = reader(drift)
    first = one.read(replace(view, drift=view.drift[:1]), 900.0)
    assert first is not None
    assert len(first.points) == 1
    again = one.read(view, 900.0)
    assert again is not None
    assert again.points.keys() == {score.key for score in view.drift}
    assert one.read(view, 900.0) is again


@pytest.mark.parametrize("error", [Unsupported("source prom keeps no past"), Unreachable("no connection")])
def test_what_cannot_be_had_is_said_and_tried_again(world: FakeWorld, error: Exception) -> None:
    fleet, view = sentiment(world)
    failing, clock = Drift(error), Clock(view.drift[0].at)
    one = reader(failing, Drift(), object(), clock=clock)
    read = one.read(view, 900.0)
    assert read is not None
    assert read.lacking == {"drift-0": str(error)}
    assert read.points, "what another source tells is not lost"
    clock.now += RETRY_S + 1
    failing.error = None
    again = one.read(view, 900.0)
    assert again is not None
    assert again.lacking == {}
    assert one.extended(fleet, None) is fleet


def test_the_engine_reads_it_for_the_endpoint_in_focus(
    world: FakeWorld, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDrift, "past", Drift().past, raising=False)
    engine = Engine(fake_context(), Journal(tmp_path / "journal.jsonl"), factory=fake_factory(world), clock=world.clock)
    engine.start()
    try:
        ref = world.ref("sentiment")
        assert engine.wait_for(lambda view: bool((one := view.endpoint(ref)) and one.drift), 30)
        assert engine.view.drift_history is None
        engine.focus(ref)
        view = engine.wait_for(lambda view: view.drift_history is not None, 30)
        assert view is not None
        selected = view.endpoint(ref)
        assert selected is not None
        assert any(len(score.times) > 60 for score in selected.drift)
    finally:
        engine.stop(1.0)
