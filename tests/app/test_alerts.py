"""The list of alerts, and silences from it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from backends.contracts import Call, Receipt
from tests.app.driving import driving
from tests.fake_silences import Keeper, silenced_by
from tests.fakes import FakeWorld


async def test_a_context_without_alerts_says_so_and_is_not_called_quiet(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path) as app:
        await app.press("a")
        await app.until(lambda: "no source of alerts is configured" in app.text(), "the empty list")
        await app.press("enter", "escape")
        await app.until(lambda: "ALERTS" not in app.text(), "the fleet again")


async def test_quitting_while_a_silence_is_under_way_asks_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, keeper, released = FakeWorld(), Keeper(), threading.Event()
    send = keeper.send

    def slow(call: Call) -> Receipt:
        released.wait(30.0)
        return send(call)

    keeper.send = slow  # type: ignore[method-assign]
    silenced_by(keeper, world, monkeypatch)
    async with driving(world, tmp_path, alerts=True) as app:
        await app.press("a")
        await app.until(lambda: "HighErrorRate" in app.text(), "the alert")
        await app.press("enter")
        await app.until(lambda: "reason" in app.text(), "the dialog")
        await app.press(*"known")
        await app.press("enter", "enter")
        await app.until(lambda: any(not run.done for run in app.app.engine.runs()), "the silence under way")
        await app.press("escape", "escape")
        await app.press("q")
        await app.until(lambda: "A change is under way (silence HighErrorRate for 1h)" in app.text(), "the question")
        released.set()
        await app.press("escape")
        await app.until(lambda: all(run.done for run in app.app.engine.runs()), "its end")
    assert len(keeper.kept) == 1
