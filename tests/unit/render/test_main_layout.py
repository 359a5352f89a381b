"""Where things go: nothing overlaps or leaves the screen at any size, and the sizes people have look as meant."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.render.main_layout import CHARTS, PANES, Box, Plan, layout

SIZES = st.tuples(st.integers(1, 260), st.integers(1, 90))


def inside(box: Box, width: int, height: int) -> bool:
    return box.x >= 0 and box.y >= 0 and box.x + box.width <= width and box.y + box.height <= height


def apart(one: Box, other: Box) -> bool:
    return (
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.y + one.height <= other.y
        or other.y + other.height <= one.y
    )


@given(
    SIZES,
    st.integers(0, 10_000),
    st.sampled_from(PANES),
    st.sampled_from(["", "endpoints", "p95", *PANES]),
)
def test_nothing_overlaps_or_leaves_the_screen(size: tuple[int, int], endpoints: int, chosen: str, zoomed: str) -> None:
    width, height = size
    plan = layout(width, height, endpoints, chosen, zoomed)
    for name, box in plan.boxes.items():
        assert inside(box, width, height), name
        assert box.width > 0, name
        assert box.height > 0, name
    for (first, one), (second, other) in combinations(plan.boxes.items(), 2):
        assert apart(one, other), (first, second)


@given(SIZES, st.integers(0, 10_000))
def test_there_is_always_a_table_with_room_for_a_row(size: tuple[int, int], endpoints: int) -> None:
    table = layout(*size, endpoints).boxes["endpoints"]
    assert table.width == size[0]
    if size[1] >= 6:
        assert table.height >= 3


def names(plan: Plan) -> set[str]:
    return set(plan.boxes) - {"header", "footer", "endpoints", "tabs"}


def test_80_by_24_shows_one_pane_at_a_time() -> None:
    for pane in PANES:
        plan = layout(80, 24, 6, pane)
        assert plan.tabs
        assert names(plan) == ({"p95", "share"} if pane == "charts" else {pane})
        assert plan.boxes["endpoints"].height >= 8


def test_120_by_36_shows_the_table_six_panes_and_the_journal() -> None:
    plan = layout(120, 36, 6)
    assert not plan.tabs
    assert names(plan) == {"traffic", "registry", "drift", "p95", "share", "gpu", "journal"}
    rows = {plan.boxes[name].y for name in ("traffic", "registry", "drift")}
    assert len(rows) == 1


def test_200_by_50_shows_everything() -> None:
    assert names(layout(200, 50, 6)) == {*PANES, *CHARTS} - {"charts"}


@pytest.mark.parametrize("size", [(59, 40), (200, 14), (40, 10)])
def test_a_tiny_terminal_shows_the_table_only(size: tuple[int, int]) -> None:
    assert names(layout(*size, 6)) == set()


def test_a_zoomed_pane_has_all_but_the_header_and_the_footer() -> None:
    plan = layout(80, 24, 6, "traffic", "gpu")
    assert plan.boxes["gpu"] == Box(0, 1, 80, 22)
    assert names(plan) == {"gpu"}
    assert "endpoints" not in plan.boxes


def test_many_endpoints_leave_room_for_the_panes() -> None:
    for size in ((80, 24), (120, 36), (200, 50)):
        plan = layout(*size, 10_000)
        assert names(plan) >= names(layout(*size, 6)) - {"journal"}
        assert min(plan.boxes[name].height for name in names(plan)) >= 4
