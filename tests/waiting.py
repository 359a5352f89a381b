"""Waiting for what a test expects, with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T | None], timeout_s: float, what: str | Callable[[], str], every_s: float = 0.05
) -> T:
    """The first true value of ``condition``, which is tried at least once, and once more at the deadline.

    ``what`` is what was waited for, or makes the words when they are needed, so that they can hold the last state seen.

    Raises:
        AssertionError: it did not become true in ``timeout_s`` seconds.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        late = time.monotonic() >= deadline
        value = condition()
        if value:
            return value
        if late:
            words = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {timeout_s:g} s: {words}")
        time.sleep(every_s)
