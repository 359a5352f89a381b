"""What the plan dialog shows before anything is sent, while it is on its way, and when it has ended."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.text import Text

from backends.contracts import Mirror, Promote, Rollback, Split
from shiftdeck.changes.run import Outcome, OutcomeKind, Run, Stage, TrafficRun
from tests.fakes import FakeWorld
from tests.unit.planned import look as fleet_of
from tests.unit.planned import plan
from tui.render.plan import blocked_line, overtaken, overtaken_line, plan_lines, title_lines
from tui.render.run import running_lines
from tui.render.theme import Look
from tui.terminal.capabilities import Capabilities, Colours

LOOK = Look.for_terminal(Capabilities(Colours.FULL, unicode=True))
PLAIN = Look.for_terminal(Capabilities(Colours.NONE, unicode=False))


def shown(lines: list[Text]) -> str:
    return "\n".join(line.plain.rstrip() for line in lines)


def style_of(lines: list[Text], word: str) -> str:
    """The style in which a word is written."""
    line = next(line for line in lines if word in line.plain)
    at = line.plain.index(word)
    return str(next(span.style for span in line.spans if span.start <= at < span.end))


def test_a_shift_shows_before_and_after_with_its_calls_and_the_way_back() -> None:
    world = FakeWorld()
    made = plan(world, "sentiment", Split({"v7": 75.0, "v8": 25.0}))
    text = shown(plan_lines(made, world.clock() + 4, LOOK, 100))
    table = [line.split() for line in text.splitlines()[1:3]]
    assert table[0][:8] == ["v7", "90", "%", "731/s", "→", "75", "%", "~609/s"]
    assert table[1][:8] == ["v8", "10", "%", "81/s", "→", "25", "%", "~203/s"]
    assert "PUT /v1/endpoints/prod/sentiment/traffic" in text
    assert "guard      If-Match 17" in text
    assert "same as    curl -X PUT" in text
    assert "way back   roll back to release 17" in text
    assert "4s ago against revision 17" in text


def test_what_holds_a_plan_up_comes_first() -> None:
    world = FakeWorld()
    world.make_bad_canary()
    made = plan(world, "sentiment", Split({"v7": 75.0, "v8": 25.0}))
    lines = plan_lines(made, world.clock(), LOOK, 100)
    checks = [line.plain for line in lines if line.plain[:1] in "✖▲?✔"]
    symbols = [line[0] for line in checks if line.strip()]
    assert symbols == sorted(symbols, key="✖▲?✔".index)
    assert "Blocked by v8 p95 within SLO" in blocked_line(made, LOOK).plain


def test_a_plan_that_no_override_lifts_does_not_ask_for_one() -> None:
    world = FakeWorld()
    made = plan(world, "sentiment", Rollback("15"), fleet=fleet_of(world, writable=False))
    words = blocked_line(made, LOOK).plain
    assert "cannot be done" in words
    assert "reason" not in words


def test_a_promotion_shows_the_alias_that_moves_or_that_none_does() -> None:
    world = FakeWorld()
    moving = plan(world, "sentiment", Promote("v8"))
    assert "champion of sentiment-classifier 7 → 8" in shown(plan_lines(moving, world.clock(), LOOK, 100))
    staying = plan(world, "sentiment", Promote("v8"), move_alias=False)
    assert "stays where it is" in shown(plan_lines(staying, world.clock(), LOOK, 100, move_alias=False))


def test_a_mirror_is_shown_apart_from_live_traffic() -> None:
    world = FakeWorld()
    made = plan(world, "fraud", Mirror("v13", 50.0))
    lines = plan_lines(made, world.clock(), LOOK, 100)
    assert "mirrored" in lines[0].plain
    row = next(line.plain for line in lines if line.plain.startswith("v13"))
    assert "20 → 50 %" in row
    assert row.split()[1] == "shadow"


@pytest.mark.parametrize("width", [40, 60, 76, 114])
@pytest.mark.parametrize("look", [LOOK, PLAIN], ids=["full", "plain"])
def test_nothing_is_wider_than_the_dialog_and_nothing_is_cut(width: int, look: Look) -> None:
    world = FakeWorld()
    world.make_bad_canary()
    made = plan(world, "sentiment", Promote("v8"))
    lines = plan_lines(made, world.clock(), look, width)
    if width >= 60:
        assert all(line.cell_len <= width for line in lines)
    words = " ".join(shown(lines).split())
    squeezed = words.replace(" ", "")
    for step in made.steps:
        assert step.call.command.replace(" ", "") in squeezed
    for check in made.checks:
        assert check.evidence.replace(" ", "") in squeezed


def test_an_old_plan_shows_its_age_as_a_warning() -> None:
    world = FakeWorld()
    made = plan(world, "sentiment", Rollback("15"))
    assert style_of(plan_lines(made, world.clock() + 5, LOOK, 100), "5s ago") == str(LOOK["text"])
    assert style_of(plan_lines(made, world.clock() + 120, LOOK, 100), "2m ago") == str(LOOK["warning"])


def test_production_is_named_beside_the_title_even_where_there_is_no_room() -> None:
    ref = FakeWorld().ref("sentiment")
    for width in (30, 60, 100):
        text = shown(title_lines(LOOK, "ROLL BACK", ref, "prod-eu", production=True, width=width))
        assert "PRODUCTION" in text
        assert "sentiment" in text
    assert "PRODUCTION" not in shown(title_lines(LOOK, "ROLL BACK", ref, "staging", production=False, width=100))


# ── somebody else ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_newer_reading_with_another_revision_overtakes_a_plan() -> None:
    world = FakeWorld()
    made = plan(world, "sentiment", Rollback("15"))
    world.clock.tick(3)
    world.rival("sentiment", {"v7": 70.0, "v8": 30.0}, by="ana")
    world.clock.tick(9)
    fleet = fleet_of(world)
    view = fleet.endpoint(world.ref("sentiment"))
    assert view is not None
    assert overtaken(made, fleet)
    words = overtaken_line(made, view, world.clock(), LOOK).plain
    assert words == "▲ changed by ana 9s ago: v7 90 % → 70 %, v8 10 % → 30 %"


def test_a_reading_from_before_the_plan_does_not() -> None:
    world = FakeWorld()
    old = fleet_of(world)
    world.rival("sentiment", {"v7": 70.0, "v8": 30.0})
    world.clock.tick(5)
    made = plan(world, "sentiment", Rollback("15"))
    assert not overtaken(made, old)
    assert not overtaken(made, replace(old, endpoints=()))


# ── under way, and ended ────────────────────────────────────────────────────────────────────────────────────────


def run(world: FakeWorld, **fields: object) -> TrafficRun:
    made = plan(world, "sentiment", Rollback("15"))
    under_way = Run(
        made,
        Stage.OBSERVING,
        world.clock(),
        world.clock(),
        now=world.read("sentiment"),
        seq=12,
        sent=1,
        reason="v8 is slow",
    )
    return replace(under_way, **fields)  # type: ignore[arg-type]  # fields by name


def test_three_shares_are_shown_apart_while_they_converge() -> None:
    world = FakeWorld()
    state = world.endpoint("sentiment")
    state.desired = {"v7": 100.0, "v8": 0.0}
    state.observed = {"v7": 94.0, "v8": 6.0}
    text = shown(running_lines(run(world, shares={"v7": 91.26, "v8": 8.74}), world.clock() + 65, LOOK, 100))
    assert "1:05" in text
    values = [" ".join(one.split("━")[0].split("─")[0].split()) for one in text.splitlines() if " %" in one]
    assert values == [
        "v7 desired 100 %",
        "observed 94 %",
        "measured 91.3 %",
        "v8 desired 0 %",
        "observed 6 %",
        "measured 8.7 %",
    ]
    assert "journal #12" in text


def test_what_was_not_measured_is_no_zero() -> None:
    world = FakeWorld()
    text = shown(running_lines(run(world), world.clock(), LOOK, 100))
    assert [line.split() for line in text.splitlines() if "measured  " in line and "○" not in line] == [
        ["measured", "–"]
    ] * 2


def test_a_stall_is_said() -> None:
    world = FakeWorld()
    text = shown(running_lines(run(world, stalled=True, message="0 of 10 ready"), world.clock(), LOOK, 100))
    assert "▲ stalled: 0 of 10 ready" in text


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome(OutcomeKind.SETTLED, "in effect", confirmed=True), ["✔ settled", "v8 at 0 % measured", "u undoes it"]),
        (Outcome(OutcomeKind.SETTLED, "in effect; the metrics do not show it yet", confirmed=False), ["▲ settled"]),
        (
            Outcome(OutcomeKind.CONFLICT, "changed by ana", changed=("v7 90 % → 70 %",)),
            ["✖ conflict", "v7 90 % → 70 %", "n plans anew"],
        ),
        (
            Outcome(OutcomeKind.UNKNOWN, "no answer"),
            ["? unknown", "Do not send it again blindly", "v7 90 %, v8 10 %", "journal #12"],
        ),
        (Outcome(OutcomeKind.FAILED, "nothing was changed: 500"), ["✖ failed", "nothing was changed"]),
    ],
    ids=lambda value: str(value.kind) if isinstance(value, Outcome) else "",
)
def test_every_outcome_says_what_comes_next(outcome: Outcome, words: list[str]) -> None:
    world = FakeWorld()
    ended = run(world, shares={"v7": 100.0}, outcome=outcome, stage=Stage.DONE)
    text = shown(running_lines(ended, world.clock(), LOOK, 100))
    for word in words:
        assert word in text


def test_an_outcome_without_a_way_back_offers_no_undo() -> None:
    world = FakeWorld()
    ended = run(world, outcome=Outcome(OutcomeKind.SETTLED, "in effect", confirmed=True), stage=Stage.DONE)
    text = shown(running_lines(ended, world.clock(), LOOK, 100))
    assert "u undoes it" in text
    without = replace(ended, plan=replace(ended.plan, undo=None))
    rest = [line for line in text.splitlines() if "undoes" not in line]
    said = shown(running_lines(without, world.clock(), LOOK, 100))
    assert "undoes" not in said
    assert "✔ settled" in said
    assert len(said.splitlines()) >= len(rest), "and nothing else is missing"
