"""Engines with limits of seconds in place of minutes, so that a run of hundreds of changes takes minutes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backends.contracts import Change, EndpointRef
from shiftdeck.changes import manager, recovery
from shiftdeck.changes.kind import Planned
from shiftdeck.changes.plan import Plan
from shiftdeck.changes.run import Run
from shiftdeck.changes.timing import Timing
from shiftdeck.common.clock import Clock
from shiftdeck.config.loader import parse
from shiftdeck.engine.engine import Engine
from shiftdeck.engine.view import View
from shiftdeck.journal.journal import Journal
from tests.waiting import wait_until

LATE_S = 5.0
"""The longest time that anything between us and a system may hold a call, as these engines are told."""

CALL_S = 1.0
"""The deadline of one call."""

QUICK = Timing(poll_s=0.05, settle_s=4.0, measure_s=0.0, stall_s=2.0, read_back_s=0.5)
"""Seconds in place of minutes."""

READY_S = 60.0
CHANGE_S = 60.0


def config_text(sources: str, folder: Path, access: str = "read-write", late_s: float = LATE_S) -> str:
    """A configuration with these sources, and a journal in ``folder``."""
    head = f'journal = "{folder / "journal.jsonl"}"\n[contexts.soak]\nproduction = false\naccess = "{access}"\n'
    return f'{head}longest_hold = "{late_s * 1000:.0f}ms"\n{sources}'


class _Limits:
    """What has no setting: how often recovery tries again, and how many runs are kept. Engines may be open at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engines = 0
        self._patch = pytest.MonkeyPatch()

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._lock:
            self._engines += 1
            if self._engines == 1:
                self._patch.setattr(recovery, "RETRY_S", 0.5)
                self._patch.setattr(manager, "RUNS_KEPT", 1000)
        try:
            yield
        finally:
            with self._lock:
                self._engines -= 1
                if self._engines == 0:
                    self._patch.undo()


_LIMITS = _Limits()


@contextmanager
def opened(
    sources: str,
    folder: Path,
    *,
    clock: Clock | None = None,
    access: str = "read-write",
    late_s: float = LATE_S,
    **timing: float,
) -> Iterator[Engine]:
    """An engine on a context with these sources (TOML of ``[contexts.soak.…]``), once they have answered. ``late_s`` is
    the longest that anything may hold a call, as it is told."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "shiftdeck.toml"
    config = parse(config_text(sources, folder, access, late_s), path)
    with _LIMITS.held():
        context, journal = config.contexts["soak"], Journal(config.journal)
        engine = Engine(context, journal, clock=clock, timing=replace(QUICK, **timing))
        engine.start()
        try:
            wait_until(lambda: _have_answered(engine.view), READY_S, "the sources to answer")
            yield engine
        finally:
            engine.stop(1.0)


def _have_answered(view: View) -> bool:
    """Every source has answered once: on a busy machine a first reading may time out."""
    return view.loaded and bool(view.sources) and all(one.at is not None for one in view.sources)


def planned(engine: Engine, ref: EndpointRef, change: Change) -> Plan:
    """The plan of a change, once the endpoint is seen."""
    wait_until(lambda: engine.view.endpoint(ref), READY_S, f"{ref} to be seen")
    return engine.plan(ref, change)


def carried_out(engine: Engine, plan: Planned) -> Run[Any]:
    """The run of a plan, at its end."""
    thread = engine.execute(plan, reason="a soak run", override="a soak run")
    thread.join(CHANGE_S)
    run = engine.run_of(plan)
    assert run is not None
    assert run.done or not thread.is_alive(), f"it has not ended within {CHANGE_S:g} s: {run}"
    return run


def resolved(engine: Engine, seqs: set[int], within_s: float) -> bool:
    """Whether every one of these intents has an outcome that is known, or gets one in time."""

    def settled() -> bool:
        said = {
            entry.intent: str(entry.data["outcome"])
            for entry in engine.journal.entries(newest_first=False)
            if entry.intent is not None and "outcome" in entry.data
        }
        return all(said.get(seq, "unknown") != "unknown" for seq in seqs)

    waiting = threading.Event()
    for _ in range(int(within_s / 0.25)):
        if settled():
            return True
        waiting.wait(0.25)
    return settled()
