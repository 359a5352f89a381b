"""One endpoint on a screen of its own, at every size, before it is known and while it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.contracts import EndpointRef
from backends.errors import Unreachable
from tests.app.driving import Driver, driving
from tests.fakes import FakeWorld
from tui.render.endpoint_panes import PANES, placed
from tui.screens.endpoint import EndpointScreen

SIZES = [(80, 24), (120, 36), (200, 50)]


def screen(driver: Driver) -> EndpointScreen:
    found = driver.app.screen
    assert isinstance(found, EndpointScreen)
    return found


@pytest.mark.parametrize("size", SIZES)
async def test_everything_about_an_endpoint_can_be_read_at_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    world = FakeWorld()
    world.make_bad_canary()
    async with driving(world, tmp_path, size=size, open_ref=world.ref("sentiment")) as driver:
        await driver.sees("critical", "lab:prod/sentiment", "v8 p95 255 ms > 200 ms")
        await driver.until(lambda: driver.app.view.charts is not None, "no history is read")
        seen: list[str] = []
        for _ in range(12):
            seen += driver.text().splitlines()
            await driver.press("pagedown")
        assert all(len(line) <= size[0] for line in seen)
        everything = "\n".join(seen)
        for part in (
            "v7 stable",
            "v8 canary",
            "@challenger",
            "p95 +81 %, p < 0.001",
            "n 4,872 against 43,848",
            "P95 ms",
            "ERRORS %",
            "SHARE %",
            "text_len",
            "node-a/0",
            "uses v8",
            "nothing was changed here lately",
        ):
            assert part in everything


async def test_enter_opens_it_and_escape_leads_back(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path, select="fraud") as driver:
        await driver.press("enter")
        await driver.sees("lab:prod/fraud", "v13 shadow", "fraud-detector/12")
        await driver.press("escape")
        await driver.sees("ENDPOINTS 6")


async def test_an_endpoint_that_is_not_known_is_waited_for(tmp_path: Path) -> None:
    world = FakeWorld()
    ref = EndpointRef("lab", "prod", "newcomer")
    async with driving(world, tmp_path, open_ref=ref) as driver:
        await driver.sees("lab:prod/newcomer is not known: no serving system reports it", "lab:prod/sentiment")
        state = world.endpoint("churn")
        with world.lock:
            world.states[ref] = state
            state.ref = ref
        await driver.sees("v3 stable", "churn-predictor/3")


async def test_while_nothing_has_answered_it_says_what_it_waits_for(tmp_path: Path) -> None:
    world = FakeWorld()
    world.hang("serving.endpoints")
    ref = world.ref("sentiment")
    async with driving(world, tmp_path, open_ref=ref, loaded=False) as driver:
        await driver.sees("lab:prod/sentiment is not known yet: waiting for lab")
        world.let_go()
        await driver.sees("v8 canary")


async def test_it_lives_and_what_is_done_to_it_is_seen(tmp_path: Path) -> None:
    world = FakeWorld()
    world.make_bad_canary()
    async with driving(world, tmp_path, size=(120, 60), open_ref=world.ref("sentiment")) as driver:
        await driver.sees("v8 p95 255 ms > 200 ms")
        await driver.press("r")
        await driver.sees("way back")
        await driver.press("enter")
        await driver.sees("settled")
        await driver.press("escape")
        await driver.sees("CHANGE roll back to release 15", "nothing is wrong", "v8 idle")
        await driver.press("u")
        await driver.sees("UNDO", "v8 0 → 10")


async def test_old_data_does_not_look_fresh(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path, open_ref=world.ref("sentiment")) as driver:
        await driver.sees("nothing is wrong")
        world.fail["metrics"] = Unreachable("connection refused")
        world.clock.tick(120)
        await driver.sees("no data", "gateway unreachable 2m")


async def test_a_pane_is_zoomed_and_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    world = FakeWorld()
    async with driving(world, tmp_path, open_ref=world.ref("sentiment")) as driver:
        await driver.sees("v8 canary", "WHY")
        await driver.press("shift+tab", "z")
        zoomed = lambda: "VARIANTS" in driver.text() and "WHY" not in driver.text()  # noqa: E731 - a condition
        await driver.until(zoomed, "nothing is zoomed")
        await driver.press("y")
        copied = tmp_path / "state" / "shiftdeck" / "copied.txt"
        await driver.until(copied.exists, "nothing is copied")
        await driver.until(lambda: "v8 canary" in copied.read_text(encoding="utf-8"), "the pane is not copied")
        assert copied.stat().st_mode & 0o777 == 0o600
        await driver.press("escape")
        await driver.sees("WHY")


async def test_commands_work_here_too(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path, open_ref=world.ref("sentiment"), production=False) as driver:
        await driver.sees("v8 canary")
        await driver.press("colon")
        await driver.write("shift v8=17")
        await driver.press("enter")
        await driver.sees("SHIFT", "v8 10 → 17")
        await driver.press("escape")
        await driver.press("colon")
        await driver.write("nonsense")
        await driver.press("enter")
        await driver.sees("no command")


def test_panes_never_overlap_and_use_the_whole_width() -> None:
    needed = dict.fromkeys(PANES, 8)
    for width in (60, 80, 111, 112, 140, 169, 170, 240):
        boxes = list(placed(width, 50, needed).boxes.values())
        cells = [
            (x, y) for box in boxes for x in range(box.x, box.x + box.width) for y in range(box.y, box.y + box.height)
        ]
        assert len(cells) == len(set(cells))
        assert max(box.x + box.width for box in boxes) == width
        assert len(boxes) == len(PANES)


async def test_charts_go_back_as_far_as_one_asks(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path, size=(120, 36), open_ref=world.ref("sentiment")) as driver:
        await driver.sees("· 15m")
        for wanted in ("· 1h", "· 6h", "· 1d", "· 15m"):
            await driver.press("t")
            await driver.sees(wanted)
        await driver.press("colon")
        await driver.write("span 3h")
        await driver.press("enter")
        await driver.sees("· 3h")
        await driver.press("colon")
        await driver.write("span ever")
        await driver.press("enter")
        await driver.hears("is not a duration")
