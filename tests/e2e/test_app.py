"""The main job in a real terminal, on the lab."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.app import NAMES, SETTLED, confirm, opened, opened_from_shell, order, roll_back, select, wait_fleet
from tests.e2e.program import command, intents, journal, outcomes, run, wait_sent
from tests.e2e.terminal import Terminal
from tests.lab import Lab
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e


def test_the_demo_from_a_bad_canary_to_a_verified_journal(own_home: Path, tmp_path: Path) -> None:
    """What a newcomer sees and does: nothing here is set up but by the demo itself."""
    state = tmp_path / "lab"
    with Terminal(tmp_path) as terminal:
        terminal.start_shell(command("demo", "--drill", "bad-canary", "--state", state))
        terminal.wait_for(r"#{3,}\.*\s+\w+", 30, "progress on the screen")
        wait_fleet(terminal)
        terminal.wait_for(r"✖\s+sentiment\b.*v8 errors \d", 60)
        worst = terminal.wait_for(lambda screen: order(screen)[:1] == ["sentiment"], 30, "sentiment on top")
        assert "PRODUCTION" in worst
        terminal.keys("Home")
        terminal.wait_for(r"TRAFFIC \S+/sentiment\b", 10)
        roll_back(terminal)
        settled = terminal.wait_for(SETTLED, 45)
        assert re.search(r"v8\s+desired\s+0 %.*\n.*observed\s+0 %.*\n.*measured\s+0 %", settled), settled
        config = state / "lab.toml"
        assert run("journal", "verify", config=config).code == 0
        [seq] = intents(journal(config))
        assert outcomes(journal(config), seq)[0]["outcome"] == "settled"
        gateway = re.search(r'url = "(http://[^/"]+)"', config.read_text(encoding="utf-8"))
        assert gateway
        traffic = httpx.get(f"{gateway[1]}/v1/endpoints/prod/sentiment/traffic").json()
        assert {one["name"]: one["weight"]["observed"] for one in traffic["variants"]} == {"v7": 100.0, "v8": 0.0}

        children = terminal.process().children(recursive=True)
        assert children, "the lab is a child of the app"
        terminal.keys("Escape")
        wait_fleet(terminal)
        terminal.keys("q")
        terminal.wait_for(r"^shell>\s*$", 30)
        assert not terminal.on_alternate_screen()
        _, left = psutil.wait_procs(children, timeout=10)
        assert left == [], "the lab ends with the app"


def test_the_lab_ends_when_the_demo_is_killed(own_home: Path, tmp_path: Path) -> None:
    with Terminal(tmp_path) as terminal:
        terminal.start(command("demo"))
        wait_fleet(terminal)
        app = terminal.process()
        children = app.children(recursive=True)
        folders = [Path(found) for one in children for found in re.findall(r"/\S*shiftdeck-lab-\w+", _open_files(one))]
        app.kill()
        _, left = psutil.wait_procs(children, timeout=15)
        assert left == []
        wait_until(lambda: not any(folder.exists() for folder in folders), 10, f"{folders} to be removed")


def _open_files(process: psutil.Process) -> str:
    return " ".join(str(one.path) for one in process.open_files())


def test_a_rivals_change_is_shown_and_a_new_plan_starts_from_it(lab: Lab, config: Path, tmp_path: Path) -> None:
    with opened(tmp_path, config) as terminal:
        select(terminal, "sentiment")
        lab.drill("rival-operator", running=True)
        terminal.keys("r")
        terminal.wait_for(r"way back", 15)
        shown = terminal.wait_for(r"plans anew", 20)
        assert re.search(r"changed by ana|ana changed", shown)
        terminal.keys("Enter")
        assert lab.weights("prod/sentiment", "desired") == {"v7": 85.0, "v8": 15.0}, "ana's split stands"
        terminal.wait_for(lambda screen: re.search(r"v8\s+15 %.*→\s+0 %", screen), 15, "a plan from ana's split")
        terminal.wait_for(r"way back", 15)
        confirm(terminal)
        terminal.wait_for(SETTLED, 45)
    lab.wait_weights("prod/sentiment", {"v7": 100.0, "v8": 0.0})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_restores_the_terminal_and_accounts_for_the_change(
    lab: Lab, config: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with opened_from_shell(tmp_path, config) as terminal:
        assert terminal.on_alternate_screen()
        select(terminal, "sentiment")
        roll_back(terminal)
        seq = wait_sent(config)
        terminal.process().send_signal(number)
        terminal.wait_for(r"^shell>\s*$", 40)
        assert not terminal.on_alternate_screen()
        assert terminal.cursor_shown()
        assert not terminal.mouse_tracked()
        terminal.type("stty -a | tr ' ;' '\\n\\n' | grep -x -e echo -e icanon -e isig -e icrnl | tr '\\n' ' '")
        terminal.keys("Enter")
        terminal.wait_for(r"^(?=.*\bisig\b)(?=.*\bicrnl\b)(?=.*\bicanon\b)(?=.*\becho\b)(?!.*stty).*$", 10)
    _accounted_for(config, seq)
    lab.wait_weights("prod/sentiment", {"v7": 100.0, "v8": 0.0})


def test_a_closed_window_accounts_for_the_change(lab: Lab, config: Path, tmp_path: Path) -> None:
    with opened(tmp_path, config) as terminal:
        select(terminal, "sentiment")
        roll_back(terminal)
        seq = wait_sent(config)
        app = terminal.process()
    app.wait(45)
    _accounted_for(config, seq)


def _accounted_for(config: Path, seq: int) -> None:
    """It has an outcome, or gets one at the next start, by reading the system."""
    entries = journal(config)
    if not outcomes(entries, seq):
        run("shift", "pricing", "v22=5", "--dry-run", "--observe", "0", config=config)
        entries = journal(config)
    assert [one["outcome"] for one in outcomes(entries, seq)] == ["settled"]
    assert run("journal", "verify", config=config).code == 0


def test_after_kill_9_the_next_start_says_what_became_of_the_change(lab: Lab, config: Path, tmp_path: Path) -> None:
    lab.drill("slow-control-plane", running=True)
    with opened(tmp_path, config) as terminal:
        select(terminal, "sentiment")
        roll_back(terminal)
        seq = wait_sent(config)
        terminal.process().kill()
        terminal.wait_ended()
    assert outcomes(journal(config), seq) == []
    lab.drill("slow-control-plane", running=False)
    with opened(tmp_path, config) as terminal:
        terminal.wait_for(r"applied", 20)
        wait_until(lambda: outcomes(journal(config), seq), 30, "the outcome")
    [outcome] = outcomes(journal(config), seq)
    assert outcome["outcome"] == "settled"


def test_a_source_that_hangs_is_named_and_the_rest_goes_on(lab: Lab, config: Path, tmp_path: Path) -> None:
    with opened(tmp_path, config) as terminal:
        lab.drill("metrics-down", running=True)
        began = time.time()
        seen = terminal.wait_for(r"gateway unreachable \d+s", 40)
        assert order(seen), "the endpoints stay"
        terminal.keys("S")
        listed = terminal.wait_for(r"gateway\s+metrics\s+openmetrics\s+unreachable \d+s", 10)
        assert re.search(r"\blab\s+serving\s+lab\s+ok\b", listed), listed
        terminal.wait_for(r"503|answered", 5)
        terminal.keys("Escape")
        wait_fleet(terminal)
        shown = terminal.wait_for(lambda screen: not re.search(r"^\s*●\s+\w+\s+lab", screen, re.MULTILINE), 30)
        assert time.time() - began < 90, shown


@pytest.mark.parametrize(
    ("cols", "rows", "exported"),
    [(80, 24, {}), (200, 50, {"COLUMNS": "80", "LINES": "24"})],
    ids=["80", "200-exported"],
)
def test_it_fits_and_follows_the_size_of_the_terminal(
    config: Path, tmp_path: Path, cols: int, rows: int, exported: dict[str, str]
) -> None:
    """Also under a shell that exports the size which it had once."""
    with opened(tmp_path, config, cols, rows, exported) as terminal:
        screen = terminal.wait_for(r"PRODUCTION", 10)
        assert set(order(screen)) == set(NAMES)
        assert all(len(line) <= cols for line in screen.splitlines())
        assert "help" in screen.splitlines()[-1]
        terminal.resize(100, 30)
        terminal.wait_for(lambda now: "help" in (now.splitlines() or [""])[-1] and len(now.splitlines()) == 30, 10)
        wait_fleet(terminal)


def test_a_terminal_without_colours_or_unicode_shows_all_the_same(config: Path, tmp_path: Path) -> None:
    """What is asked first for its size thinks that a dumb terminal has 80 columns; these are 120."""
    with Terminal(tmp_path) as terminal:
        terminal.start(["env", "TERM=dumb", *command(config=config)])
        screen = terminal.wait_for(lambda now: all(re.search(rf"\b{name}\b", now) for name in NAMES), 60, "endpoints")
        assert screen.isascii()
        assert "help" in screen.splitlines()[-1]
        terminal.keys("q")
        assert terminal.wait_ended() == 0


def test_the_app_is_suspended_and_comes_back_as_any_job(config: Path, tmp_path: Path) -> None:
    with opened_from_shell(tmp_path, config) as terminal:
        terminal.keys("C-z")
        terminal.wait_for(r"^shell>\s*$", 15)
        assert not terminal.on_alternate_screen()
        assert terminal.cursor_shown()
        terminal.type("jobs; stty size; echo $((6 * 7)).")
        terminal.keys("Enter")
        stopped = terminal.wait_for(r"^42\.", 10)
        assert re.search(r"(Stopped|Suspended)", stopped), stopped
        terminal.resize(100, 30)
        terminal.type("fg")
        terminal.keys("Enter")
        wait_fleet(terminal)
        terminal.wait_for(lambda screen: "? help" in screen.splitlines()[29], 15, "the footer on the last line")
        assert terminal.on_alternate_screen()
        assert not terminal.cursor_shown()
        select(terminal, "sentiment")
        terminal.keys("q")
        terminal.wait_for(r"^shell>\s*$", 30)
        assert not terminal.on_alternate_screen()
