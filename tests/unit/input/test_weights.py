"""One grammar of weights: what it takes, and that the app and the command line take the same."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast
from unittest.mock import patch

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from backends.contracts import Change, Mirror, Split
from backends.errors import Rejected
from tests.fakes import FakeWorld
from tests.unit.panes import FULL, fleet, one
from tui.actions import changes
from tui.cli import traffic
from tui.cli.main import cli
from tui.input.weights import parse_share, parse_weights
from tui.render.split_editor import Draft
from tui.screens.host import Host
from tui.screens.plan import PlanScreen

VIEW = fleet(FakeWorld())
TEXTS = st.text("v78=0123456789.,% _+-e٢", max_size=14) | st.builds(
    "v8={}{}".format,
    st.text("0123456789._٢", max_size=5),
    st.sampled_from(("", "%", " %", "  %", "%%", " v7=5", ",v7=5%")),
)


class Deck:
    """The app, as far as a handler knows it: ``planned`` is the change that a plan was opened for."""

    def __init__(self) -> None:
        self.view = VIEW
        self.look = FULL
        self.planned: Change | None = None

    def notify(self, message: str, **_: object) -> None:
        """What is said is not looked at."""

    def push_screen(self, screen: object, callback: object = None) -> None:
        if isinstance(screen, PlanScreen):
            self.planned = screen._proposed.change


def in_the_app(word: str, name: str, text: str) -> Change | None:
    deck = Deck()
    getattr(changes, word)(cast("Host", deck), one(VIEW, name).ref, text)
    return deck.planned


def on_the_command_line(word: str, name: str, text: str) -> Change | None:
    found: list[Change] = []

    def act_on(_common: object, _ref: str, intend: Any, *_: object, **__: object) -> None:
        with suppress(Rejected):
            found.append(intend(one(VIEW, name)).change)

    with patch.object(traffic, "act_on", act_on):
        CliRunner().invoke(cli, [word, name, "--", text], catch_exceptions=False)
    return found[0] if found else None


@given(TEXTS.filter(str.strip))
@example("v8=2_5")
@example("v8=.5")
@example("v8=5.")
@example("v8=8 %")
@example("v8=٢٥")
@example("v8=25,")
@example("v8=1e1")
@example("v8=+5")
@example("v8=nan")
def test_the_app_and_the_command_line_take_the_same_weights(text: str) -> None:
    assert in_the_app("shift", "sentiment", text) == on_the_command_line("shift", "sentiment", text)


@given(TEXTS.map(lambda text: text.replace("v8", "v13")).filter(lambda text: "=" in text))
@example("v13=8 %")
@example("v13 20")
def test_the_app_and_the_command_line_take_the_same_share_to_mirror(text: str) -> None:
    assert in_the_app("mirror", "fraud", text) == on_the_command_line("mirror", "fraud", text)


def test_both_take_what_is_a_weight() -> None:
    assert isinstance(in_the_app("shift", "sentiment", "v8=8 %"), Split)
    assert in_the_app("mirror", "fraud", "v13 20") == Mirror("v13", 20.0)


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("v8=25", {"v8": 25.0}),
        ("v8=2.5%", {"v8": 2.5}),
        ("v8=8 %, v9=10", {"v8": 8.0, "v9": 10.0}),
        ("  v8=0   v9=100%  ", {"v8": 0.0, "v9": 100.0}),
    ],
)
def test_weights(text: str, weights: dict[str, float]) -> None:
    assert parse_weights(text) == weights


@pytest.mark.parametrize(
    "text",
    [
        *("", " , ", "v8", "v8=", "=25", "v8=2_5", "v8=.5", "v8=5.", "v8=٢٥", "v8=+5", "v8=-5", "v8=1e1", "v8=nan"),
        *("v8=inf", "v8=25%%", "v8=% 5", "v8=5 5", "v8=101", "v8=1 v8=2", "v8=100.0001"),
    ],
)
def test_what_is_no_weight_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"weight|percentage|twice"):
        parse_weights(text)


@pytest.mark.parametrize(
    ("text", "share"),
    [("", ("", None)), ("v13", ("v13", None)), ("v13=20", ("v13", 20.0)), ("v13 20 %", ("v13", 20.0))],
)
def test_shares(text: str, share: tuple[str, float | None]) -> None:
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["v13 20 30", "v13=20 v12=5", "v13=", "v13=2_5", "=20"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"one variant|percentage"):
        parse_share(text)


@given(st.text("0123456789.", max_size=8))
def test_what_is_typed_into_the_editor_is_a_weight(typed: str) -> None:
    """As soon as it does not end in the dot, after which more is to come."""
    draft = Draft({"v8": 0.0, "v7": 100.0}, ("v8",), "v7")
    for character in typed:
        draft = draft.type(character)
    if draft.typed and not draft.typed.endswith("."):
        assert parse_weights(f"v8={draft.typed}") == {"v8": draft.value}
