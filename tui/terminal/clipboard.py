"""Copies text out of the app: to the terminal's clipboard, and always to a file as well.

OSC 52 has no answer, so a terminal that ignores it cannot be told from one that obeys. Therefore the copied text is
also written to a file that only its owner can read, and the notice names the file.
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from shiftdeck.common.paths import home, state_dir
from tui.terminal.background import Notifier, Pump, Tone, in_background, say

LIMIT = 74_994
"""Bytes of text that terminals accept: xterm's buffer of 100,000 characters holds that many in base64, with the rest of
the sequence."""

SCREEN_CHUNK = 240
"""GNU screen cuts a device control string at 256 bytes, so a long sequence goes through it in pieces."""


class Terminal(Notifier, Pump, Protocol):
    """An object that draws on the terminal: the app."""

    def send(self, sequence: str) -> None:
        """Write a control sequence to the terminal, if there is one."""

    def export_screenshot(self) -> str:
        """The screen as it is now, as SVG."""


def osc52(text: str, environ: Mapping[str, str]) -> str:
    """The control sequence that puts ``text`` on the clipboard, or "" if the text is too long.

    tmux obeys the plain sequence if ``set-clipboard`` is on, and passes a wrapped one through if ``allow-passthrough``
    is on: it gets both. GNU screen only passes a wrapped one through.
    """
    data = text.encode("utf-8", "replace")
    if len(data) > LIMIT:
        return ""
    plain = f"\x1b]52;c;{base64.b64encode(data).decode('ascii')}\x07"
    if environ.get("TMUX"):
        return plain + "\x1bPtmux;" + plain.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if environ.get("STY"):
        pieces = [plain[at : at + SCREEN_CHUNK] for at in range(0, len(plain), SCREEN_CHUNK)]
        return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
    return plain


def write_private(path: Path, text: str) -> Path:
    """Write a file that only its owner can read. An existing file is replaced in one step.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    return path


def short(path: Path) -> str:
    """The path as text, with ``~`` for the home folder."""
    try:
        return f"~/{path.relative_to(home())}"
    except ValueError:
        return str(path)


def copy(app: Terminal, text: str) -> None:
    """Put ``text`` on the clipboard and into ``copied.txt``, and show a notice."""
    sequence = osc52(text, os.environ)
    if sequence:  # Textual's own copy knows neither tmux nor screen
        app.send(sequence)
    lines = text.count("\n") + 1
    what = f"{lines} {'line' if lines == 1 else 'lines'}"
    begin = f"Copied {what}, if the terminal allows it." if sequence else f"{what} are too much for the clipboard."
    in_background(
        app,
        lambda: write_private(state_dir() / "copied.txt", text + "\n"),
        lambda path: say(app, f"{begin} Also in {short(path)}"),
        lambda error: say(app, f"{begin} No file: {error}", Tone.CAUTION),
    )


def save(app: Terminal, text: str, suffix: str) -> None:
    """Write ``text`` to a file named after the present time, and show a notice with its path."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"[:-3] + f"Z{suffix}"
    in_background(
        app,
        lambda: write_private(state_dir() / "screens" / name, text),
        lambda path: say(app, f"Saved as {short(path)}"),
        lambda error: say(app, f"Not saved: {error}", Tone.TROUBLE),
    )


def save_text(app: Terminal, text: str) -> None:
    """Save a screen as a text file."""
    save(app, text + "\n", ".txt")


def save_picture(app: Terminal) -> None:
    """Save the present screen as an SVG picture."""
    save(app, app.export_screenshot(), ".svg")


def read_text(book: str) -> str:
    """The text of the file at that path; "" if ``book`` is a URL.

    Raises:
        OSError: the file cannot be read.
    """
    if "://" in book:
        return ""
    with Path(book).expanduser().open(encoding="utf-8", errors="replace") as file:
        return file.read(200_000)
