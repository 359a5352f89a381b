"""The list of alerts where there is none."""

from __future__ import annotations

from pathlib import Path

from tests.app.driving import driving
from tests.fakes import FakeWorld


async def test_a_context_without_alerts_says_so_and_is_not_called_quiet(tmp_path: Path) -> None:
    async with driving(FakeWorld(), tmp_path) as app:
        await app.press("a")
        await app.until(lambda: "no source of alerts is configured" in app.text(), "the empty list")
        await app.press("enter", "escape")
        await app.until(lambda: "ALERTS" not in app.text(), "the fleet again")
