"""The completion scripts, loaded into a real shell in a terminal, in which a word is completed with the Tab key."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.program import SHIFTDECK
from tests.servers import require_program

SHELLS: dict[str, tuple[list[str], str]] = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ". ./script; bind 'set bell-style none'"),
    "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -u -D; . ./script"),
    "fish": (["fish", "--no-config", "-i"], "source ./script"),
}
ANSWER_S = 60.0
SEEN = {"prod-eu": {"lab:prod/sentiment": ["v7", "v8"], "lab:prod/fraud": ["v12", "v13"]}}


class Terminal:
    """A program in a terminal of its own: what is typed, and what it has written since."""

    def __init__(self, argv: Sequence[str], folder: Path, env: dict[str, str]) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.chdir(folder)
            os.execvpe(argv[0], list(argv), env)  # noqa: S606 - a terminal's child is made by fork
        self._written = ""

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def shows(self, words: str) -> None:
        """Wait until it has written ``words`` since the last time."""
        end = time.monotonic() + ANSWER_S
        while words not in self._written:
            ready, _, _ = select.select([self._fd], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no {words!r} in {self._written!r}"
            self._written += os.read(self._fd, 4096).decode(errors="replace")
        self._written = self._written.partition(words)[2]

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._fd)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    """An interactive shell that has loaded its script; endpoints of one context were seen before."""
    name = str(request.param)
    require_program(name)
    seen = tmp_path / "cache/shiftdeck/endpoints.json"
    seen.parent.mkdir(parents=True)
    seen.write_text(json.dumps(SEEN))
    done = subprocess.run([SHIFTDECK, "completion", name], capture_output=True, text=True, timeout=60, check=True)
    (tmp_path / "script").write_text(done.stdout)
    env = {
        "PATH": f"{SHIFTDECK.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TERM": "dumb" if name == "bash" else "xterm",
        "LANG": "C.UTF-8",
        "PS1": "> ",
    }
    argv, load = SHELLS[name]
    terminal = Terminal(argv, tmp_path, env)
    try:
        terminal.type(f"{load}; echo load''ed\r")
        terminal.shows("loaded")
        yield terminal
    finally:
        terminal.end()


def test_a_word_is_completed_with_the_tab_key(shell: Terminal) -> None:
    shell.type("shiftdeck roll\t")
    shell.shows("roll")
    shell.shows("back")
    shell.type("sent\t")
    shell.shows("sent")
    shell.shows("iment")


def test_variants_of_the_endpoint_that_was_typed_are_offered(shell: Terminal) -> None:
    shell.type("shiftdeck promote fraud v\t")
    shell.shows("v1")
    shell.type("\t\t")
    shell.shows("v13")
