"""Whatever systems and other operators say: on every screen it stays in its line and its column, and is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

import tests.fakes
from backends.errors import Unreachable
from shiftdeck.journal.journal import Journal
from tests.app.driving import Driver, driving
from tests.fakes import FakeWorld, bound
from tests.hostile import FORGED, HOSTILE, spoiling

SIZE = (140, 44)
SCREENS = {
    "fleet": (),
    "endpoint": ("enter",),
    "versions": ("v",),
    "alerts": ("a",),
    "journal": ("J",),
    "sources": ("S",),
    "drift": ("d",),
    "help": ("question_mark",),
    "contexts": ("c",),
    "runbook": ("b",),
    "drills": ("D",),
    "plan": ("r",),
}


def stays_in_place(driver: Driver) -> None:
    for line in driver.text().splitlines():
        assert line.isprintable()
        assert cell_len(line) <= SIZE[0]
        assert not line.lstrip(" │|").startswith(FORGED), line


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("fails", [False, True], ids=["answers", "errors"])
async def test_no_screen_is_steered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, screen: str, fails: bool) -> None:
    world = FakeWorld()
    if fails:
        for kind in ("registries", "metrics", "drift", "alerts", "accelerators"):
            world.fail[kind] = Unreachable(f"said {HOSTILE}", hint=HOSTILE)
    else:
        made: Callable[..., object] = bound
        monkeypatch.setattr(tests.fakes, "bound", lambda cls, world: made(spoiling(cls), world))
    said = HOSTILE.replace("\ud800", "")  # a journal holds UTF-8
    journal = Journal(tmp_path / "journal.jsonl", operator=f"mallory{said}", host=said)
    data = {"change": said, "reason": said, "way_back": said, said: [said]}
    journal.begin(context="prod-eu", ref=f"lab:prod/sentiment{said}", data=data).leave()
    async with driving(world, tmp_path, select="", size=SIZE, journal=journal, alerts=True) as driver:
        await driver.press(*SCREENS[screen])
        if not fails or screen == "sources":
            await driver.until(
                lambda: "␛[2J" in driver.text() or screen in ("help", "plan", "contexts", "runbook", "drills"),
                "it is seen",
            )
        stays_in_place(driver)
