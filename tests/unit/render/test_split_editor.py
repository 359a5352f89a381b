"""The split while it is edited: whatever is pressed, it stays one that can be applied."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeWorld
from tests.unit.planned import look as fleet_of
from tui.render.split_editor import Draft, draft_of, split_lines
from tui.render.theme import Look
from tui.terminal.capabilities import Capabilities, Colours

LOOK = Look.for_terminal(Capabilities(Colours.FULL, unicode=True))


def start(name: str) -> Draft:
    world = FakeWorld()
    view = fleet_of(world).endpoint(world.ref(name))
    assert view is not None
    draft = draft_of(view)
    assert draft is not None
    return draft


def press(draft: Draft, key: str) -> Draft:
    match key:
        case "left" | "right":
            return draft.nudge(-1 if key == "left" else 1)
        case "[" | "]":
            return draft.nudge(-5 if key == "[" else 5)
        case "up" | "down":
            return draft.preset(1 if key == "up" else -1)
        case "tab":
            return draft.other(1)
        case "backspace":
            return draft.rub_out()
        case _:
            return draft.type(key)


KEYS = st.sampled_from(["left", "right", "[", "]", "up", "down", "tab", "backspace", *"0123456789."])


@given(st.sampled_from(["sentiment", "ranker", "pricing"]), st.lists(KEYS, max_size=60))
def test_the_weights_always_add_up(name: str, keys: list[str]) -> None:
    draft = start(name)
    for key in keys:
        draft = press(draft, key)
        assert abs(draft.total - 100.0) < 1e-6
        assert all(0.0 <= weight <= 100.0 for weight in draft.weights.values())


def test_the_canary_is_edited_and_stable_takes_the_rest() -> None:
    draft = start("sentiment")
    assert (draft.name, draft.rest) == ("v8", "v7")
    assert dict(draft.put(25).weights) == {"v7": 75.0, "v8": 25.0}


def test_presets_go_on_from_where_the_weight_is() -> None:
    draft = start("sentiment").put(12)
    assert draft.preset(1).value == 25.0
    assert draft.preset(-1).value == 10.0
    assert draft.put(100).preset(1).value == 100.0


def test_digits_are_taken_as_they_are_typed() -> None:
    draft = start("sentiment")
    for key, value in (("2", 2.0), ("2", 22.0), (".", 22.0), ("5", 22.5), ("0", 22.5), ("0", 22.5)):
        draft = press(draft, key)
        assert draft.value == value
    assert draft.rub_out().rub_out().rub_out().value == 22.0
    assert press(press(press(start("sentiment"), "1"), "0"), "1").value == 10.0


def test_others_keep_what_they_have_and_limit_the_chosen_one() -> None:
    draft = start("ranker").put(90)
    assert dict(draft.weights) == {"v9": 0.0, "v10": 80.0, "v11": 20.0}


def test_an_endpoint_with_one_variant_has_nothing_to_edit() -> None:
    world = FakeWorld()
    view = fleet_of(world).endpoint(world.ref("churn"))
    assert view is not None
    assert draft_of(view) is None


def test_the_sum_is_always_shown_and_nothing_is_wider_than_its_place() -> None:
    world = FakeWorld()
    view = fleet_of(world).endpoint(world.ref("ranker"))
    assert view is not None
    for width in (60, 76, 114):
        lines = split_lines(view, start("ranker"), LOOK, width)
        assert all(line.cell_len <= width for line in lines)
        assert lines[-1].plain.split() == ["sum", "100", "%"]
