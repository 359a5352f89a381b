"""The main screen, driven by keys: what rises, what stays, what is said where nothing is known, and what is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from textual import events
from textual.widget import Widget

from backends.contracts import Action
from backends.errors import Unauthenticated, Unreachable
from tests.app.driving import Driver, driving
from tests.fakes import FakeWorld
from tui.render.theme import Look
from tui.screens.main import MainScreen
from tui.terminal.capabilities import Capabilities, Colours


def main(driver: Driver) -> MainScreen:
    screen = driver.app.screen
    assert isinstance(screen, MainScreen)
    return screen


def rows(driver: Driver) -> list[str]:
    """The names in the table, from the top."""
    return [view.ref.name for view in main(driver).table._rows]


def selected(driver: Driver) -> str:
    found = main(driver).selected
    return found.ref.name if found else ""


def focused(driver: Driver) -> str:
    return (driver.app.focused.id or "") if driver.app.focused is not None else ""


async def charted(driver: Driver) -> None:
    """Wait until the panes have followed the cursor, and the charts of the selected endpoint are drawn."""
    screen = driver.app.screen
    assert isinstance(screen, MainScreen)
    await driver.until(
        lambda: (
            str(screen.selected_ref()) in driver.text()
            and " slo " in driver.text()
            and "reading the history" not in driver.text()
        ),
        "no chart is drawn",
    )


# ── the table ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_bad_canary_rises_to_the_top_with_its_reasons(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path) as driver:
        assert rows(driver)[-1] == "sentiment"
        world.make_bad_canary()
        await driver.sees("✖ sentiment", "v8 errors 6.2 %", "1 critical")
        assert rows(driver)[0] == "sentiment"
        assert selected(driver) == "sentiment"


async def test_the_filter_is_applied_as_it_is_typed_and_escape_clears_it(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path, select="") as driver:
        await driver.press("slash", "S", "e", "n")
        assert rows(driver) == ["sentiment"]
        await driver.sees("/Sen 1 of 6")
        await driver.press("backspace", "backspace", "backspace", "exclamation_mark")
        await driver.write("fraud|eta")
        assert rows(driver) == ["churn", "pricing", "ranker", "sentiment"]
        await driver.press("escape")
        assert len(rows(driver)) == 6
        assert focused(driver) == "endpoints"


async def test_a_filter_stays_after_enter_and_a_bad_one_says_why(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path, select="") as driver:
        await driver.press("slash")
        await driver.write("(")
        await driver.sees("not a regular expression")
        assert len(rows(driver)) == 6
        await driver.press("backspace")
        await driver.write("detector")
        await driver.press("enter")
        assert rows(driver) == ["fraud"]
        assert focused(driver) == "endpoints"
        await driver.press("escape")
        assert len(rows(driver)) == 6


async def test_nothing_matches_is_said(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path, select="") as driver:
        await driver.press("slash")
        await driver.write("zzz")
        await driver.sees("none of 6 endpoints matches /zzz")


async def test_sorting_keeps_the_cursor_on_its_endpoint(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path, select="eta") as driver:
        await driver.press("o")
        await driver.sees("sort: name")
        await driver.press("o")
        await driver.sees("sort: load")
        assert rows(driver)[0] == "ranker"
        assert selected(driver) == "eta"
        await driver.press("colon")
        await driver.write("sort p95")
        await driver.press("enter")
        await driver.sees("sort: p95")
        assert rows(driver)[-1] == "churn"
        assert selected(driver) == "eta"


async def test_ten_thousand_endpoints_draw_only_what_is_visible(tmp_path: Path) -> None:
    world = FakeWorld().big(10_000)
    world.hang("metrics", "drift", "registries", "accelerators")  # it is not their speed that is in question
    async with driving(world, tmp_path, select="", size=(120, 36), loaded=False) as driver:
        await driver.until(lambda: len(rows(driver)) == 10_000, "the endpoints never come")
        await driver.sees("model-0", "ENDPOINTS 10000")
        driver.app.engine.pause(True)
        await driver.sees(" paused ")
        table = main(driver).table
        before = table.drawn
        await driver.press("end")
        await driver.sees("model-09999")
        assert selected(driver) == "model-09999"
        assert table.drawn - before <= 3 * table.size.height
        before = table.drawn
        await driver.press("slash")
        await driver.write("0999")
        assert len(rows(driver)) == 11
        assert table.drawn - before <= 6 * table.size.height


# ── nothing old looks new ───────────────────────────────────────────────────────────────────────────────────────


async def test_before_the_first_answer_every_pane_says_what_it_waits_for(tmp_path: Path) -> None:
    world = FakeWorld()
    world.hang("serving", "metrics", "registries", "drift", "accelerators")
    async with driving(world, tmp_path, select="", loaded=False) as driver:
        await driver.sees("reading endpoints from lab", "reading versions from mlflow", "reading GPU data from dcgm")
        await driver.sees("reading drift scores from psi", "5 sources starting")
        world.let_go()
        await driver.sees("sentiment", "v7 90", "v8 10")


async def test_metrics_that_go_away_are_no_data_and_the_last_are_dated(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path) as driver:
        world.fail["metrics"] = Unreachable("no route to host")
        world.clock.tick(125)
        await driver.sees("✖ gateway unreachable 2m", "no data 2m", "showing data from 03:14:22Z", "6 no data")
        assert "● sentiment" not in driver.text()
        del world.fail["metrics"]
        await driver.sees("● sentiment", "132 ms")
        assert "no data" not in driver.text()


async def test_a_registry_that_refuses_blanks_nothing_else(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path) as driver:
        world.fail["registries"] = Unauthenticated("the token has expired")
        world.clock.tick(61)
        await driver.sees("mlflow unauthenticated 1m", "showing data from 03:14:22Z", "@champion", "● sentiment")


async def test_no_endpoints_at_all_say_why(tmp_path: Path) -> None:
    world = FakeWorld()
    world.fail["serving"] = Unreachable("connection refused", hint="is the gateway up?")
    async with driving(world, tmp_path, select="") as driver:
        await driver.sees("lab unreachable", "connection refused", "is the gateway up?", "ENDPOINTS 0")


async def test_foreign_text_cannot_steer_the_terminal(tmp_path: Path) -> None:
    world = FakeWorld()
    world.endpoint("sentiment").message = "\x1b[2Jgone\r\x07 progress"
    async with driving(world, tmp_path) as driver:
        await driver.sees("[2Jgone")
        assert not [char for char in driver.text() if not char.isprintable() and char != "\n"]


# ── panes ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "title"),
    [("1", "TRAFFIC"), ("2", "REGISTRY"), ("3", "P95 ms"), ("4", "GPU"), ("5", "DRIFT"), ("6", "JOURNAL")],
)
async def test_a_small_terminal_shows_one_pane_at_a_time(tmp_path: Path, key: str, title: str) -> None:
    async with driving(FakeWorld(), tmp_path, size=(80, 24)) as driver:
        await driver.press(key)
        await driver.sees(title)
        titles = ("TRAFFIC", "REGISTRY", "P95 ms", "GPU", "DRIFT", "JOURNAL")
        shown = [line.split("  ")[0] for line in driver.text().splitlines()]
        assert sum(any(line.strip(" ▌").startswith(one) for one in titles) for line in shown) == 1


async def test_tab_goes_round_and_zoom_goes_in_and_out(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path, size=(120, 36)) as driver:
        visited = []
        for _ in range(9):
            visited.append(focused(driver))
            await driver.press("tab")
        assert visited[0] == visited[8] == "endpoints"
        assert visited[1:8] == ["traffic", "registry", "drift", "p95", "share", "gpu", "journal"]
        await driver.press("shift+tab", "shift+tab", "tab")
        await driver.press("2")
        assert focused(driver) == "registry"
        await driver.press("z")
        await driver.until(lambda: "ENDPOINTS" not in driver.text(), "the pane is not zoomed")
        assert "REGISTRY" in driver.text()
        assert "TRAFFIC" not in driver.text()
        await driver.press("4")
        await driver.sees("▌GPU")
        await driver.press("z")
        await driver.sees("ENDPOINTS", "TRAFFIC", "GPU")


async def test_panes_follow_the_cursor(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path, select="sentiment") as driver:
        await driver.sees("TRAFFIC lab:prod/sentiment", "sentiment-classifier")
        await driver.press("up")
        name = selected(driver)
        await driver.sees(f"TRAFFIC lab:prod/{name}")
        await charted(driver)
        assert "sentiment-classifier" not in driver.text()


async def test_the_terminal_may_be_resized_at_any_time(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path, size=(200, 50)) as driver:
        await driver.sees("ERRORS %", "JOURNAL", "TRAFFIC", "SHARE %")
        for width, height in ((120, 36), (80, 24), (59, 14), (20, 5), (1, 1), (100, 60), (200, 50)):
            await driver.pilot.resize_terminal(width, height)
            await driver.pilot.pause()
            lines = driver.text().splitlines()
            assert len(lines) <= height
        await driver.sees("ERRORS %", "JOURNAL", "TRAFFIC", "SHARE %", "sentiment")
        await charted(driver)


async def test_a_long_pane_says_what_is_hidden_and_scrolls(tmp_path: Path) -> None:
    world = FakeWorld()
    world.gpus = world.gpus * 5
    async with driving(world, tmp_path, size=(80, 24)) as driver:
        await driver.press("4", "tab")
        await driver.sees("of 30")
        assert "1–" in driver.text()
        await driver.press("end")
        await driver.sees("–30 of 30")


# ── keys and commands ───────────────────────────────────────────────────────────────────────────────────────────


async def test_the_footer_greys_what_is_not_possible_and_says_why_when_asked(tmp_path: Path) -> None:
    world = FakeWorld()
    world.endpoint("sentiment").denied[Action.SHIFT] = "frozen until Monday"
    async with driving(world, tmp_path) as driver:
        await driver.press("s")
        await driver.hears("frozen until Monday")


async def test_command_mode_completes_remembers_and_refuses(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path) as driver:
        await driver.press("colon")
        await driver.write("sor")
        await driver.press("tab")
        assert main(driver).prompt.value == "sort "
        await driver.write("colour")
        await driver.press("enter")
        await driver.sees("no column 'colour'")
        await driver.press("escape")
        await driver.press("colon", "up")
        assert main(driver).prompt.value == "sort colour"
        await driver.press("escape")
        assert focused(driver) == "endpoints"
        await driver.press("colon")
        await driver.write("xyzzy")
        await driver.press("enter")
        await driver.sees("no command 'xyzzy'")


async def test_a_command_opens_an_endpoint_by_its_name(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path) as driver:
        await driver.press("colon")
        await driver.write("open fraud")
        await driver.press("enter")
        await driver.until(lambda: not isinstance(driver.app.screen, MainScreen), "nothing opens")
        await driver.press("escape")
        await driver.until(lambda: isinstance(driver.app.screen, MainScreen), "there is no way back")


async def test_help_shows_every_key_and_escape_leaves_it(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path, size=(160, 50)) as driver:
        await driver.press("question_mark")
        await driver.sees("KEYS", "Shift live traffic between variants", ":shift VARIANT=PERCENT")
        await driver.press("escape")
        await driver.sees("ENDPOINTS")


async def test_the_palette_offers_our_keys_and_nothing_else(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path, size=(120, 50)) as driver:
        await driver.press("ctrl+p")
        await driver.sees("Shift live traffic between variants")
        await driver.write("sort by")
        await driver.sees("Sort by the next column")
        await driver.press("enter")
        await driver.sees("sort: name")


async def test_a_remapped_key_works_and_the_old_one_does_not(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path, select="") as driver:
        driver.app.set_keymap({"sort": "f5"})
        await driver.press("o")
        assert main(driver).table.sort == "health"
        await driver.press("f5")
        await driver.sees("sort: name")


async def test_another_context_has_charts_of_its_own(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path) as driver:
        await charted(driver)
        await driver.press("colon")
        await driver.write("context staging")
        await driver.press("enter")
        await driver.sees("staging", "not production")
        await driver.until(
            lambda: driver.app.view.context == "staging" and driver.app.view.charts, "no history is read"
        )
        await charted(driver)


async def test_paused_is_said(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path) as driver:
        await driver.press("space")
        await driver.sees(" paused ")
        await driver.press("space")
        await driver.until(lambda: " paused " not in driver.text(), "it stays paused")


# ── what is written ─────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def counted_refreshes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Widget]]:
    """Every request to write something, as the widgets that make it."""
    asked: list[Widget] = []
    original = Widget.refresh

    def refresh(self: Widget, *regions: object, **options: bool) -> Widget:
        asked.append(self)
        return original(self, *regions, **options)  # type: ignore[arg-type]  # as given

    with monkeypatch.context() as patch:
        patch.setattr(Widget, "refresh", refresh)
        yield asked


async def test_a_view_that_shows_nothing_new_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with driving(FakeWorld(), tmp_path, size=(120, 36)) as driver:
        await charted(driver)
        number = driver.app.view.number
        await driver.until(lambda: driver.app.view.number > number + 3, "no more views")
        with counted_refreshes(monkeypatch) as asked:
            number = driver.app.view.number
            await driver.until(lambda: driver.app.view.number > number + 5, "no more views")
        assert asked == []


async def test_one_figure_that_changes_writes_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path, select="sentiment", size=(120, 36)) as driver:
        await driver.sees("TRAFFIC lab:prod/sentiment")  # once the cursor rests
        await charted(driver)
        with counted_refreshes(monkeypatch) as asked:
            world.endpoint("churn").rps = 44.0
            await driver.sees("44/s")
        assert {widget.id for widget in asked} == {"endpoints"}


@pytest.mark.parametrize(
    "look",
    [
        Look.for_terminal(Capabilities(Colours.NONE, unicode=False)),
        Look.for_terminal(Capabilities(Colours.NONE, unicode=True)),
        Look.for_terminal(Capabilities(Colours.SIXTEEN, unicode=True)),
    ],
)
async def test_few_colours_and_ascii(tmp_path: Path, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.app.app._FOUND", look.capabilities)
    monkeypatch.setattr(Look, "for_terminal", classmethod(lambda cls, found, **_: look))
    world = FakeWorld()
    world.make_night()
    async with driving(world, tmp_path, size=(120, 36)) as driver:
        await driver.sees("sentiment", "v7 90", "TRAFFIC", "P95 ms")
        await charted(driver)
        if not look.capabilities.unicode:
            assert driver.text().isascii()
        driver.app.theme = "ansi-dark"  # which the environment makes Textual begin with, where it is not imported yet
        await driver.pilot.pause()
        styles = [segment.style for strip in driver.app.screen._compositor.render_strips() for segment in strip]
        colours = [colour for style in styles if style is not None for colour in (style.color, style.bgcolor) if colour]
        if look.capabilities.colours is Colours.NONE:
            assert all(colour.is_default for colour in colours)
        else:
            assert all(colour.is_default or (colour.number or 0) < 16 for colour in colours)


# ── who looks ───────────────────────────────────────────────────────────────────────────────────────────────────


def slowed(driver: Driver) -> set[str]:
    return {status.name for status in driver.app.engine.view.sources if status.usual_s is not None}


async def test_what_no_pane_shows_is_read_less_often_until_it_is_shown(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path, size=(80, 24)) as driver:
        await driver.until(lambda: slowed(driver) == {"mlflow", "dcgm", "psi"}, "traffic is all that is shown")
        await driver.press("4")
        await driver.until(lambda: slowed(driver) == {"mlflow", "psi"}, "the GPUs are shown")
        await driver.press("S")
        await driver.until(lambda: not slowed(driver), "another screen may lead to a change")
        await driver.press("escape")
        await driver.until(lambda: slowed(driver) == {"mlflow", "psi"}, "back on the main screen")


async def test_a_terminal_without_the_focus_has_everything_slowed_until_a_key_is_pressed(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path) as driver:
        driver.app.post_message(events.AppBlur())
        await driver.until(lambda: "gateway" in slowed(driver), "nobody looks")
        driver.type_ahead("j")
        await driver.until(lambda: "gateway" not in slowed(driver), "somebody does")
