"""The drift screen: what an engineer on call reads on it, at the width of any terminal."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from backends.contracts import DriftScore, EndpointRef, Gap, Past, ScoreKey
from backends.errors import BackendError, Unsupported
from shiftdeck.config.loader import Config
from shiftdeck.journal.journal import Journal
from tests.fakes import FAST, FakeDrift, FakeWorld, fake_context, fake_engine
from tui.app.app import ShiftdeckApp

REF = EndpointRef("lab", "prod", "sentiment")
BOUNDS = (20.0, 50.0, 110.0, float("inf"))


class DriftingWorld(FakeWorld):
    """Both variants of sentiment see longer texts, only v8 answers otherwise, and one feature has no reference."""

    def scores(self) -> list[DriftScore]:
        at = self.clock()
        sentiment = [one for one in super().scores() if one.subject.endpoint == "sentiment"]
        shown = {"text_len": 0.5, "prediction": 0.02, "lang_score": None}
        made = []
        for one in sentiment:
            value = 0.6 if (one.feature, one.subject.variant) == ("prediction", "v8") else shown[one.feature]
            known = value is not None
            made.append(
                replace(
                    one,
                    value=value,
                    gap=None if known else Gap.NO_REFERENCE,
                    note="" if known else "no reference for m/8",
                    history=(value,) * 3 if value is not None else (),
                    times=(at - 120, at - 60, at) if known else (),
                    at=at,
                    live=(0.1, 0.1, 0.2, 0.6),
                    reference=(0.25, 0.25, 0.25, 0.25),
                    bounds=BOUNDS,
                )
            )
        return made


@asynccontextmanager
async def opened(folder: Path, size: tuple[int, int]) -> AsyncIterator[tuple[ShiftdeckApp, Pilot[int]]]:
    world = DriftingWorld()
    journal = Journal(folder / "journal.jsonl")
    config = Config(folder / "config.toml", "prod-eu", journal.path, {"prod-eu": fake_context()})
    app = ShiftdeckApp(
        config,
        open_ref=REF,
        ascii_only=False,
        make_engine=lambda context, _: fake_engine(world, folder, context=context, journal=journal, timing=FAST),
    )
    async with app.run_test(size=size) as pilot:
        try:
            await until(pilot, lambda: app.view.number > 0 and app.view.loaded, app)
            await pilot.press("d")
            await until(pilot, lambda: "DRIFT lab:prod/sentiment" in text(app), app)
            yield app, pilot
        finally:
            app.engine.stop(2.0)


def text(app: ShiftdeckApp) -> str:
    """The screen as it is."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


async def until(pilot: Pilot[int], condition: Callable[[], object], app: ShiftdeckApp) -> None:
    deadline = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline, text(app)
        await pilot.pause(0.02)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_who_sees_it_and_what_to_do_is_said(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path, size) as (app, pilot):
        await until(pilot, lambda: "2 of 3 drifted" in text(app), app)
        shown = text(app)
        assert "1 without a score" in shown
        assert "PREDICTION" in shown, "the worst comes first"
        await pilot.press("down")
        await until(pilot, lambda: "TEXT_LEN" in text(app), app)
        words = " ".join(text(app).split())
        assert "both v7 and v8 see it: the inputs changed, not the model" in words
        assert "60 % are above 110, 25 % in the reference" in words
        assert "A roll-back will not help" in words
        if size[1] >= 40:
            assert "> 110" in shown
            assert "60% 25%" in " ".join(text(app).split())


async def test_what_has_no_score_is_not_green(tmp_path: Path) -> None:
    async with opened(tmp_path, (120, 40)) as (app, pilot):
        await pilot.press("end")
        await until(pilot, lambda: "LANG_SCORE" in text(app), app)
        row = next(line for line in text(app).splitlines() if " lang_score " in line)
        assert "?" in row
        assert "●" not in row
        assert "no reference" in row
        assert "Nothing to compare with" in text(app)


async def test_escape_goes_back_and_text_can_be_had(tmp_path: Path) -> None:
    async with opened(tmp_path, (120, 40)) as (app, pilot):
        whole = getattr(app.screen, "whole_text")()  # noqa: B009 - of the drift screen
        assert "DRIFT lab:prod/sentiment" in whole
        assert "means" in whole
        await pilot.press("escape")
        await until(pilot, lambda: "VARIANTS" in text(app), app)


def keeping(monkeypatch: pytest.MonkeyPatch, error: BackendError | None = None) -> None:
    """Have the source of scores tell that they crossed two hours ago, or raise ``error``."""

    def past(_: FakeDrift, scores: Sequence[DriftScore], window_s: float, step_s: float) -> Mapping[ScoreKey, Past]:
        if error is not None:
            raise error
        return {one.key: tuple((one.at - back, 0.05 if back > 7200 else 0.9) for back in PAST) for one in scores}

    monkeypatch.setattr(FakeDrift, "past", past, raising=False)


PAST = range(21600, 100, -600)


async def test_a_fresh_start_says_when_it_crossed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeping(monkeypatch)
    async with opened(tmp_path, (120, 40)) as (app, pilot):
        await until(pilot, lambda: "2h ago" in " ".join(text(app).split()), app)
        assert "or before" not in text(app)


async def test_where_nothing_is_kept_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeping(monkeypatch, Unsupported("source prom keeps no past"))
    async with opened(tmp_path, (120, 40)) as (app, pilot):
        await until(pilot, lambda: "no older than this program: psi: source prom keeps no past" in text(app), app)
