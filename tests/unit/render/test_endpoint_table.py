"""The table of endpoints: order, filter, weights, and what stands in its lines at every width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from backends.contracts import Role, Variant
from shiftdeck.common.durations import age
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.fleet.sorting import SORTS, EndpointSorter, Filter, counts, sort_named
from shiftdeck.health.verdict import Level, Reason
from shiftdeck.sources.source import SourceState
from tests.fakes import FakeWorld
from tests.unit.builders import NOW, canary, stable, variant
from tests.unit.panes import COLOURLESS, FULL, PLAIN, fleet, one, running, style_at
from tui.render import endpoint_row as one_row
from tui.render import endpoint_table as pane
from tui.render import traffic_bar
from tui.render.theme import Look


def line(world: FakeWorld, name: str, width: int = 200, look: Look = FULL, **states: SourceState) -> str:
    view = fleet(world, **states)
    return drawn(one(view, name), view.at, width, look).plain


def drawn(view: EndpointView, now: float, width: int, look: Look = FULL, run: object = None) -> Text:
    row = one_row.make_row(view, run, now, look, scoped=False, tight=width < 100)  # type: ignore[arg-type]
    return one_row.row_line(row, pane.fitted(one_row.widths_of(row), width), look)


# ── the split ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_bar_shows_what_is_in_transit_in_the_colour_of_who_gets_it() -> None:
    moving = (stable(75.0, observed=90.0), canary(25.0, observed=10.0))
    bar = traffic_bar.bar(moving, 20, FULL)
    assert bar.plain == "━" * 15 + "╍" * 3 + "╺━"
    styles = [(bar.plain[span.start], span.style) for span in bar.spans]
    assert styles == [("━", FULL["stable"]), ("╍", FULL["canary"]), ("╺", FULL["canary"])]


def test_the_smallest_share_is_seen_and_no_weights_are_no_bar() -> None:
    assert traffic_bar.bar((stable(99.9), canary(0.1)), 10, FULL).plain == "━" * 9 + "╺"
    assert traffic_bar.bar((stable(None), canary(None)), 4, FULL).plain == "────"
    assert traffic_bar.bar((stable(50.0), canary(50.0)), 4, PLAIN).plain == "==-="


@given(st.lists(st.floats(0, 100), min_size=1, max_size=6), st.integers(6, 60))
def test_columns_of_a_bar_sum_to_its_width(percents: list[float], width: int) -> None:
    columns = traffic_bar.apportion(percents, width)
    assert sum(columns) == (width if sum(percents) > 0 else 0)
    assert all(column >= 1 for column, percent in zip(columns, percents, strict=True) if percent > 0)
    assert all(column == 0 for column, percent in zip(columns, percents, strict=True) if percent == 0)


def test_weights_as_text() -> None:
    shadow = variant("v13", Role.SHADOW, None, mirror=20.0)
    idle = variant("v6", Role.IDLE, 0.0)
    assert traffic_bar.text((stable(), canary(), idle), FULL).plain == "v7 90 · v8 10"
    assert (
        traffic_bar.text((stable(75.0, observed=90.0), canary(25.0, observed=10.0)), FULL).plain
        == "v7 90→75 · v8 10→25"
    )
    assert traffic_bar.text((stable(100.0), shadow), FULL, tight=True).plain == "v7 100 v13 shadow 20"
    assert traffic_bar.text((Variant("v7", Role.STABLE),), FULL).plain == "v7 –"
    assert traffic_bar.text((idle,), FULL).plain == "no traffic"


# ── lines ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_bad_canary_is_told_with_its_figures_and_why() -> None:
    world = FakeWorld()
    world.make_bad_canary()
    shown = line(world, "sentiment")
    for words in ("✖ sentiment", "v7 90 · v8 10", "255 ms", "+81 %", "6.2 %", "812/s", "v8 errors 6.2 % > 1.0 %"):
        assert words in shown


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 200])
@pytest.mark.parametrize("look", [FULL, COLOURLESS, PLAIN])
def test_a_line_fits_and_holds_what_is_needed_at_any_width(width: int, look: Look) -> None:
    world = FakeWorld()
    world.make_night()
    view = fleet(world)
    rows = [one_row.make_row(v, None, view.at, look, scoped=False, tight=width < 100) for v in view.endpoints]
    wanted = {name: max(one_row.widths_of(row).get(name, 0) for row in rows) for name in pane.COLUMNS}
    wide = pane.fitted(wanted, width)
    for endpoint, row in zip(view.endpoints, rows, strict=True):
        shown = one_row.row_line(row, wide, look)
        assert shown.cell_len <= width
        for words in (endpoint.ref.name, "v", " ms"):
            assert words in shown.plain
        if width >= 80:
            assert "…" not in shown.plain
            assert "%" in shown.plain
    if look is PLAIN:
        assert all(one_row.row_line(row, wide, look).plain.isascii() for row in rows)


def test_columns_line_up_under_their_headings() -> None:
    world = FakeWorld()
    view = fleet(world)
    rows = [one_row.make_row(v, None, view.at, FULL, scoped=False, tight=False) for v in view.endpoints]
    wanted = {name: max(one_row.widths_of(row).get(name, 0) for row in rows) for name in pane.COLUMNS}
    wide = pane.fitted(wanted, 160)
    heading = pane.heading(wide, "health", FULL).plain
    for row in rows:
        shown = one_row.row_line(row, wide, FULL).plain
        for head, cell in (("p95", "p95"), ("errors", "errors"), ("drift", "drift"), ("load", "load")):
            end = heading.index(head) + len(head)
            value = row.cells[cell].plain
            assert shown[end - len(value) : end] == value


def test_without_metrics_there_is_no_figure_but_how_old_the_last_is() -> None:
    shown = line(FakeWorld(), "sentiment", gateway=SourceState.UNREACHABLE)
    assert "no data 1m" in shown
    assert " ms" not in shown.replace("no data", "")
    assert "gateway unreachable" in shown
    assert "?" in shown


def test_a_change_under_way_comes_before_the_reasons() -> None:
    world = FakeWorld()
    world.make_bad_canary()
    view = fleet(world)
    run = running(world, {"v7": 75.0, "v8": 25.0})
    shown = drawn(one(view), view.at, 120, run=run).plain
    assert "shift" in shown
    assert "10→25" in shown
    assert "observed 10" in shown
    assert "stalled" in drawn(one(view), view.at, 120, run=running(world, {"v7": 75.0, "v8": 25.0}, stalled=True)).plain


def test_red_is_for_what_breaks_an_objective() -> None:
    world = FakeWorld()
    world.make_bad_canary()
    view = fleet(world)
    assert "critical" in style_at(drawn(one(view), view.at, 160), "6.2 %")
    world = FakeWorld()
    view = fleet(world)
    assert "critical" not in style_at(drawn(one(view), view.at, 160), "0.2 %")


@pytest.mark.parametrize(
    ("reason", "short"),
    [
        ("v8 errors 2.4 % > 1.0 %", "v8 err 2.4%"),
        ("v8 p95 +61 % against v7", "v8 p95 +61%"),
        ("gpu node-c/1: XID 79: fallen off the bus", "gpu XID 79"),
        ("drift amount 0.31", "drift amount"),
    ],
)
def test_reasons_get_shorter_without_losing_their_point(reason: str, short: str) -> None:
    assert one_row.shorter(Reason(Level.WARNING, reason))[-1] == short


def test_how_long_it_has_lasted_is_what_a_reason_drops_first() -> None:
    reason = Reason(Level.NO_DATA, "gateway unreachable", since=NOW - 120.0)
    assert (reason.words(NOW), one_row.shorter(reason)) == ("gateway unreachable 2m", ["gateway unreachable"])


# ── order and filter ────────────────────────────────────────────────────────────────────────────────────────────


def names(views: object) -> list[str]:
    return [view.ref.name for view in views]  # type: ignore[attr-defined]


def test_every_order() -> None:
    world = FakeWorld()
    world.make_bad_canary()
    world.make_drift()
    view = fleet(world)
    assert names(EndpointSorter().ordered(view.endpoints, "health"))[:2] == ["sentiment", "fraud"]
    assert names(EndpointSorter().ordered(view.endpoints, "name"))[0] == "churn"
    assert names(EndpointSorter().ordered(view.endpoints, "load"))[0] == "ranker"
    assert names(EndpointSorter().ordered(view.endpoints, "p95"))[0] == "sentiment"
    assert names(EndpointSorter().ordered(view.endpoints, "errors"))[0] == "sentiment"
    assert names(EndpointSorter().ordered(view.endpoints, "drift"))[0] == "fraud"


def test_what_is_not_known_comes_last() -> None:
    world = FakeWorld()
    world.endpoint("ranker").rps = 0.0
    assert names(EndpointSorter().ordered(fleet(world).endpoints, "load"))[-1] == "ranker"


def test_columns_by_other_words() -> None:
    assert sort_named("err") == "errors"
    assert sort_named("rps") == "load"
    assert [sort_named(name) for name in SORTS] == list(SORTS)
    with pytest.raises(ValueError, match="no column 'colour': sort by health"):
        sort_named("colour")


def test_filter_by_name_model_level_and_backwards() -> None:
    world = FakeWorld()
    world.make_bad_canary()
    views = fleet(world).endpoints
    assert names(EndpointSorter().filtered(Filter.parse("SENT"), views)) == ["sentiment"]
    assert names(EndpointSorter().filtered(Filter.parse("fraud-detector"), views)) == ["fraud"]
    assert names(EndpointSorter().filtered(Filter.parse("critical"), views)) == ["sentiment"]
    assert "sentiment" not in names(EndpointSorter().filtered(Filter.parse("!critical"), views))
    assert len(EndpointSorter().filtered(Filter.parse(""), views)) == len(views)
    assert len(EndpointSorter().filtered(Filter.parse("!"), views)) == len(views)
    assert names(EndpointSorter().filtered(Filter.parse("^lab:prod/e"), views)) == ["eta"]


def test_a_bad_expression_is_refused_with_a_reason() -> None:
    with pytest.raises(ValueError, match="not a regular expression: "):
        Filter.parse("(")


@given(st.text(max_size=12))
def test_any_text_is_a_filter_or_an_error(text: str) -> None:
    try:
        kept = Filter.parse(text)
    except ValueError:
        return
    views = fleet(FakeWorld()).endpoints
    rest = Filter.parse(text[1:] if kept.inverted else f"!{text}")
    if kept.pattern is not None:
        assert len(EndpointSorter().filtered(kept, views)) + len(EndpointSorter().filtered(rest, views)) == len(views)


# ── the title ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_title_counts_and_says_how_it_is_narrowed() -> None:
    world = FakeWorld()
    world.make_night()
    view = fleet(world)
    title = pane.title(view, counts(view.endpoints), 6, "", "health", FULL, 120).plain
    assert "ENDPOINTS 6  2 critical  2 warning" in title
    assert title.rstrip().endswith("/ filter  sort: health ▼")
    narrowed = pane.title(view, counts(view.endpoints), 1, "sen", "p95", FULL, 80).plain
    assert "/sen 1 of 6" in narrowed
    assert len(narrowed) <= 80


def test_ages_are_in_one_unit() -> None:
    assert age(125.0) == "2m"
