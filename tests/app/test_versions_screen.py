"""Two versions side by side, in the app."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from backends.contracts import ModelRef
from tests.app.driving import driving
from tests.fakes import FakeWorld


async def test_the_versions_that_serve_are_compared_and_others_can_be_chosen(tmp_path: Path) -> None:
    world = FakeWorld()
    newest = next(one for one in world.versions if str(one.ref) == "sentiment-classifier/8")
    world.versions.insert(
        world.versions.index(newest), replace(newest, ref=ModelRef("sentiment-classifier", "9"), aliases=(), metrics={})
    )
    async with driving(world, tmp_path) as app:
        await app.press("v")
        await app.sees(
            "VERSIONS",
            "sentiment-classifier",
            "v7 @champion",
            "v8 @challenger",
            "metrics",
            "f1",
            "difference",
            "+0.006",
        )
        await app.sees("another version")
        await app.press("right")
        await app.sees("v9")
        await app.press("left")
        await app.sees("v8 @challenger")
        await app.press("escape")
        await app.until(lambda: "VERSIONS" not in app.text(), "the fleet again")


async def test_an_endpoint_whose_versions_nobody_registered_says_so(tmp_path: Path) -> None:
    world = FakeWorld()
    world.versions = []
    async with driving(world, tmp_path) as app:
        await app.press("v")
        await app.until(lambda: "does not know two versions" in app.notices(), "the reason")
