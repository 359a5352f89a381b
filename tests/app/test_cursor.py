"""Which endpoint a key acts on: the worst one until something is critical or the operator has chosen, then always the
same."""

from __future__ import annotations

from pathlib import Path

from tests.app.driving import Driver, driving
from tests.fakes import FakeWorld


def _under_cursor(driver: Driver) -> str:
    ref = driver.app.screen.selected.ref if driver.app.screen.selected else None  # type: ignore[attr-defined]  # the main screen's
    return ref.name if ref is not None else ""


async def test_the_cursor_is_on_what_rises_to_the_top(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path, select="") as driver:
        assert _under_cursor(driver) != "sentiment"
        world.make_bad_canary()
        world.clock.tick(5)
        driver.app.engine.refresh()
        await driver.until(lambda: _under_cursor(driver) == "sentiment", "the cursor stays behind")


async def test_it_stays_where_the_operator_put_it(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path, select="eta") as driver:
        world.make_bad_canary()
        world.clock.tick(5)
        driver.app.engine.refresh()
        top = "sentiment"
        await driver.until(lambda: driver.app.view.endpoints[0].ref.name == top, "it never rose to the top")
        await driver.sees("1 critical")
        assert _under_cursor(driver) == "eta"


async def test_it_does_not_leave_a_critical_endpoint_for_another(tmp_path: Path) -> None:
    world = FakeWorld()
    world.make_bad_canary()
    async with driving(world, tmp_path, select="") as driver:
        await driver.until(lambda: _under_cursor(driver) == "sentiment", "the worst is not selected")
        world.make_bad_canary("pricing", "v22")
        world.clock.tick(5)
        driver.app.engine.refresh()
        await driver.sees("2 critical")
        assert _under_cursor(driver) == "sentiment"
