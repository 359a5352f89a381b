"""A real terminal for tests: a program in a tmux pane of a given size, driven by keys and read as text."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil

from tests.e2e.captures import remember
from tests.servers import require_program
from tests.waiting import wait_until

SETTINGS = """\
set -g default-terminal tmux-256color
set -g status off
set -g escape-time 0
set -g history-limit 2000
"""
CALL_S = 10.0
SCREENS = 10
"""How many of the last screens that differ are kept for a test that fails."""


class Terminal:
    """A tmux server of its own with one pane of ``cols`` × ``rows``; use it as a context manager.

    Every waiting method fails with what it waited for and the screen as it was last.
    """

    def __init__(self, folder: Path, cols: int = 120, rows: int = 36, env: Mapping[str, str] | None = None) -> None:
        self._tmux = require_program("tmux")
        self._socket = f"shiftdeck-{uuid.uuid4().hex[:8]}"
        self._settings = folder / f"{self._socket}.conf"
        self._settings.write_text(SETTINGS, encoding="utf-8")
        self._status = folder / f"{self._socket}.status"
        self._raw = folder / f"{self._socket}.raw"
        self._size = (cols, rows)
        self._since = time.monotonic()
        self._screens: deque[tuple[float, str]] = deque(maxlen=SCREENS)
        remember(self)
        inherited = {name: value for name, value in os.environ.items() if name not in ("TMUX", "TMUX_PANE")}
        self._env = {**inherited, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", **(env or {})}

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with suppress(AssertionError, subprocess.TimeoutExpired):
                self.text()
        self.kill()

    def start(self, argv: Sequence[str | Path]) -> Terminal:
        """Run ``argv``. Once it has ended its last screen can still be read."""
        # tmux itself loses the last output, or the exit status, of what ends at a bad moment: a shell that stays keeps
        # both. What the terminal sends to its foreground processes (SIGHUP, SIGWINCH) reaches the program all the same.
        script = f'"$@"; echo $? >{shlex.quote(str(self._status))}; exec sleep 100000'
        self._open(["sh", "-c", script, "sh", *map(str, argv)])
        return self

    def start_shell(self, argv: Sequence[str | Path]) -> Terminal:
        """Run ``argv`` from a shell, as an operator does, so that what it leaves behind can be looked at."""
        self._open(["env", "PS1=shell> ", "HISTFILE=", "sh"])
        self.wait_for("shell>", 10)
        self.type(shlex.join(str(part) for part in argv))
        self.keys("Enter")
        return self

    def _open(self, argv: Sequence[str]) -> None:
        cols, rows = self._size
        command = "exec " + shlex.join(argv)
        opened = ("new-session", "-d", "-x", str(cols), "-y", str(rows), command)
        written = ("pipe-pane", f"exec cat >{shlex.quote(str(self._raw))}")
        self._call("-f", str(self._settings), *opened, ";", *written)

    def kill(self) -> None:
        """End the terminal as a closed window does; what runs in it gets SIGHUP."""
        subprocess.run(
            [self._tmux, "-L", self._socket, "kill-server"],
            env=self._env,
            capture_output=True,
            timeout=CALL_S,
            check=False,
        )

    # ── what an operator does ───────────────────────────────────────────────────────────────────────────────────

    def keys(self, *names: str) -> None:
        """Press keys, by tmux's names: "r", "Enter", "Escape", "C-c", "Tab", "Up"."""
        self._call("send-keys", "-t", "0", *names)

    def type(self, text: str) -> None:
        """Type text as it is, no key names."""
        self._call("send-keys", "-t", "0", "-l", text)

    def resize(self, cols: int, rows: int) -> None:
        self._call("resize-window", "-t", "0", "-x", str(cols), "-y", str(rows))

    # ── what an operator sees ───────────────────────────────────────────────────────────────────────────────────

    def text(self) -> str:
        """The screen, without trailing blanks."""
        screen = self._call("capture-pane", "-p", "-t", "0")
        if not self._screens or self._screens[-1][1] != screen:
            self._screens.append((time.monotonic() - self._since, screen))
        return screen

    def lines(self) -> list[str]:
        return self.text().splitlines()

    def wait_for(self, wanted: str | Callable[[str], object], timeout_s: float = 15.0, what: str = "") -> str:
        """The screen, once it matches a regular expression (``.`` does not match a new line) or a condition holds."""
        named = what or (f"/{wanted}/" if isinstance(wanted, str) else "the condition")
        pattern = re.compile(wanted, re.MULTILINE) if isinstance(wanted, str) else None
        screen = ""
        over = False

        def met() -> bool:
            nonlocal screen, over
            drained, over = over, self.ended  # the last output may come a moment after the end
            screen = self.text()
            found = bool(pattern.search(screen) if pattern else not isinstance(wanted, str) and wanted(screen))
            if drained and not found:
                raise AssertionError(f"{named} will never be on the screen, which is:\n{screen}{self._state()}")
            return found

        wait_until(met, timeout_s, lambda: f"{named} on the screen, which was:\n{screen}{self._state()}", every_s=0.1)
        return screen

    def on_alternate_screen(self) -> bool:
        return self._format("alternate_on") == "1"

    def cursor_shown(self) -> bool:
        return self._format("cursor_flag") == "1"

    def mouse_tracked(self) -> bool:
        return self._format("mouse_any_flag") == "1"

    def save(self, stem: Path) -> None:
        """The last screens that were looked at, oldest first, as text, and all that was written to the terminal."""
        with suppress(AssertionError, subprocess.TimeoutExpired):  # where it has ended, the last one is known
            self.text()
        screens = [f"── after {at:.1f} s {'─' * 40}\n{screen}" for at, screen in self._screens]
        stem.with_suffix(".screens.txt").write_text("\n".join(screens), encoding="utf-8")
        with suppress(FileNotFoundError):
            shutil.copyfile(self._raw, stem.with_suffix(".raw"))

    # ── the process ─────────────────────────────────────────────────────────────────────────────────────────────

    def process(self) -> psutil.Process:
        """The program that runs in it."""
        shell = psutil.Process(int(self._format("pane_pid")))
        return wait_until(shell.children, 10, "the program to run")[0]

    @property
    def ended(self) -> bool:
        """Whether what ``start`` ran has ended."""
        return self._status.exists() and self._status.stat().st_size > 0

    def wait_ended(self, timeout_s: float = 15.0) -> int:
        """The exit code of what ``start`` ran, once it has ended; 128 + n for signal n."""
        wait_until(lambda: self.ended, timeout_s, lambda: f"the program to end; its screen was:\n{self.text()}")
        return int(self._status.read_text(encoding="ascii"))

    # ── tmux ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _format(self, name: str) -> str:
        return self._call("display-message", "-p", "-t", "0", f"#{{{name}}}").strip()

    def _state(self) -> str:
        return f"\n(the program has ended, exit code {self.wait_ended()})" if self.ended else ""

    def _call(self, *args: str) -> str:
        done = subprocess.run(
            [self._tmux, "-u", "-L", self._socket, *args],
            env=self._env,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=CALL_S,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"tmux {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout
