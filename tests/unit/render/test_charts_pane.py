"""Charts: curves in their colours, axes that hold still, marks where somebody changed something."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Measure
from shiftdeck.engine.view import View
from shiftdeck.history.charts import Mark
from shiftdeck.sources.source import SourceState
from tests.examples import examples
from tests.fakes import FakeWorld
from tests.unit.panes import COLOURLESS, FULL, PLAIN, charted, fleet, one, text
from tui.render import charts
from tui.render.charts import ERRORS, P95, SHARE, Kind
from tui.render.line_chart import Curve, Frame, chart_lines, nice_span, nice_top
from tui.render.theme import Look

BRAILLE = set(map(chr, range(0x2801, 0x2900)))


def drawn(view: View, kind: Kind, name: str = "sentiment", size: tuple[int, int] = (60, 12), look: Look = FULL) -> str:
    content = charts.chart(view, one(view, name), kind, look, *size)
    return f"{content.title} {content.subtitle.plain}\n{text(content.lines)}"


def colours(view: View, kind: Kind, name: str = "sentiment") -> set[str]:
    """The names of the styles that dots have."""
    lines = charts.chart(view, one(view, name), kind, FULL, 60, 12).lines
    found = {span.style for line in lines for span in line.spans if line.plain[span.start] in BRAILLE}
    return {style for style in ("stable", "canary", "candidate", "shadow", "muted") if FULL[style] in found}


def test_stable_and_canary_are_drawn_in_their_colours() -> None:
    world = FakeWorld()
    world.make_bad_canary()
    view = charted(world, fleet(world))
    assert colours(view, P95) == {"stable", "canary"}
    assert colours(view, ERRORS) == {"stable", "canary"}
    assert "canary" in colours(view, SHARE)
    shown = drawn(view, P95)
    assert shown.startswith("P95 ms v7 v8 · 15m · slo 200")
    assert "02:59" in shown
    assert shown.rstrip().endswith("now")


@pytest.mark.parametrize("look", [PLAIN, COLOURLESS])
def test_without_colours_each_curve_has_a_character_of_its_own(look: Look) -> None:
    world = FakeWorld()
    world.make_bad_canary()
    shown = drawn(charted(world, fleet(world)), P95, look=look).split("\n", 1)[1]
    assert not set(shown) & BRAILLE
    assert "*" in shown
    assert "." in shown


def test_a_change_is_marked_where_it_was_made() -> None:
    world = FakeWorld()
    view = charted(world, fleet(world), window_s=3600.0)
    lines = drawn(view, P95, size=(80, 12)).splitlines()
    axis = next(line for line in lines if "└" in line)
    labels = lines[lines.index(axis) + 1]
    assert axis.count("┴") == 1  # 35 minutes ago; the other release is older than the window
    assert "v7 95→90 kofi" in labels
    assert abs(axis.index("┴") - (labels.index("v7 95") + 6)) <= 1


def test_shares_show_what_was_asked_for_as_well() -> None:
    world = FakeWorld()
    view = charted(world, fleet(world), window_s=3600.0)
    steps = charts.desired_steps(one(view).endpoint, "v8", view.charts)  # type: ignore[arg-type]
    assert [value for _, value in steps] == [5.0, 5.0, 10.0, 10.0]
    assert "of v8 · want 10 · is 10 · seen 10" in drawn(view, SHARE)
    assert "v8 10 → 10 → 10" in drawn(view, SHARE, size=(34, 10))
    assert colours(charted(world, fleet(world), "ranker"), SHARE, "ranker") >= {"candidate"}


def test_no_axis_of_shares_goes_beyond_a_hundred() -> None:
    world = FakeWorld()
    assert "150" not in drawn(charted(world, fleet(world), "churn"), SHARE, "churn")
    assert "100" in drawn(charted(world, fleet(world), "churn"), SHARE, "churn")


def test_history_of_another_endpoint_is_never_shown() -> None:
    world = FakeWorld()
    view = charted(world, fleet(world), "fraud")
    assert "reading the history of sentiment" in drawn(view, P95)


def test_a_curve_along_the_last_bucket_says_so() -> None:
    world = FakeWorld()
    view = charted(world, fleet(world))
    assert view.charts is not None
    key = ("v8", Measure.P95)
    points = tuple((at, 60.0) for at, _ in view.charts.series[key].points)
    capped = replace(view.charts.series[key], points=points, least=frozenset(at for at, _ in points[-3:]))
    shown = replace(view, charts=replace(view.charts, series={**view.charts.series, key: capped}))
    assert "v8 over 60.0 s" in drawn(shown, P95, size=(80, 12))
    assert "over" not in drawn(view, P95, size=(80, 12)).splitlines()[0]


def test_no_requests_and_no_source_say_so() -> None:
    world = FakeWorld()
    view = charted(world, fleet(world))
    assert view.charts is not None
    silent = {key: replace(s, points=tuple((at, None) for at, _ in s.points)) for key, s in view.charts.series.items()}
    empty = replace(view, charts=replace(view.charts, series=silent))
    assert "nothing was measured in the last 15m" in drawn(empty, P95)
    zero = {
        key: replace(s, points=tuple((at, 0.0) for at, _ in s.points)) if key[1] is Measure.RATE else silent[key]
        for key, s in view.charts.series.items()
    }
    assert "no requests were measured in the last 15m" in drawn(
        replace(view, charts=replace(view.charts, series=zero)), P95
    )
    # A source that keeps no past was asked a moment after the start.
    young = {key: replace(s, since=view.charts.at - 5) for key, s in silent.items()}
    said = drawn(replace(view, charts=replace(view.charts, series=young)), P95)
    assert "no history of before" in said
    assert "no requests" not in said
    old = {key: replace(s, since=view.charts.at - 3600) for key, s in zero.items()}
    assert "no requests were measured" in drawn(replace(view, charts=replace(view.charts, series=old)), P95)
    without = replace(view, charts=None, sources=tuple(s for s in view.sources if s.kind != "metrics"))
    assert "no source of history is configured" in drawn(without, P95)


def test_old_history_says_when_it_ends() -> None:
    world = FakeWorld()
    view = charted(world, fleet(world, gateway=SourceState.UNREACHABLE))
    later = replace(view, at=view.at + 120.0)
    shown = drawn(later, P95)
    assert "gateway unreachable" in shown
    assert "03:14:22Z" in shown.splitlines()[-1]
    assert not shown.rstrip().endswith("now")


def test_a_chart_is_drawn_again_only_when_it_would_move_by_a_column() -> None:
    world = FakeWorld()
    view = charted(world, fleet(world))
    before = charts.key(view, one(view), P95, 90, FULL)
    assert view.charts is not None

    def later(seconds: float) -> object:
        assert view.charts is not None
        moved = replace(view, at=view.at + seconds, charts=replace(view.charts, at=view.charts.at + seconds))
        return charts.key(moved, one(moved), P95, 90, FULL)

    assert later(0.5) == before
    assert later(10.0) != before


def test_less_data_than_the_window_fills_the_axis() -> None:
    world = FakeWorld()
    view = charted(world, fleet(world))
    assert view.charts is not None
    recent = view.charts.at - 90.0
    short = {
        key: replace(s, points=tuple((at, v if at > recent else None) for at, v in s.points))
        for key, s in view.charts.series.items()
    }
    shown = drawn(replace(view, charts=replace(view.charts, series=short)), P95)
    assert "03:12:2" in shown.splitlines()[-1]


# ── pieces ──────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.floats(1e-6, 1e9))
def test_an_axis_holds_its_data_and_wastes_no_more_than_half(highest: float) -> None:
    assert highest <= nice_top(highest) <= 2.0 * highest * (1 + 1e-9)


def test_nothing_or_nonsense_has_an_axis_all_the_same() -> None:
    assert nice_top(0.0) == nice_top(float("nan")) == nice_top(float("inf")) == 1.0


def test_a_time_axis_is_a_minute_at_least_and_the_window_at_most() -> None:
    assert nice_span(3.0, 900.0) == 60.0
    assert nice_span(200.0, 900.0) == 300.0
    assert nice_span(1000.0, 900.0) == 900.0


@examples(40)
@given(
    st.integers(4, 120),
    st.integers(3, 30),
    st.lists(st.tuples(st.floats(-10, 110), st.one_of(st.none(), st.floats(-5, 500))), max_size=30),
)
def test_a_chart_has_its_size_whatever_the_data(
    width: int, height: int, points: list[tuple[float, float | None]]
) -> None:
    frame = Frame(0.0, 100.0, 100.0, limit=50.0)
    marks = (Mark(50.0, "v8 5→10 ana"), Mark(51.0, "v8 10→20 ana"), Mark(400.0, "outside"))
    for look in (FULL, PLAIN):
        lines = chart_lines([Curve("stable", sorted(points, key=lambda p: p[0]))], frame, marks, look, width, height)
        assert len(lines) == height
        assert all(line.cell_len <= max(width, 9) for line in lines)


def test_dots_of_two_curves_in_one_cell_are_both_kept() -> None:
    frame = Frame(0.0, 100.0, 100.0)
    flat = Curve("stable", ((0.0, 50.0), (100.0, 50.0)))
    steep = Curve("canary", ((0.0, 0.0), (100.0, 100.0)))
    both = text(chart_lines([flat, steep], frame, (), FULL, 40, 10))
    only = text(chart_lines([steep], frame, (), FULL, 40, 10))
    dots = sum((ord(char) - 0x2800).bit_count() for char in both if char in BRAILLE)
    assert dots > sum((ord(char) - 0x2800).bit_count() for char in only if char in BRAILLE)
