"""Ending with one's parent, whatever ends the parent: no process of the lab outlives the one that asked for it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

LOOK_EVERY_S = 0.25


def when_parent_ends(act: Callable[[], None], *, watch_stdin: bool) -> None:
    """Call ``act`` once, in another thread, when this process has lost its parent, or stdin has reached its end.

    Both are watched: the pipe tells at once, but another process may hold its other end open. Linux's
    ``PR_SET_PDEATHSIG`` would not do: it fires when the *thread* that started this process ends.
    """
    parent = os.getppid()
    once = threading.Lock()

    def lost() -> None:
        if once.acquire(blocking=False):
            act()

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_EVERY_S)
        lost()

    def read() -> None:  # not through sys.stdin: its lock, held by a thread, would break the interpreter's exit
        while os.read(0, 4096):
            pass
        lost()

    for watcher in (look, read) if watch_stdin else (look,):
        threading.Thread(target=watcher, daemon=True, name=f"parent-{watcher.__name__}").start()
