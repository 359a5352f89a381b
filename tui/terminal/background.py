"""Work that may block, off the UI's thread, and what is told the user about it."""

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
    """What shows notices: the app."""

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
    """What runs a callback on the UI's thread: the app, a screen, a widget."""

    def call_later(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> bool: ...


class Tone(StrEnum):
    """How a notice is meant."""

    NEWS = "information"
    CAUTION = "warning"
    TROUBLE = "error"


SECONDS = {Tone.NEWS: 5.0, Tone.CAUTION: 8.0, Tone.TROUBLE: 15.0}
"""For how long a notice stays."""


def say(app: Notifier, text: str, tone: Tone = Tone.NEWS) -> None:
    """A notice that goes away by itself. Foreign text is safe in it: nothing is read as markup."""
    app.notify(text, severity=tone.value, timeout=SECONDS[tone], markup=False)


def with_hint(error: Exception) -> str:
    """What went wrong, and what can be done about it where that is known."""
    hint = error.hint if isinstance(error, BackendError) else ""
    return f"{error}; {hint}" if hint else str(error)


def in_background(
    pump: Pump, work: Callable[[], T], done: Callable[[T], None], failed: Callable[[Exception], None]
) -> None:
    """Do ``work`` on a thread of its own, then ``done`` or ``failed`` on the UI's, unless ``pump`` has ended by then.

    The thread is a daemon: a read that hangs must not hold up the end of the program, as Textual's own thread workers
    would.
    """

    def run() -> None:
        answer: Callable[[], None]
        try:
            answer = partial(done, work())
        except Exception as error:  # noqa: BLE001 - whoever waits for the answer must hear of it, whatever it is
            answer = partial(failed, error)
        with suppress(RuntimeError):  # the loop has ended: nobody is left to hear it
            pump.call_later(answer)

    threading.Thread(target=run, name="background", daemon=True).start()
