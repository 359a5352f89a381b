"""Ends a process of the lab when its parent ends, for any reason."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

LOOK_EVERY_S = 0.25


def when_parent_ends(act: Callable[[], None], *, watch_stdin: bool) -> None:
    """Call ``act`` once, in another thread, when the parent of this process has ended, or stdin has reached its end.

    Both are watched: stdin ends at once, but another process can hold its other end open. Linux's
    ``PR_SET_PDEATHSIG`` cannot be used: it fires when the *thread* that started this process ends.
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

    def read() -> None:  # not by sys.stdin: a thread that holds its lock would break the interpreter's exit
        while os.read(0, 4096):
            pass
        lost()

    for watcher in (look, read) if watch_stdin else (look,):
        threading.Thread(target=watcher, daemon=True, name=f"parent-{watcher.__name__}").start()
