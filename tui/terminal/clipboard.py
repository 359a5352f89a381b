"""Text out of the app: to the terminal's clipboard where it has one, and always to a file as well.

OSC 52 has no answer: a terminal that ignores it cannot be told from one that obeys. So what is copied is also kept in
a file that only its owner can read, and the notice names it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from shiftdeck.common.paths import home, state_dir
from tui.terminal.background import Notifier, Pump, Tone, in_background, say

LIMIT = 74_994
"""Bytes of text that terminals take: xterm's buffer of 100,000 characters holds that much in base64, with the frame."""

SCREEN_CHUNK = 240
"""GNU screen cuts a device control string at 256 bytes, so a long sequence goes through it in pieces."""


class Terminal(Notifier, Pump, Protocol):
    """What draws on the terminal: the app."""

    def send(self, sequence: str) -> None:
        """Write a control sequence to the terminal, where there is one."""

    def export_screenshot(self) -> str:
        """The screen as it is now, as SVG."""


def osc52(text: str, environ: Mapping[str, str]) -> str:
    """The bytes that put ``text`` on the clipboard, or "" where it is too long for that.

    tmux takes the sequence itself where ``set-clipboard`` is on, and passes a wrapped one through where
    ``allow-passthrough`` is: it is given both. GNU screen only passes through.
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
    """Write a file that only its owner can read; what was there is replaced in one step.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{os.getpid()}")
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
    """A path as people write it, with ``~`` for home."""
    try:
        return f"~/{path.relative_to(home())}"
    except ValueError:
        return str(path)


def copy(app: Terminal, text: str) -> None:
    """Put ``text`` on the clipboard and into ``copied.txt``, and say so."""
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
    """Keep ``text`` in a file named after this moment, and say where."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"[:-3] + f"Z{suffix}"
    in_background(
        app,
        lambda: write_private(state_dir() / "screens" / name, text),
        lambda path: say(app, f"Saved as {short(path)}"),
        lambda error: say(app, f"Not saved: {error}", Tone.TROUBLE),
    )


def save_text(app: Terminal, text: str) -> None:
    """Keep a screen as text."""
    save(app, text + "\n", ".txt")


def save_picture(app: Terminal) -> None:
    """Keep the screen as it is now as an SVG picture."""
    save(app, app.export_screenshot(), ".svg")


def read_text(book: str) -> str:
    """The text of a file; of what is an address instead, nothing.

    Raises:
        OSError: the file cannot be read.
    """
    if "://" in book:
        return ""
    with Path(book).expanduser().open(encoding="utf-8", errors="replace") as file:
        return file.read(200_000)
