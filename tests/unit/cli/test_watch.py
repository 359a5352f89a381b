"""A change forward is watched until there is enough to judge by, and is refused if there never is."""

from __future__ import annotations

import pytest

from backends.contracts import Advance, Promote, Split
from shiftdeck.engine.view import View
from tests.fakes import FakeWorld
from tests.unit.cli_world import Shell, shell
from tests.unit.planned import look
from tui.cli import watch
from tui.cli.watch import Short, awaited, limit_words, rising, short_of

__all__ = ["shell"]

WHY = ("--reason", "next step", "--yes")
FORWARD = Split({"v7": 75.0, "v8": 25.0})


def unexposed(world: FakeWorld) -> None:
    """v8 of sentiment gets no traffic."""
    state = world.endpoint("sentiment")
    state.desired, state.observed = {"v7": 100.0, "v8": 0.0}, {"v7": 100.0, "v8": 0.0}


def few(rps: float = 10.0) -> tuple[FakeWorld, View]:
    world = FakeWorld()
    world.endpoint("sentiment").rps = rps
    return world, look(world)


def test_without_a_verdict_more_traffic_is_refused_and_the_limit_is_told(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LONGEST_S", 0.05)
    shell.world.endpoint("sentiment").rps = 10.0
    said = shell.type("shift", "sentiment", "v8=25", *WHY)
    assert said.code == 3, said
    assert shell.world.sent == []
    assert "v8 has 60 of 100 requests, at 1/s about 40 s more" in said.err
    assert "v8 behaviour" in said.out


def test_a_reason_overrides_it(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LONGEST_S", 0.05)
    shell.world.endpoint("sentiment").rps = 10.0
    said = shell.type("shift", "sentiment", "v8=25", *WHY, "--override")
    assert said.code == 0, said
    assert dict(shell.world.endpoint("sentiment").desired) == {"v7": 75.0, "v8": 25.0}


def test_watching_ends_as_soon_as_there_is_enough(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    state = shell.world.endpoint("sentiment")
    state.rps = 10.0
    monkeypatch.setattr(watch, "TOLD_EVERY_S", 0.05)
    told: list[str] = []
    words = Short.words

    def more_traffic(one: Short) -> str:
        told.append(words(one))
        state.rps = 812.0
        return told[-1]

    monkeypatch.setattr(Short, "words", more_traffic)
    said = shell.type("shift", "sentiment", "v8=25", *WHY)
    assert said.code == 0, said
    assert told


def test_a_first_exposure_is_not_waited_for(shell: Shell) -> None:
    unexposed(shell.world)
    said = shell.type("shift", "sentiment", "v8=5", *WHY)
    assert said.code == 0, said
    assert "watching" not in said.err


def test_what_answers_nothing_is_not_waited_for(shell: Shell) -> None:
    unexposed(shell.world)
    said = shell.type("shift", "sentiment", "v8=50", *WHY)
    assert said.code == 3, said
    assert "watching" not in said.err


def test_a_way_back_is_not_watched(shell: Shell) -> None:
    shell.world.endpoint("sentiment").rps = 10.0
    said = shell.type("shift", "sentiment", "v8=5", *WHY)
    assert said.code == 0, said
    assert "watching" not in said.err


def test_each_variant_that_gains_is_awaited_with_what_it_lacks() -> None:
    world, view = few()
    (short,) = short_of(view, world.ref("sentiment"), FORWARD)
    assert (short.name, short.counted, short.wanted) == ("v8", 60, 100)
    assert short.left_s == pytest.approx(40.0, rel=0.05)
    assert short_of(view, world.ref("sentiment"), Split({"v7": 95.0, "v8": 5.0})) == ()


@pytest.mark.parametrize("change", [FORWARD, Promote("v8"), Advance()])
def test_variants_that_gain_by_any_kind_of_change(change: Split | Promote | Advance) -> None:
    world, view = few()
    found = view.endpoint(world.ref("sentiment"))
    assert found is not None
    assert [one.name for one in rising(found, change)] == ["v8"]
    assert [one.name for one in awaited(found, change)] == ["v8"]


def test_copies_are_waited_for_too() -> None:
    world = FakeWorld()
    world.endpoint("fraud").rps = 1.0
    found = look(world).endpoint(world.ref("fraud"))
    assert found is not None
    assert [one.name for one in awaited(found, Promote("v13"))] == ["v13"]


def test_a_limit_that_will_not_do_says_what_would() -> None:
    short = (Short("v8", 0, 100, 0.1),)
    assert "--observe 1200" in limit_words(short, 120.0, 3600.0)
    assert "holds about 30 requests of v8" in limit_words(short, 120.0, 300.0)
    assert limit_words((Short("v8", 60, 100, 1.0),), 120.0, 300.0) == ""
    assert limit_words((Short("v8", 0, 100, 0.0),), 120.0, 300.0) == "", "nothing is known of that traffic"
