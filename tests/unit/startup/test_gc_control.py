"""When the garbage collector may look at everything."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from time import monotonic

import pytest

from tui.startup import gc_control
from tui.startup.gc_control import Pauses


@pytest.fixture
def collector() -> Iterator[None]:
    """As it was before, afterwards."""
    threshold, interval, enabled = gc.get_threshold(), sys.getswitchinterval(), gc.isenabled()
    gc.disable()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)
    if enabled:
        gc.enable()


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Full collections that were done; there is always something to be found."""
    done: list[bool] = []
    monkeypatch.setattr(gc, "collect", lambda: done.append(True))
    monkeypatch.setattr(gc, "get_count", lambda: (0, 0, gc_control.WORTH))
    return done


@pytest.mark.usefixtures("collector")
def test_what_is_young_is_collected_as_it_comes_and_the_rest_is_not() -> None:
    Pauses().begin()
    assert gc.isenabled()
    assert gc.get_threshold()[2] >= gc_control.NEVER
    assert gc.get_freeze_count() > 0


def test_nothing_is_collected_under_somebodys_hands(full: list[bool]) -> None:
    assert not Pauses().tidy(monotonic())
    assert not full


def test_everything_is_collected_once_the_keys_rest(full: list[bool]) -> None:
    assert Pauses().tidy(monotonic() - gc_control.RESTED_S)
    assert full


def test_in_the_end_it_is_collected_all_the_same(full: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    made = Pauses()
    later = monotonic() + gc_control.LATEST_S
    monkeypatch.setattr(gc_control, "monotonic", lambda: later)
    assert made.tidy(later)
    assert full


def test_nothing_is_done_where_nothing_can_be_found(full: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "get_count", lambda: (0, 0, 0))
    assert not Pauses().tidy(float("-inf"))
    assert not full


@pytest.mark.usefixtures("collector")
def test_what_was_put_off_goes_on_without_what_was_made_until_then() -> None:
    gc_control.resume()
    assert gc.isenabled()
    kept = gc.get_freeze_count()
    assert kept > 0
    gc_control.resume()
    assert gc.get_freeze_count() <= kept, "where it was not put off, nothing is done"


def test_the_command_line_starts_and_ends_without_a_collection() -> None:
    program = """
import atexit, gc, sys
collections = []
gc.callbacks.append(lambda phase, info: collections.append(phase))
atexit.register(lambda: print(len(collections), gc.get_freeze_count() > 0))
sys.argv = ["shiftdeck", "--version"]
from tui.main import main
collections.clear()
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "0 True"
