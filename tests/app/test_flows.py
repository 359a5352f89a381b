"""From a key to a confirmed, recorded outcome, and everything that may come between."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual._compositor import Compositor

from backends.contracts import Action
from backends.errors import Unreachable
from shiftdeck.config.loader import Access
from shiftdeck.journal.journal import EntryKind, Journal
from tests.app.driving import Driver, driving
from tests.fakes import FakeRegistry, FakeWorld


def weights(world: FakeWorld, name: str = "sentiment") -> dict[str, float]:
    return world.endpoint(name).desired


def outcomes(driver: Driver) -> list[object]:
    return [entry.data["outcome"] for entry in driver.journal.tail(50) if entry.kind is EntryKind.OUTCOME]


def focused(driver: Driver) -> str:
    return driver.app.focused.id or "" if driver.app.focused is not None else ""


async def planned(driver: Driver) -> None:
    """Wait until a plan is shown."""
    await driver.sees("sends", "way back")


# ── back, and forward ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_bad_canary_is_rolled_back_with_two_keys_and_undone(tmp_path: Path) -> None:
    world = FakeWorld()
    world.make_bad_canary()
    async with driving(world, tmp_path) as driver:
        await driver.press("r")
        await planned(driver)
        assert "100 %" in driver.text()
        assert "PUT /v1/endpoints/prod/sentiment/traffic" in driver.text()
        assert "If-Match 17" in driver.text()
        await driver.press("enter")
        await driver.sees("settled", "v8 at 0 % measured", "journal #1")
        assert weights(world) == {"v7": 100.0, "v8": 0.0}
        assert outcomes(driver) == ["settled"]
        assert driver.journal.tail(5)[0].data["reason"] == "rolled back from shiftdeck"
        await driver.press("u")
        await driver.sees("UNDO", "~81/s")
        assert len(world.sent) == 1


async def test_the_key_again_asks_how_far_back_and_does_not_put_the_bad_canary_back(tmp_path: Path) -> None:
    world = FakeWorld()
    world.make_bad_canary()
    async with driving(world, tmp_path) as driver:
        await driver.press("r")
        await planned(driver)
        await driver.press("enter")
        await driver.sees("settled", "journal #1")
        await driver.press("escape")
        await driver.no_dialog()
        await driver.until(lambda: driver.app.view.memory, "the journal was read")
        await driver.press("r")
        await driver.sees("Taken back already: #1 roll back to release 15 by", "rolled back from")
        await driver.press("home", "down", "enter")
        await driver.sees("Blocked by release", "was rolled back from")
        assert len(world.sent) == 1


async def test_undoing_a_promotion_takes_the_alias_back(tmp_path: Path) -> None:
    world = FakeWorld()
    registry = FakeRegistry(world)
    async with driving(world, tmp_path) as driver:
        await driver.press("p")
        await planned(driver)
        assert "alias champion of sentiment-classifier back to 7" in " ".join(driver.text().split())
        await driver.write("sentiment")
        await driver.press("enter", "enter")
        await driver.sees("settled")
        assert registry.alias("sentiment-classifier", "champion") == "8"
        await driver.press("u")
        await driver.sees("UNDO", "champion of sentiment-classifier 8 → 7")
        await planned(driver)
        await driver.until(lambda: focused(driver) in ("cancel", "apply"), "no button has the focus")
        await driver.press("tab", "enter") if focused(driver) == "cancel" else await driver.press("enter")
        await driver.until(lambda: weights(world) == {"v7": 90.0, "v8": 10.0}, "the weights are never taken back")
        await driver.until(
            lambda: registry.alias("sentiment-classifier", "champion") == "7", "the alias is never taken back"
        )
        await driver.sees("settled")


async def test_forward_in_production_asks_for_the_name_typed(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path) as driver:
        await driver.press("s", "1", "2", "enter")
        await planned(driver)
        assert focused(driver) == "name"
        await driver.press("enter", "enter")
        assert world.sent == []
        await driver.write("sentimen")
        assert driver.app.screen.query_one("#apply").disabled
        await driver.write("t")
        await driver.press("enter")
        assert focused(driver) == "apply"
        assert world.sent == []
        await driver.press("enter")
        await driver.sees("settled")
        assert weights(world) == {"v7": 88.0, "v8": 12.0}


async def test_elsewhere_cancel_has_the_focus(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path, production=False) as driver:
        await driver.press("s", "right", "enter")
        await planned(driver)
        assert focused(driver) == "cancel"
        await driver.press("enter")
        await driver.no_dialog()
        assert world.sent == []


async def test_a_blocked_plan_needs_a_reason_which_is_recorded(tmp_path: Path) -> None:
    world = FakeWorld()
    world.make_bad_canary()
    async with driving(world, tmp_path) as driver:
        await driver.press("s", "up", "enter")
        await driver.sees("Blocked by v8 p95 within SLO", "Override")
        assert focused(driver) == "cancel"
        await driver.press("shift+tab")
        await driver.write("sentiment")
        await driver.press("enter")
        assert focused(driver) == "reason"
        assert driver.app.screen.query_one("#apply").disabled
        await driver.write("load test of v8")
        await driver.press("enter", "enter")
        await driver.sees("settled")
        intent = driver.journal.tail(5)[0]
        assert intent.data["override"] == intent.data["reason"] == "load test of v8"
        assert weights(world) == {"v7": 75.0, "v8": 25.0}


async def test_promoting_moves_the_alias_too_unless_it_is_to_stay(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path) as driver:
        await driver.press("p")
        await driver.sees("PROMOTE", "sends 2", "champion of sentiment-classifier 7 → 8")
        await driver.press("escape")
        await driver.no_dialog()
        await driver.press("p")
        await driver.sees("sends 2")
        await driver.press("tab", "a")
        await driver.sees("stays where it is")
        assert "sends 2" not in driver.text()


async def test_another_release_can_be_chosen_from_the_plan(tmp_path: Path) -> None:
    world = FakeWorld()
    world.make_bad_canary()
    async with driving(world, tmp_path) as driver:
        await driver.press("r")
        await driver.sees("o other release")
        await driver.press("o")
        await driver.sees("promote v7", "kofi", "current")
        await driver.press("home", "enter")
        await driver.sees("this is the current release")
        await driver.press("end", "enter")
        await driver.sees("sends", "v7 90 → 100")


async def test_a_variant_is_chosen_where_there_are_several(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path, select="ranker") as driver:
        await driver.press("p")
        await driver.sees("search-ranker/10", "search-ranker/11")
        await driver.press("down", "enter")
        await driver.sees("sends", "v11 20 → 100")


async def test_mirroring_is_edited_and_applied(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path, select="fraud", production=False) as driver:
        await driver.press("m")
        await driver.sees("v13  gets copies of  20 %")
        await driver.press("up", "enter")
        await driver.sees("20 → 25 %")
        await driver.press("right", "enter")
        await driver.sees("settled")
        assert world.endpoint("fraud").mirror["v13"] == 25.0


async def test_keys_typed_ahead_reach_what_they_lead_to_and_nothing_else(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path) as driver:
        await driver.until(lambda: driver.app.view.drills, "no drills are offered")
        driver.type_ahead("r", "r", "s")
        await planned(driver)
        await driver.press("escape")
        await driver.no_dialog()
        await driver.sees("ENDPOINTS 6")
        assert world.sent == []
        await driver.press("J")
        await driver.sees("no change has been recorded yet", "verifies")
        driver.type_ahead("escape", "escape", "escape")
        await driver.sees("ENDPOINTS 6")
        await driver.press("s")
        await driver.sees("presets")
        driver.type_ahead("escape", "escape", "escape")
        await driver.no_dialog()
        await driver.sees("ENDPOINTS 6")
        await driver.press("D")
        await driver.sees("latency-regression")
        driver.type_ahead("down", "down", "enter")
        await driver.until(lambda: world.drills, "no drill begins")
        assert list(world.drills) == ["feature-drift"]


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_read_only_context_says_how_that_is_changed(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path, access=Access.READ_ONLY) as driver:
        for key in ("s", "p", "r", "m", "A"):
            await driver.press(key)
            assert not driver.app.screen.is_modal
        await driver.hears("set access to arm or read-write")


async def test_arming_lasts_until_it_is_ended(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path, access=Access.ARM) as driver:
        await driver.press("r")
        await driver.hears("press A")
        await driver.press("A")
        await driver.sees("Allow changes in prod-eu for 15m?")
        assert focused(driver) == "no"
        await driver.press("right", "enter")
        await driver.until(lambda: driver.app.view.arming.writable, "it is never armed")
        await driver.press("r")
        await planned(driver)
        world.clock.tick(901)
        await driver.sees("Changes are not allowed any more")
        await driver.press("enter")
        assert world.sent == []
        await driver.press("escape")
        await driver.no_dialog()
        await driver.press("A", "right", "enter")
        await driver.until(lambda: driver.app.view.arming.writable, "it is never armed again")
        await driver.press("A")
        await driver.until(lambda: not driver.app.view.arming.writable, "it stays armed")


async def test_what_is_not_possible_says_why_and_opens_nothing(tmp_path: Path) -> None:
    world = FakeWorld()
    world.endpoint("sentiment").denied[Action.SHIFT] = "a freeze is on until Monday"
    async with driving(world, tmp_path) as driver:
        await driver.press("s")
        await driver.hears("a freeze is on until Monday")
        await driver.press("u")
        await driver.hears("Nothing was changed on sentiment since this program began")
        assert not driver.app.screen.is_modal


async def test_a_plan_that_cannot_be_made_says_why_and_can_be_tried_again(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path) as driver:
        world.fail["serving.read"] = Unreachable("the gateway refuses connections", hint="is it running?")
        await driver.press("r")
        await driver.sees("No plan: the gateway refuses connections", "is it running?")
        del world.fail["serving.read"]
        await driver.press("n")
        await planned(driver)


# ── somebody else ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_conflict_shows_the_difference_and_is_planned_anew(tmp_path: Path) -> None:
    world = FakeWorld()
    world.make_bad_canary()

    def rival() -> None:
        del world.on["serving.send"]
        world.rival("sentiment", {"v7": 70.0, "v8": 30.0}, by="ana")

    async with driving(world, tmp_path) as driver:
        await driver.press("r")
        await planned(driver)
        world.on["serving.send"] = rival
        await driver.press("enter")
        await driver.sees("conflict", "changed by ana", "v7 90 % → 70 %", "v8 10 % → 30 %")
        assert weights(world) == {"v7": 70.0, "v8": 30.0}
        assert focused(driver) == "again"
        await driver.press("n")
        await driver.sees("If-Match 18")
        await driver.press("enter")
        await driver.sees("settled")
        assert weights(world)["v7"] == 100.0
        assert outcomes(driver) == ["conflict", "settled"]


async def test_a_plan_that_is_overtaken_says_so_and_cannot_be_applied(tmp_path: Path) -> None:
    world = FakeWorld()
    world.make_bad_canary()
    async with driving(world, tmp_path) as driver:
        await driver.press("r")
        await planned(driver)
        world.clock.tick(3)
        world.rival("sentiment", {"v7": 70.0, "v8": 30.0}, by="ana")
        world.clock.tick(2)
        await driver.sees("changed by ana 2s ago", "v7 90 % → 70 %", "plans anew")
        assert not driver.app.screen.query_one("#apply").display
        await driver.press("enter")
        await driver.sees("If-Match 18", "70 %")
        await driver.press("enter")
        await driver.sees("settled")
        assert weights(world)["v7"] == 100.0


async def test_a_plan_that_holds_after_all_has_the_focus_again(tmp_path: Path) -> None:
    """A reading from before the plan came late, and then one that agrees with the plan."""
    world = FakeWorld()
    world.make_bad_canary()
    async with driving(world, tmp_path) as driver:
        await driver.press("r")
        await planned(driver)
        state = world.endpoint("sentiment")
        generation = state.generation
        world.clock.tick(3)
        state.generation = generation + 1
        await driver.sees("plans anew")
        assert focused(driver) == "again"
        world.clock.tick(3)
        state.generation = generation
        await driver.until(lambda: focused(driver) == "apply", "the plan has no focus")
        await driver.press("enter")
        await driver.sees("settled")


# ── slow, and under way ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_read_that_hangs_blocks_nothing_and_can_be_left(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path) as driver:
        world.hang("serving.read")
        await driver.press("r")
        await driver.sees("planning")
        await driver.press("enter")
        assert "planning" in driver.text()
        await driver.press("escape")
        await driver.no_dialog()
        await driver.press("s")
        await driver.sees("presets")
        world.let_go()
        await driver.press("escape")
        await driver.no_dialog()
        assert world.sent == []


async def test_a_change_under_way_shows_three_shares_and_goes_on_when_its_dialog_is_closed(tmp_path: Path) -> None:
    world = FakeWorld()
    world.make_bad_canary()
    world.propagation = 100_000
    async with driving(world, tmp_path) as driver:
        await driver.press("r")
        await planned(driver)
        await driver.press("enter")
        await driver.sees("desired", "observed", "measured", "in effect", "journal #1")
        lines = [line.split() for line in driver.text().splitlines() if "desired" in line or "observed" in line]
        assert any("100" in line and "desired" in line for line in lines)
        assert any("90" in line and "observed" in line for line in lines)
        await driver.press("escape")
        await driver.no_dialog()
        await driver.hears("goes on")
        assert outcomes(driver) == []
        world.endpoint("sentiment").behind = 1
        await driver.until(lambda: outcomes(driver) == ["settled"], "the change never settles")


async def test_leaving_while_a_change_is_under_way_asks_first(tmp_path: Path) -> None:
    world = FakeWorld()
    world.make_bad_canary()
    world.propagation = 100_000
    async with driving(world, tmp_path) as driver:
        await driver.press("r")
        await planned(driver)
        await driver.press("enter", "escape")
        await driver.no_dialog()
        await driver.press("q")
        await driver.sees("A change is under way (sentiment); it will be finished before the program ends.")
        assert focused(driver) == "no"
        await driver.press("enter")
        await driver.no_dialog()
        assert driver.app.is_running
        world.endpoint("sentiment").behind = 1
        await driver.until(lambda: outcomes(driver) == ["settled"], "the change never settles")


async def test_an_unknown_outcome_says_what_to_do_next(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path) as driver:
        await driver.press("r")
        await planned(driver)
        world.lost_answers = 1
        world.fail["serving.read"] = Unreachable("the gateway is gone")
        await driver.press("enter")
        await driver.sees("cannot be read: the gateway is gone")
        world.clock.tick(60)
        await driver.sees("unknown:", "Do not send it again blindly", "journal #1")
        assert outcomes(driver) == ["unknown"]


async def test_what_an_earlier_run_left_open_is_told_at_the_start(tmp_path: Path) -> None:
    world = FakeWorld()
    journal = Journal(tmp_path / "journal.jsonl", clock=world.clock)
    data = {
        "change": "shift v7=75 v8=25",
        "before": {"revision": "16"},
        "after": {"weights": {"v7": 90.0, "v8": 10.0}, "mirror": {}},
    }
    journal.begin(context="prod-eu", ref="lab:prod/sentiment", data=data).leave()
    async with driving(world, tmp_path, journal=journal, open_ref=world.ref("sentiment")) as driver:
        await driver.sees("INTERRUPTED", "#1 shift v7=75 v8=25 on lab:prod/sentiment", "applied")
        await driver.press("enter")
        await driver.no_dialog()
        await driver.until(lambda: outcomes(driver) == ["settled"], "it is never resolved")


async def test_an_outcome_that_was_reopened_is_told(tmp_path: Path) -> None:
    """The write was called not applied, and lands later."""
    world = FakeWorld()
    journal = Journal(tmp_path / "journal.jsonl", clock=world.clock, operator=world.me)
    async with driving(world, tmp_path, journal=journal, open_ref=world.ref("sentiment")) as driver:
        world.hold_s = 1_000_000.0
        await driver.press("r")
        await planned(driver)
        await driver.press("enter")
        await driver.sees("no answer within 5 s")
        world.clock.tick(60)
        await driver.sees("not applied: looked again after 60 s")
        assert outcomes(driver) == ["failed"]
        await driver.press("escape")
        world.clock.tick(5)
        world.deliver(all_held=True)
        await driver.sees("whose outcome was not as it was said", "applied after all")
        assert outcomes(driver) == ["failed", "settled"]


@pytest.mark.parametrize("key", ["r", "s", "enter", "D"])
async def test_what_changes_behind_repaints_no_whole_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path) as driver:
        await driver.until(lambda: driver.app.view.drills, "no drills are offered")
        await driver.press(key)
        await driver.until(lambda: "ENDPOINTS 6" not in driver.text() or driver.app.screen.is_modal, "nothing opens")
        await driver.pilot.pause(0.5)
        painted: list[object] = []
        paint = Compositor.render_full_update

        def full(self: Compositor, simplify: bool = False) -> object:
            painted.append(self)
            return paint(self, simplify)

        monkeypatch.setattr(Compositor, "render_full_update", full)
        for _ in range(5):
            number = driver.app.view.number
            world.clock.tick(1)
            world.endpoint("fraud").rps += 7
            await driver.until(lambda seen=number: driver.app.view.number > seen + 1, "no view comes")  # type: ignore[misc]
        assert painted == []


# ── the other dialogs ───────────────────────────────────────────────────────────────────────────────────────────


async def test_the_editor_takes_digits_steps_and_presets(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path, select="ranker", production=False) as driver:
        await driver.press("s")
        await driver.sees("v10", "sum")
        await driver.press("1", "7", "full_stop", "5", "tab", "up", "left", "right_square_bracket", "enter")
        await planned(driver)
        await driver.press("right", "enter")
        await driver.sees("settled")
        assert weights(world, "ranker") == {"v9": 53.5, "v10": 17.5, "v11": 29.0}


async def test_drills_are_toggled(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path) as driver:
        await driver.until(lambda: driver.app.view.drills, "no drills are offered")
        await driver.press("D")
        await driver.sees("DRILLS", "latency-regression")
        await driver.press("enter")
        await driver.sees("running")
        assert "bad-canary" in world.drills
        await driver.press("enter")
        await driver.until(lambda: "bad-canary" not in world.drills, "the drill goes on")


async def test_the_context_is_switched(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path) as driver:
        await driver.press("c")
        await driver.sees("CONTEXT", "staging", "PRODUCTION", "not production", "read-write")
        assert "read-write" in driver.text()
        await driver.press("enter")
        await driver.no_dialog()
        await driver.until(lambda: driver.app.view.context == "staging" and driver.app.view.loaded, "still prod-eu")
        await driver.sees("staging")


async def test_the_journal_is_read_and_verified(tmp_path: Path) -> None:
    world = FakeWorld()
    world.make_bad_canary()
    async with driving(world, tmp_path) as driver:
        await driver.press("r")
        await planned(driver)
        await driver.press("enter")
        await driver.sees("settled")
        await driver.press("escape")
        await driver.no_dialog()
        await driver.press("J")
        await driver.sees("JOURNAL", "roll back to release 15", "settled")
        await driver.press("v")
        await driver.sees("the chain is whole")
        await driver.press("enter")
        await driver.sees("#1 intent", "If-Match 17", "#3 outcome")
        await driver.press("escape", "escape")
        raw = driver.journal.path.read_bytes()
        driver.journal.path.write_bytes(raw.replace(b"rolled back", b"rolled tack", 1))
        await driver.press("J", "v")
        await driver.sees("was altered or is damaged", "line 1")


async def test_sources_are_shown_with_what_is_wrong(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path) as driver:
        world.fail["gateway"] = Unreachable("connection refused", hint="is the gateway running?")
        await driver.press("S")
        await driver.sees("SOURCES", "unreachable", "connection refused; is the gateway running?", "4 of 5 well")


async def test_the_runbook_is_shown_or_missed(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path) as driver:
        await driver.press("b")
        await driver.sees("RUNBOOK", "https://runbooks.example/sentiment")
        await driver.press("escape")
        await driver.press("up", "b")
        await driver.hears("No runbook is configured")


async def test_the_screen_is_saved_as_text_and_as_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "state" / "shiftdeck" / "screens"
    async with driving(FakeWorld(), tmp_path) as driver:
        for key, pattern, begin in (("w", "*.txt", " shiftdeck"), ("W", "*.svg", "<svg")):
            await driver.press(key)
            await driver.until(lambda wanted=pattern: list(folder.glob(wanted)), "nothing is saved")  # type: ignore[misc]
            (saved,) = folder.glob(pattern)
            assert saved.read_text(encoding="utf-8").startswith(begin)
            assert "sentiment" in saved.read_text(encoding="utf-8")
            assert saved.stat().st_mode & 0o777 == 0o600
            await driver.hears(saved.name)


async def test_a_duration_and_a_split_are_taken_from_the_command_line_of_the_app(tmp_path: Path) -> None:
    world = FakeWorld()
    async with driving(world, tmp_path, access=Access.ARM) as driver:
        for text, words in (("arm 5 bananas", "not a duration"), ("arm 90s", "for 1m30s?")):
            await driver.press("colon")
            await driver.write(text)
            await driver.press("enter")
            await driver.until(lambda said=words: said in driver.notices() + driver.text(), words)  # type: ignore[misc]
        await driver.press("right", "enter")
        await driver.until(lambda: driver.app.view.arming.writable, "it is never armed")
        for text, words in (
            ("shift v9=10", "has no variant 'v9'"),
            ("shift v8", "VARIANT=PERCENT"),
            ("shift v8=30", "v8 10 → 30"),
        ):
            await driver.press("colon")
            await driver.write(text)
            await driver.press("enter")
            await driver.until(lambda said=words: said in driver.notices() + driver.text(), words)  # type: ignore[misc]


@pytest.mark.parametrize("key", ["r", "p"])
async def test_all_of_a_plan_can_be_reached_on_the_smallest_terminal(tmp_path: Path, key: str) -> None:
    world = FakeWorld()
    world.make_bad_canary()
    async with driving(world, tmp_path, size=(80, 24)) as driver:
        await driver.press(key)
        await driver.sees("Cancel", "read-write")
        seen: set[str] = set()
        for _ in range(12):
            shown = driver.text().splitlines()
            assert any("Cancel" in line for line in shown[-3:])
            assert any("reason" in line for line in shown[-5:])
            assert all(len(line) <= 80 for line in shown)
            seen.update(line.strip() for line in shown)
            await driver.press("pagedown")
        everything = "\n".join(seen)
        for part in ("unchanged", "read-write", "guard", "same as", "way back", "planned"):
            assert part in everything
