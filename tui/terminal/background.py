"""Runs blocking work off the UI's thread, and shows notices to the user."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from backends.errors import BackendError

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel

T = TypeVar("T")


class Notifier(Protocol):
    """An object that shows notices: the app."""

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None: ...


class Pump(Protocol):
    """An object that runs a callback on the UI's thread: the app, a screen, a widget."""

    def call_later(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> bool: ...


class Tone(StrEnum):
    """The severity of a notice."""

    NEWS = "information"
    CAUTION = "warning"
    TROUBLE = "error"


SECONDS = {Tone.NEWS: 5.0, Tone.CAUTION: 8.0, Tone.TROUBLE: 15.0}
"""How many seconds a notice stays."""


def say(app: Notifier, text: str, tone: Tone = Tone.NEWS) -> None:
    """Show a notice that disappears by itself. Text from outside is safe: nothing in it is read as markup."""
    app.notify(text, severity=tone.value, timeout=SECONDS[tone], markup=False)


def with_hint(error: Exception) -> str:
    """The error message, with its hint if it has one."""
    hint = error.hint if isinstance(error, BackendError) else ""
    return f"{error}; {hint}" if hint else str(error)


def in_background(
    pump: Pump, work: Callable[[], T], done: Callable[[T], None], failed: Callable[[Exception], None]
) -> None:
    """Run ``work`` on a thread of its own, then ``done`` or ``failed`` on the UI's thread, unless ``pump`` has ended.

    The thread is a daemon: a read that hangs must not delay the end of the program. Textual's own thread workers would
    delay it.
    """

    def run() -> None:
        answer: Callable[[], None]
        try:
            answer = partial(done, work())
        except Exception as error:  # noqa: BLE001 - the caller must learn of every failure of its work
            answer = partial(failed, error)
        with suppress(RuntimeError):  # the loop has ended
            pump.call_later(answer)

    threading.Thread(target=run, name="background", daemon=True).start()
