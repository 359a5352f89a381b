"""The capabilities of the terminal, and the environment variables that Textual reads when it is imported.

``prepare`` must run before Textual is imported: Textual reads frame rate, animations and the ANSI theme only then.
"""

from __future__ import annotations

import locale
import os
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from enum import StrEnum


class Colours(StrEnum):
    """How many colours to use: all colours of the terminal, its sixteen named colours, or none."""

    FULL = "full"
    SIXTEEN = "sixteen"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the terminal can show."""

    colours: Colours
    unicode: bool


def capabilities(environ: Mapping[str, str], encoding: str) -> Capabilities:
    """The capabilities by the environment variables that terminals and users set (https://no-color.org, COLORTERM,
    TERM). Pure."""
    term = environ.get("TERM", "")
    unicode = "utf" in encoding.lower() and term not in ("dumb", "linux") and not environ.get("SHIFTDECK_ASCII")
    if environ.get("NO_COLOR") or term == "dumb":
        return Capabilities(Colours.NONE, unicode)
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or "256color" in term or "direct" in term:
        return Capabilities(Colours.FULL, unicode)
    return Capabilities(Colours.SIXTEEN, unicode)


def detect() -> Capabilities:
    """The capabilities of this process's own terminal."""
    return capabilities(os.environ, locale.getpreferredencoding(do_setlocale=False) or sys.getdefaultencoding())


def terminal_size() -> os.terminal_size | None:
    """Columns and lines of the terminal that the app draws on; ``None``: the terminal does not know them."""
    try:
        size = os.get_terminal_size(2)  # where Textual draws
    except OSError:
        return None
    return size if size.columns and size.lines else None


def prepare(environ: MutableMapping[str, str], found: Capabilities, size: os.terminal_size | None = None) -> None:
    """Set the variables that Textual reads at import, unless the user has set them.

    ``COLUMNS`` and ``LINES`` are removed if the terminal itself knows its ``size``: Textual prefers them, so under a
    shell that exports them the app would not follow the size of its terminal.
    """
    if size is not None:
        for name in ("COLUMNS", "LINES"):
            environ.pop(name, None)
    environ.setdefault("TEXTUAL_FPS", "120")
    environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    environ.setdefault("ESCDELAY", "200")
    if found.colours is not Colours.FULL:
        # With Textual's own themes NO_COLOR still writes RGB greys, and sixteen colours come out muddy.
        environ.setdefault("TEXTUAL_THEME", "ansi-dark")


ENTER_NORMAL_SCREEN = "\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[<u\x1b[0m"
"""Leave the alternate screen, show the cursor, end mouse, paste and key reporting. Used if the program ends without
Textual."""
